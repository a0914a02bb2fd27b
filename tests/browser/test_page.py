"""The chat page in a real browser, against a real server."""

import re
from typing import Any

import pytest

from tests.browser.page import ChatPage
from tests.browser.wire import Wire

pytestmark = pytest.mark.browser

HOSTILE = '/long 3 <img src=x onerror="document.title=1"><script>document.title=1</script>\n\n  two   spaces'


def numbered(text: str) -> list[int]:
    """Return the numbers in an answer to `/long N`."""
    return [int(number) for number in re.findall(r"\d+", text)]


def test_words_appear_before_the_answer_is_complete(chat: ChatPage) -> None:
    chat.ask("/long 120")

    early = chat.wait_for_text()

    assert chat.is_growing()
    whole = chat.wait_for_ending()
    assert whole.startswith(early)
    assert len(whole) > len(early)
    assert numbered(whole)[-1] == 120


def test_stop_keeps_the_text_and_a_reload_shows_the_same(chat: ChatPage) -> None:
    """Seeds: A-03."""
    chat.ask("/long 5000")
    chat.wait_for_text(20)

    chat.page.get_by_role("button", name="Stop").click()

    text = chat.wait_for_ending()
    assert chat.note() == "Stopped."
    chat.page.reload()
    assert chat.text() == text
    assert chat.note() == "Stopped."


def test_a_reload_in_mid_answer_carries_on_to_the_end(chat: ChatPage) -> None:
    """Seeds: A-01."""
    chat.ask("/long 200")
    early = chat.wait_for_text(20)

    chat.page.reload()

    assert chat.is_growing()
    assert chat.wait_for_text(20).startswith(early)
    whole = chat.wait_for_ending()
    assert numbered(whole) == list(range(1, 201))
    chat.page.reload()
    assert chat.text() == whole


def test_a_second_tab_follows_the_same_answer(chat: ChatPage) -> None:
    chat.ask("/long 150")
    chat.wait_for_text()

    second = chat.second()
    second.page.goto(chat.page.url)

    assert second.wait_for_ending() == chat.wait_for_ending()


def test_the_answer_goes_on_after_the_connection_was_cut(chat: ChatPage, cable: Wire) -> None:
    """Seeds: A-01."""
    streams: list[str] = []
    chat.page.on("request", lambda request: streams.append(request.url) if "/stream/" in request.url else None)
    chat.ask("/long 200")

    for _cut in range(3):
        chat.wait_for_text(len(chat.text()) + 20)
        cable.cut()
        chat.page.get_by_text("Connection lost").wait_for()

    assert numbered(chat.wait_for_ending()) == list(range(1, 201))
    assert len(streams) >= 4
    assert streams[0].endswith("after=0")
    assert re.search(r"after=[0-9a-f-]{36}\.[1-9]", streams[-1])


def test_a_failure_shows_its_public_sentence(chat: ChatPage) -> None:
    chat.ask("/fail")

    chat.wait_for_ending()

    note = chat.note()
    assert note.endswith(".")
    assert "Traceback" not in note
    chat.page.reload()
    assert chat.note() == note


def test_thinking_is_folded_beside_the_answer(chat: ChatPage) -> None:
    chat.ask("/think")

    chat.wait_for_ending()

    thinking = chat.page.locator("article.assistant details").first
    assert not thinking.locator(".text").is_visible()
    thinking.locator("summary").click()
    assert thinking.locator(".text").inner_text()


def test_hostile_text_is_shown_as_text(chat: ChatPage) -> None:
    """Seeds: W-13, F-13."""
    title = chat.page.title()
    chat.ask(HOSTILE)
    chat.wait_for_ending()

    for _visit in ("live", "after a reload"):
        assert chat.page.locator("article.user .text").last.text_content() == HOSTILE
        assert chat.page.locator("article img, article script").count() == 0
        assert chat.page.title() == title
        chat.page.reload()


def test_the_page_works_under_a_strict_content_security_policy(chat: ChatPage) -> None:
    violations: list[str] = []
    chat.page.on("console", lambda line: violations.append(line.text) if "Security Policy" in line.text else None)

    def with_policy(route: Any) -> None:
        if not route.request.is_navigation_request():
            return route.fallback()
        response = route.fetch()
        headers = {
            **response.headers,
            "content-security-policy": "default-src 'self'; require-trusted-types-for 'script'",
        }
        return route.fulfill(response=response, headers=headers)

    chat.page.route("**/*", with_policy)
    chat.page.reload()

    chat.page.get_by_role("button", name="Think first").click()

    chat.page.get_by_text("Answer complete.").wait_for()
    assert chat.text()
    assert violations == []


def test_what_is_too_long_is_refused_and_not_lost(chat: ChatPage) -> None:
    question = "x" * 100_001
    chat.ask(question)

    problem = chat.page.get_by_role("alert")
    problem.wait_for()

    assert problem.inner_text() == "This message is too long."
    assert chat.page.get_by_label("Message", exact=True).input_value() == question


def test_a_busy_conversation_says_so_and_leads_to_its_answer(chat: ChatPage) -> None:
    chat.ask("/long 3")
    chat.wait_for_ending()
    second = chat.second()
    second.page.goto(chat.page.url)
    chat.ask("/long 5000")
    chat.wait_for_text()

    second.ask("two")

    second.page.get_by_role("link", name="Show it").click()
    second.wait_for_text()
    assert second.is_growing()
    second.page.get_by_role("button", name="Stop").click()
    chat.wait_for_ending()
    assert chat.note() == "Stopped."


def test_shift_enter_begins_a_line_and_enter_sends(chat: ChatPage) -> None:
    box = chat.page.get_by_label("Message", exact=True)
    box.fill("/long 3")
    box.press("Shift+Enter")
    box.press_sequentially("second")
    box.press("Enter")

    chat.wait_for_ending()

    assert chat.page.locator("article.user .text").last.text_content() == "/long 3\nsecond"


def test_scrolling_up_is_left_alone_until_the_person_comes_back(chat: ChatPage) -> None:
    chat.page.set_viewport_size({"width": 320, "height": 420})
    chat.ask("/long 5000")
    chat.wait_for_text(500)

    chat.page.locator("#scroll").evaluate("pane => pane.scrollTop = 0")
    chat.page.get_by_role("button", name="Latest").wait_for()
    chat.wait_for_text(len(chat.text()) + 200)

    assert chat.page.locator("#scroll").evaluate("pane => pane.scrollTop") == 0
    chat.page.get_by_role("button", name="Latest").click()
    chat.page.wait_for_function(
        "(pane => pane.scrollHeight - pane.scrollTop - pane.clientHeight < 40)(document.getElementById('scroll'))"
    )
    chat.page.get_by_role("button", name="Stop").click()
    chat.wait_for_ending()


@pytest.mark.parametrize("width", [320, 768, 1600])
def test_the_page_fits_its_width(chat: ChatPage, width: int) -> None:
    chat.page.set_viewport_size({"width": width, "height": 700})
    chat.ask("/long 3 " + "x" * 500)
    chat.wait_for_ending()

    overflow = chat.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    assert overflow == 0
    for name in ("Message", "Send"):
        box = chat.page.locator({"Message": "#question", "Send": "#send"}[name]).bounding_box()
        assert box["height"] >= 44
        assert box["x"] + box["width"] <= width
