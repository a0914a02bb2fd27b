"""htmx 4 and its SSE extension in Chromium, on the site that docs/howto/htmx.md makes."""

from collections.abc import Iterator
from typing import Any

import pytest

from converse_stream.testing import FaultProxy
from tests.clients.conftest import SERVERS, Site, own_site
from tests.pages import ROOT, blocks

pytestmark = [pytest.mark.clients, pytest.mark.browser, pytest.mark.slow]

PAGE = ROOT / "docs" / "howto" / "htmx.md"
HTMX = ROOT / "tests" / "clients" / "browser" / "node_modules" / "htmx.org" / "dist"
HOSTILE = 'Ask: ünïcødé 👩‍👩‍👧 \u2028 data: x\n\ndata: [DONE] <img src=x onerror="document.title=1"> {{ 1 }} 0'
ANSWER = "document.querySelector('article.assistant:last-child')"


@pytest.fixture(scope="module", params=SERVERS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site of the page, instead of the tests' own."""
    directory = tmp_path_factory.mktemp(f"htmx-{request.param}")
    for block in blocks(PAGE):
        if "title" in block.tags:
            (directory / block.tags["title"]).write_text(block.source, encoding="utf-8")
    made = {"DJANGO_SETTINGS_MODULE": "tests.clients.htmx_site", "HTMX_SITE": str(directory)}
    with own_site(request.param, directory, **made) as site:
        yield site


@pytest.fixture
def conversation(site: Site, tab: Any) -> str:
    [script] = [block.source for block in blocks(PAGE, "js")]
    for name, path in {"htmx": HTMX / "htmx.min.js", "hx-sse": HTMX / "ext" / "hx-sse.min.js"}.items():
        tab.route(f"**/static/{name}.min.js", lambda route, _, path=path: route.fulfill(path=path))
    tab.route("**/static/chat.js", lambda route: route.fulfill(body=script, content_type="text/javascript"))
    with site.api as api:
        return str(api.post("conversations/").json()["id"])


def ask(tab: Any, question: str) -> None:
    tab.fill("textarea", question)
    tab.click("button")


def shown(tab: Any) -> tuple[str, str, str]:
    """Return the text, the ending and the note of the last answer once it has ended."""
    tab.wait_for_function(f"{ANSWER}?.dataset.ended")
    answer = tab.evaluate(
        f"[...{ANSWER}.querySelectorAll('.text, .note')].map(part => part.textContent).concat({ANSWER}.dataset.ended)"
    )
    return answer[0], answer[2], answer[1]


def stored(site: Site, conversation: str) -> dict[str, Any]:
    with site.api as api:
        message: dict[str, Any] = api.get(f"conversations/{conversation}/messages/").json()["results"][-1]
    return message


def test_the_page_shows_what_is_stored_and_ends_there(site: Site, tab: Any, conversation: str) -> None:
    """Seeds: F-08."""
    followed: list[str] = []
    tab.on("request", lambda request: followed.append(request.url) if "/stream/" in request.url else None)
    tab.goto(f"{site.url}/chat/{conversation}/")

    ask(tab, HOSTILE)
    first = shown(tab)
    tab.reload()
    reloaded = tab.locator("article.assistant .text").text_content()
    ask(tab, "/fail early, please")
    second = shown(tab)

    answer = stored(site, conversation)
    assert first == (HOSTILE, "complete", "")
    assert reloaded == HOSTILE
    assert second == ("/fail early, please", "failed", answer["error"]["message"])
    assert len(followed) == 2
    assert tab.title() == ""


def test_a_connection_that_is_cut_and_a_reload_miss_nothing(site: Site, tab: Any, conversation: str) -> None:
    followed: list[str | None] = []

    def note(request: Any) -> None:
        if "/stream/" in request.url:
            followed.append(request.headers.get("last-event-id"))

    tab.on("request", note)
    with FaultProxy(site.url) as proxy:
        tab.goto(f"{proxy.url}/chat/{conversation}/")
        ask(tab, HOSTILE * 10)
        tab.wait_for_function(f"{ANSWER}?.textContent.length > 20")
        proxy.cut_after = 5
        proxy.cut()
        tab.wait_for_function(f"{ANSWER}?.textContent.length > 200")
        proxy.cut_after = None
        tab.reload()
        proxy.cut_after = 6

        assert shown(tab) == (HOSTILE * 10, "complete", "")

    assert stored(site, conversation)["content"] == HOSTILE * 10
    assert sum(bool(cursor) for cursor in followed) >= 3
    assert not followed[0]


def test_a_refused_question_changes_nothing_on_the_page(site: Site, tab: Any, conversation: str) -> None:
    tab.goto(f"{site.url}/chat/{conversation}/")
    ask(tab, HOSTILE * 10)
    tab.wait_for_function(f"{ANSWER}?.textContent.length > 20")

    with tab.expect_response("**/ask/") as refused:
        ask(tab, "And this?")

    assert refused.value.status == 409
    assert tab.locator("article").count() == 2
    assert shown(tab)[0] == HOSTILE * 10
