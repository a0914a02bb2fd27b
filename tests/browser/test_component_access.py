"""The component for everybody: axe-core finds nothing in any state, and a keyboard is enough.

Each state is pictured; SCREENSHOTS names a directory to keep the pictures in.
"""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.browser.axe import needs_axe, violations
from tests.browser.component import Component
from tests.browser.stage import facts, stage, written

pytestmark = pytest.mark.browser

ANSWER = """A fjord is a long, narrow inlet of the sea, cut by a glacier. Three facts:

1. The walls are **steep**, and the water is *deep*.
2. The mouth is shallow: there the glacier let go of its stones.
3. `Sognefjord` is [the longest](https://en.wikipedia.org/wiki/Sognefjord) in Norway.

| fjord | length | depth |
|---|---:|---:|
| Sognefjord | 205 km | 1,308 m |
| Hardangerfjord | 179 km | 860 m |

```python
def depth(fjord: str) -> int:
    return DEPTHS[fjord]  # in metres
```

> Hverjum þykir sinn fugl fagur.

- [x] seen from a ship
- [ ] seen from above

### Where to go on

![A map](https://example.com/map.png) shows them all.
"""
QUESTION = "What is a fjord, and which is the longest?"
FAILED = {"code": "timeout", "message": "The assistant took too long to answer.", "retryable": True}
THINKING = SimpleNamespace(kind="reasoning", text="The question is about geography.", summary="Thinking")
TOOL = SimpleNamespace(kind="tool_call", text='{"name": "Sognefjord"}', summary="Tool call: length")
TALK = [written(1, "user", QUESTION), written(2, "assistant", ANSWER, sections=[THINKING, TOOL])]
LONG = [
    written(number, "user" if number % 2 else "assistant", QUESTION if number % 2 else ANSWER)
    for number in range(1, 41)
]


def streaming(play: Callable[[str, dict[str, Any]], None]) -> None:
    play("message", {"message": facts(1, "user", parts=[{"type": "text", "text": QUESTION}])})
    play("start", {"start": 0, "message": facts(2, "assistant", "streaming")})
    play("reasoning", {"start": 0, "text": "The question is about geography."})
    play("text", {"start": 32, "text": ANSWER[:520]})


def quiet(_play: Callable[[str, dict[str, Any]], None]) -> None:
    """Nothing happens."""


STATES: dict[str, tuple[list[Any], Callable[..., None], str]] = {
    "empty": ([], quiet, ".welcome"),
    "talk": (TALK, quiet, ".markdown table"),
    "long": (LONG, quiet, ".markdown table >> nth=-1"),
    "streaming": (TALK[:1], streaming, "[aria-busy] .markdown"),
    "error": ([TALK[0], written(2, "assistant", "It begins", error=FAILED)], quiet, ".note.error"),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    ("scheme", "width", "direction"),
    [("light", 1100, "ltr"), ("dark", 1100, "ltr"), ("light", 390, "ltr"), ("dark", 390, "rtl")],
)
def test_axe_finds_nothing(browser: Any, tmp_path: Path, state: str, scheme: str, width: int, direction: str) -> None:
    needs_axe()
    messages, score, ready = STATES[state]
    with stage(messages, score, direction=direction, suggestions=[QUESTION, "And a lake?"]) as address:
        context = browser.new_context(
            viewport={"width": width, "height": 820}, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True
        )
        page = context.new_page()
        page.goto(address)
        page.locator(ready).first.wait_for()
        page.wait_for_timeout(150)
        pictures = Path(os.environ.get("SCREENSHOTS", tmp_path))
        page.screenshot(path=pictures / f"{state}-{scheme}-{width}-{direction}.png")

        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        context.close()


def focused(page: Any) -> str:
    """Return what the focused element is called."""
    name: str = page.evaluate(
        """(() => {
          const element = document.querySelector("converse-chat").shadowRoot.activeElement;
          return element && (element.ariaLabel || element.placeholder || element.textContent.trim());
        })()"""
    )
    return name


def test_a_keyboard_is_enough(browser: Any) -> None:
    with stage(TALK, quiet) as address:
        page = browser.new_page(viewport={"width": 1100, "height": 820})
        page.goto(address)
        chat = Component(page, address)
        page.locator(".markdown table").wait_for()
        reached = []
        for _key in range(24):
            page.keyboard.press("Tab")
            reached.append(focused(page))
            if reached[-1] == "Send":
                break

        assert [name for name in reached if name] == [
            "Conversation", "Copy", "Edit", "the longest", "Table", "Copy code", "Code", "A map",
            "Thinking", "Tool call: length", "Copy", "Answer anew", "Ask something", "Send",
        ]  # fmt: skip
        # Everything that has the focus shows it.
        assert page.evaluate(
            "getComputedStyle(document.querySelector('converse-chat').shadowRoot.activeElement).outlineStyle"
        ) in ("solid", "auto")
        chat.box.press("ArrowUp")
        assert focused(page) == "The question in other words"
        page.keyboard.press("Escape")
        assert focused(page) == "Edit"
        page.close()


def test_a_conversation_that_is_busy_elsewhere_says_so(browser: Any) -> None:
    with stage(TALK, quiet) as address:
        page = browser.new_page()
        page.goto(address)
        chat = Component(page, address)
        chat.box.fill("More?")
        chat.box.press("Enter")

        page.get_by_role("alert").get_by_text("An answer is still being written.").wait_for()

        assert chat.box.input_value() == "More?"
        page.close()
