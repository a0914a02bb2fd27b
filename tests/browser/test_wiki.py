"""The wiki in a real browser: ask, watch the answer grow, follow its citations."""

import re
from typing import Any

import pytest

from tests.browser.page import ChatPage
from tests.browser.wire import Wire

pytestmark = pytest.mark.browser

GROWING = "#answer[aria-busy] .text"


def ask(page: Any, site: str, question: str) -> Any:
    page.goto(f"{site}/wiki/pages/concepts/")
    page.get_by_label("Your question").fill(question)
    page.get_by_role("button", name="Ask", exact=True).click()
    page.wait_for_url(re.compile("/wiki/questions/"))
    return page


def wait_for_text(page: Any, at_least: int) -> str:
    page.wait_for_function(f"(document.querySelector('{GROWING}')?.textContent.length ?? 0) >= {at_least}")
    text: str = page.locator(GROWING).inner_text()
    return text


def wait_for_ending(page: Any) -> str:
    page.locator("#answer:not([aria-busy])").wait_for()
    text: str = page.locator("#answer .markdown").inner_text()
    return text


def test_an_answer_grows_and_its_citations_lead_to_the_passages(chat: ChatPage, cable: Wire) -> None:
    """Seeds: W-07."""
    page = ask(chat.page, cable.address, "What is a cursor? What is a position?")
    wait_for_text(page, 1)

    assert "[1]" in wait_for_ending(page)
    citation = page.locator("#answer a.citation").first
    target = citation.get_attribute("href")
    citation.click()

    page.wait_for_url(f"{cable.address}{target}")
    assert page.locator(f"[id='{target.partition('#')[2]}']").is_visible()
    page.goto(f"{cable.address}/wiki/pages/concepts/")
    page.get_by_role("link", name="What is a cursor?").click()
    assert "[1]" in wait_for_ending(page)


def test_a_reload_and_a_second_asker_go_on_with_the_same_answer(chat: ChatPage, cable: Wire) -> None:
    page = ask(chat.page, cable.address, "/long 150 stop the answer")
    early = wait_for_text(page, 20)
    address = page.url

    page.reload()
    assert wait_for_text(page, len(early)).startswith(early)
    other = ask(page.context.new_page(), cable.address, "/long 150 stop the answer")

    assert other.url == address
    assert wait_for_ending(other) == wait_for_ending(page)
    assert [int(number) for number in wait_for_ending(page).split()] == list(range(1, 151))


def test_stop_keeps_what_was_said(chat: ChatPage, cable: Wire) -> None:
    page = ask(chat.page, cable.address, "/long 4000 stop the answer")
    early = wait_for_text(page, 20)

    page.get_by_role("button", name="Stop").click()

    assert wait_for_ending(page).startswith(early[:20])
    page.get_by_text("Stopped.").wait_for()
    assert page.get_by_role("button", name="Ask again").is_visible()


def test_without_scripts_the_answer_is_there_after_a_reload(browser: Any, cable: Wire, signed_in: Any) -> None:
    context = browser.new_context(storage_state=signed_in, java_script_enabled=False)
    page = ask(context.new_page(), cable.address, "/long 150 times a lease")

    while page.locator("#answer[aria-busy]").count():
        page.reload()
    assert wait_for_ending(page).split()[-1] == "150"
    context.close()


def test_the_search_leads_into_the_middle_of_a_page(chat: ChatPage, cable: Wire) -> None:
    chat.page.goto(f"{cable.address}/wiki/")
    chat.page.get_by_label("Search the wiki").fill("heartbeat")
    chat.page.get_by_label("Search the wiki").press("Enter")

    chat.page.locator(".found a").first.click()

    assert "#" in chat.page.url
    assert chat.page.locator(":target").count() == 1
