"""The pages that people come with, as docs/howto/from-other-systems.md shows them, in Chromium, each on its dialect."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.conftest import Site, show
from tests.pages import ROOT, blocks

pytestmark = [pytest.mark.clients, pytest.mark.browser, pytest.mark.slow]

PAGE = ROOT / "docs" / "howto" / "from-other-systems.md"
FILES = {block.tags["title"]: block.source for block in blocks(PAGE, "js")}
VUE = ROOT / "tests" / "clients" / "browser" / "node_modules" / "vue" / "dist" / "vue.esm-browser.prod.js"
INDEX = """<!doctype html>
<script type="importmap">{"imports": {"vue": "./vue.js"}}</script>
<main><div id="output"></div><div id="progress"></div><div id="ending"></div><div id="error"></div></main>
"""
START = """([file, conversation, question]) => import(file).then(async ({ stream }) => {
    const page = Object.fromEntries([...document.querySelectorAll('main [id]')].map(part => [part.id, part]))
    const isVue = file.includes('-vue')
    await stream(conversation, question, isVue ? document.querySelector('main') : page)
    if (isVue) document.querySelector('main button').click()
}).catch(error => error.message)"""
SHOWN = "() => Object.fromEntries([...document.querySelectorAll('main [id]')].map(part => [part.id, part.textContent]))"
HOSTILE = 'Ask: ünïcødé 👩‍👩‍👧 \u2028 [DONE] data: {"error": 0}\n\ndata: x\r\n"\\ <b>&amp;</b>\t{{ 1 + 1 }} 0'
ENDINGS = {
    "converse": "complete",
    "converse-progress": "complete",
    "prism": "Stop",
    "bupple-progress": "Complete",
    "laraflow": "complete",
    "laraflow-vue": "complete",
}
"""What a page shows at a proper end; the others show "done"."""
PROGRESS: dict[str, Callable[[str], str]] = {
    "converse-progress": lambda text: rf"{len(text)} characters in \d+ chunks",
    "bupple-progress": lambda text: f"{len(text.split())} tokens",
}
PAGES = sorted(name.removesuffix(".js") for name in FILES if name != "ask.js")
on_uvicorn = pytest.mark.parametrize("site", ["uvicorn"], indirect=True)


@pytest.fixture
def conversation(site: Site, tab: Any) -> str:
    show(tab, site.url, **{"index.html": INDEX, "vue.js": VUE}, **FILES)
    with site.api as api:
        return str(api.post("conversations/").json()["id"])


def stored(site: Site, conversation: str) -> dict[str, Any]:
    with site.api as api:
        message: dict[str, Any] = api.get(f"conversations/{conversation}/messages/").json()["results"][-1]
    return message


def ask(tab: Any, page: str, conversation: str, question: str) -> dict[str, str]:
    """Let a page ask, wait until it shows an ending or an error, and return all that it shows."""
    tab.evaluate(START, [f"./{page}.js", conversation, question])
    over = "() => document.querySelector('#error').textContent || /^(?!Starting|$)/.test(ending.textContent)"
    tab.wait_for_function(over)
    shown: dict[str, str] = tab.evaluate(SHOWN)
    return shown


def test_the_pages_of_five_systems_are_there() -> None:
    systems = {name.partition("-")[0].rstrip("2") for name in PAGES}

    assert systems == {"bupple", "converse", "laraflow", "lightpack", "prism", "wiki"}
    assert len(PAGES) >= 12


@on_uvicorn
@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_the_answer_that_is_stored(site: Site, tab: Any, conversation: str, page: str) -> None:
    """Seeds: C-08, L-03, B-02, F-06."""
    shown = ask(tab, page, conversation, HOSTILE)

    answer = stored(site, conversation)
    assert (answer["status"], answer["content"]) == ("complete", HOSTILE)
    assert shown["output"] == HOSTILE
    assert shown["ending"] == ENDINGS.get(page, "done")
    assert shown["error"] == ""
    if page in PROGRESS:
        assert re.fullmatch(PROGRESS[page](HOSTILE), shown["progress"])


@on_uvicorn
@pytest.mark.parametrize("page", PAGES)
def test_a_page_keeps_the_text_of_an_answer_that_fails_and_says_why(
    site: Site, tab: Any, conversation: str, page: str
) -> None:
    shown = ask(tab, page, conversation, "/fail early, please")

    answer = stored(site, conversation)
    assert (answer["status"], answer["content"]) == ("failed", "/fail early, please")
    reason = answer["error"]["message"]
    if page == "wiki":
        assert shown["output"] == f"/fail early, please\n\n[{reason}]\n"
    else:
        assert (shown["output"], shown["error"]) == ("/fail early, please", reason)
        assert shown["ending"] in ("", "Starting...")


@on_uvicorn
@pytest.mark.parametrize("page", ["converse", "wiki"])
def test_what_is_refused_is_told_before_anything_is_shown(tab: Any, conversation: str, page: str) -> None:
    refused = tab.evaluate(START, [f"./{page}.js", conversation, "x" * 100_001])

    assert refused == "This message is too long."
    assert set(tab.evaluate(SHOWN).values()) == {""}
