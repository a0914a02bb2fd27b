"""The component under load: long answers at full pace, long conversations. Times are the main thread's own."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.browser.stage import facts, paced, stage, written

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

CHAPTER = """## Chapter {0}

Lorem ipsum **dolor** sit amet, *consectetur* adipiscing `elit`, sed do [eiusmod](https://example.com/{0}) tempor
incididunt ut labore et dolore magna aliqua. Ut enim ad minim veniam, quis nostrud exercitation ullamco laboris.

- the first point of {0}
- the second, with `code` and **weight**
  1. nested once
  2. nested twice

```python
def chapter_{0}(text: str) -> int:
    return len(text.split()) * {0}
```

| column | value |
|---|---:|
| one | {0} |
| two | 2{0} |

> Quoted, as so much is.

"""
BOOK = "".join(CHAPTER.format(number) for number in range(400))
TASKS = {"RunTask", "ThreadControllerImpl::RunTask"}
WATCH = """() => {
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.shifts.push(entry.value);
  }).observe({ type: "layout-shift", buffered: false });
}"""


@contextmanager
def traced(browser: Any, page: Any, path: Path) -> Iterator[list[float]]:
    """Yield a list that has, afterwards, the milliseconds of CPU of each task of the page's main thread."""
    categories = ["toplevel", "disabled-by-default-devtools.timeline", "devtools.timeline"]
    browser.start_tracing(page=page, path=path, categories=categories)
    tasks: list[float] = []
    try:
        yield tasks
    finally:
        browser.stop_tracing()
    events = json.loads(path.read_text())["traceEvents"]
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    found = [event for event in events if event["name"] in TASKS and (event["pid"], event["tid"]) in mains]
    names = {event["name"] for event in found}
    one = "RunTask" if "RunTask" in names else "ThreadControllerImpl::RunTask"
    tasks += [event.get("tdur", event.get("dur", 0)) / 1000 for event in found if event["name"] == one]


def test_two_hundred_tokens_a_second_into_a_hundred_kilobytes_are_not_felt(browser: Any, tmp_path: Path) -> None:
    begun, rest = BOOK[:95_000], re.findall(r"\S+\s*|\s+", BOOK[95_000:110_000])[:1_600]

    def score(play: Any) -> None:
        play("start", {"start": 0, "message": facts(2, "assistant", "streaming")})
        paced(play, 0, [begun[at : at + 950] for at in range(0, 95_000, 950)], 100)
        paced(play, 95_000, rest, 200)

    with stage([written(1, "user", "Tell me everything.")], score) as address:
        page = browser.new_page()
        page.goto(address)
        length = "document.querySelector('converse-chat').messages.at(-1).text.length"
        while page.evaluate(length) < 95_000:
            page.wait_for_timeout(50)
        page.wait_for_timeout(1_000)
        page.evaluate(WATCH)
        pane = page.locator(".pane")
        with traced(browser, page, tmp_path / "pinned.json") as pinned:
            page.wait_for_timeout(3_000)
        assert pane.evaluate("pane => pane.scrollHeight - pane.scrollTop - pane.clientHeight") < 40
        pane.hover()
        page.mouse.wheel(0, -3_000)
        page.wait_for_timeout(500)
        place = pane.evaluate("pane => pane.scrollTop")
        with traced(browser, page, tmp_path / "reading.json") as reading:
            page.wait_for_timeout(2_500)
        shifts = page.evaluate("window.shifts")
        stayed = pane.evaluate("pane => pane.scrollTop")
        tasks = pinned + reading
        assert len(pinned) > 100
        assert max(tasks) < 50, max(tasks)
        assert sum(shifts) < 0.001
        assert stayed == place
        page.close()


def test_a_thousand_messages_open_in_a_second(browser: Any, tmp_path: Path) -> None:
    answer = CHAPTER.format(7)
    messages = [written(number, "user" if number % 2 else "assistant", answer) for number in range(1, 1_001)]

    with stage(messages) as address:
        page = browser.new_page()
        page.goto("about:blank")
        with traced(browser, page, tmp_path / "open.json") as tasks:
            page.goto(address)
            page.locator("article.assistant .markdown").last.wait_for()
            page.wait_for_timeout(1_500)
        assert page.locator("article").count() == 1_000
        assert sum(tasks) < 1_000, sum(tasks)
        # What is far from the reader waits until somebody scrolls there.
        assert page.locator("article.assistant .markdown").count() < 100
        page.locator(".pane").evaluate("pane => pane.scrollTop = 0")
        page.locator("article.assistant .markdown").first.get_by_role("heading").wait_for()
        page.close()


def test_what_is_announced_comes_five_seconds_apart(browser: Any) -> None:
    words = re.findall(r"\S+\s*", "Here is a sentence of some words. And another, which is longer than that. " * 60)

    def score(play: Any) -> None:
        play("start", {"start": 0, "message": facts(2, "assistant", "streaming")})
        end = paced(play, 0, words, 60)
        play(
            "complete",
            {"start": end, "message": facts(2, "assistant", "streaming") | {"status": "complete", "parts": None}},
        )

    with stage([written(1, "user", "Tell me.")], score) as address:
        page = browser.new_page()
        page.add_init_script(
            """addEventListener("DOMContentLoaded", () => {
              window.said = [];
              const regions = document.querySelector("converse-chat").shadowRoot.querySelectorAll(
                "[role=status], [role=alert], [aria-live]");
              for (const region of regions) {
                if (region.getAttribute("aria-live") === "off") continue;
                new MutationObserver(() => window.said.push([performance.now(), region.textContent]))
                  .observe(region, {childList: true, characterData: true, subtree: true});
              }
            });"""
        )
        page.goto(address)
        page.wait_for_timeout(1_000)
        while "Answer complete." not in [text for _at, text in page.evaluate("window.said")]:
            page.wait_for_timeout(200)
        said = page.evaluate("window.said")
        pauses = [later[0] - earlier[0] for earlier, later in pairwise(said)]
        assert said[0][1] == "Answer started."
        assert len(said) >= 4
        assert min(pauses) >= 4_950
        page.close()
