"""The chat pages in a real browser: without a script, with the component, for people who cannot see or point."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.browser.axe import needs_axe, violations

pytestmark = pytest.mark.browser

POLICY = "default-src 'self'; base-uri 'none'; object-src 'none'; require-trusted-types-for 'script'"


@pytest.fixture
def open_tab(browser: Any, site: str, signed_in: Any) -> Any:
    @contextmanager
    def open_tab(**options: Any) -> Iterator[Any]:
        context = browser.new_context(storage_state=signed_in, base_url=site, **options)
        context.set_default_timeout(20_000)
        yield context.new_page()
        context.close()

    return open_tab


@pytest.fixture
def plain(open_tab: Any) -> Iterator[Any]:
    """A tab in which no script runs."""
    with open_tab(java_script_enabled=False) as page:
        yield page


# Playwright finds no text of its own accord in a noscript element: there, elements are named by their class.


def ask(page: Any, question: str) -> None:
    page.goto("/chat/new/")
    page.get_by_label("Message", exact=True).fill(question)
    page.get_by_role("button", name="Send").click()


def answer(page: Any) -> Any:
    return page.locator("article.converse-assistant").last.locator(".converse-text")


def test_without_a_script_a_page_refreshes_itself_until_the_answer_is_there(plain: Any) -> None:
    ask(plain, "/long 120")
    plain.locator(".converse-running", has_text="This page is loaded again every 3 seconds.").wait_for()

    answer(plain).filter(has_text="119 120").wait_for()

    assert plain.get_by_role("button", name="Send").is_visible()
    assert plain.locator(".converse-running").count() == 0


def test_without_a_script_an_answer_is_stopped_and_given_anew(plain: Any) -> None:
    ask(plain, "/long 5000")
    plain.get_by_role("button", name="Stop").click()
    plain.locator(".converse-note", has_text="Stopped.").wait_for()

    plain.get_by_role("button", name="Try again").click()
    plain.get_by_role("button", name="Stop").click()

    plain.locator(".converse-versions", has_text="2/2").wait_for()
    plain.get_by_role("link", name="Previous version").click()
    plain.locator(".converse-versions", has_text="1/2").wait_for()


def test_without_a_script_a_question_is_edited_and_both_branches_are_there(plain: Any) -> None:
    ask(plain, "/long 3")
    answer(plain).filter(has_text="1 2 3").wait_for()
    plain.get_by_role("link", name="Edit").click()

    plain.get_by_label("The question in other words").fill("/long 4")
    plain.get_by_role("button", name="Ask again").click()

    answer(plain).filter(has_text="1 2 3 4").wait_for()
    plain.get_by_role("link", name="Previous version").click()
    answer(plain).filter(has_text=re.compile("1 2 3 *$")).wait_for()


def test_a_conversation_is_found_renamed_deleted_and_taken_back(plain: Any) -> None:
    ask(plain, "/long 2 haystack")
    plain.get_by_role("link", name="Rename").click()
    plain.get_by_label("Title").fill("A needle")
    plain.get_by_role("button", name="Save").click()
    plain.get_by_role("heading", name="A needle").wait_for()

    plain.goto("/chat/?q=haystack")
    plain.get_by_role("button", name="Delete").click()
    plain.get_by_role("button", name="Undo").click()

    plain.get_by_role("heading", name="A needle").wait_for()


def test_with_scripts_the_component_takes_the_place_of_the_plain_messages(open_tab: Any) -> None:
    with open_tab() as page:
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if "Security Policy" in line.text else None)

        def with_policy(route: Any) -> None:
            if not route.request.is_navigation_request():
                return route.fallback()
            response = route.fetch(max_redirects=0)
            return route.fulfill(response=response, headers={**response.headers, "content-security-policy": POLICY})

        page.route("**/*", with_policy)
        page.goto("/chat/new/")
        page.get_by_label("Message", exact=True).fill("/long 60")
        page.get_by_label("Message", exact=True).press("Enter")

        page.locator("converse-chat article.assistant").get_by_text("59 60").wait_for()

        assert page.locator("article.converse-assistant").count() == 0
        page.get_by_role("button", name="Answer anew").click()
        page.get_by_role("button", name="Previous version").wait_for()
        assert faults == []


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 320)])
def test_axe_finds_nothing_wrong_with_any_page(open_tab: Any, scheme: str, width: int) -> None:
    needs_axe()
    view = {"width": width, "height": 800}
    with open_tab(color_scheme=scheme, viewport=view, reduced_motion="reduce") as page:
        page.goto("/chat/new/")
        page.get_by_label("Message", exact=True).fill("/fail")
        page.get_by_label("Message", exact=True).press("Enter")
        page.wait_for_url("**/chat/*-*/**")
        talk = page.url.partition("#")[0].partition("?")[0]
        found = {"component": violations(page)}
        question = page.locator("converse-chat article.user").first
        question.wait_for()
        message = question.get_attribute("data-message")
        addresses = {
            "editing": f"{talk}?edit={message}",
            "earlier": f"{talk}?before={message}",
            "rename": f"{talk}rename/",
            **{
                name: f"/{name}/" for name in ("chat", "chat/new", "bare", "vue", "htmx", "ai-sdk", "component", "wiki")
            },
            "home": "/",
            "searched": "/chat/?q=nothing-like-it",
        }
        for name, address in addresses.items():
            page.goto(address)
            found[name] = violations(page)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name

    assert {name: each for name, each in found.items() if each} == {}


def test_the_keyboard_alone_is_enough(open_tab: Any) -> None:
    with open_tab() as page:
        page.goto("/chat/")
        page.keyboard.press("Tab")
        for _step in range(12):
            if page.evaluate("document.activeElement.textContent.trim()") == "New conversation":
                break
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**/chat/new/")

        page.keyboard.type("/long 5")  # the box has the focus
        page.keyboard.press("Enter")

        page.locator("converse-chat article.assistant").get_by_text("4 5").wait_for()


def test_the_first_tab_stop_skips_to_the_content(open_tab: Any) -> None:
    with open_tab() as page:
        page.goto("/chat/")
        skip = page.get_by_role("link", name="Skip to the content")
        skip.focus()

        page.keyboard.press("Enter")

        assert page.evaluate("document.activeElement.id") == "converse-main"
