"""The chat component in a real browser, on a page whose policy allows its own files and nothing else.

SERVERS=uvicorn,daphne,runserver says on which servers.
"""

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.component import Component
from tests.browser.server import example_site
from tests.browser.wire import Wire

pytestmark = pytest.mark.browser

HOSTILE = '/long 3 <img src=x onerror="document.title=1"><script>document.title=1</script>\n\n  two   spaces'


@pytest.fixture(scope="module", params=os.environ.get("SERVERS", "uvicorn").split(","))
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = {"DJANGO_SETTINGS_MODULE": "tests.browser.component_settings"}
    with example_site(tmp_path_factory.mktemp("site"), server=request.param, **settings) as address:
        yield address


@pytest.fixture
def chat(browser: Any, cable: Wire, signed_in: Any) -> Iterator[Component]:
    """A signed-in tab; an exception, a report of the policy and a foreign request fail the test."""
    context = browser.new_context(storage_state=signed_in)
    context.set_default_timeout(20_000)
    wrong: list[str] = []

    def watch(page: Any) -> None:
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if "Security Policy" in line.text else None)
        page.on("request", lambda request: wrong.append(request.url) if is_foreign(request.url) else None)

    def is_foreign(url: str) -> bool:
        return not url.startswith((cable.address, "data:", "blob:"))

    context.on("page", watch)
    chat = Component(context.new_page(), cable.address)
    chat.begin()
    yield chat
    context.close()
    assert wrong == []


def numbered(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def tab(chat: Component) -> Component:
    """Open the conversation in another tab."""
    second = Component(chat.page.context.new_page(), chat.address)
    second.page.goto(chat.page.url)
    return second


def test_an_answer_is_shown_while_it_is_written_and_the_page_gets_an_address(chat: Component) -> None:
    """Seeds: F-08."""
    chat.ask("/long 120")
    early = chat.grown(20)

    assert chat.is_growing
    whole = chat.ended()
    assert whole.startswith(early)
    assert numbered(whole)[-1] == 120
    assert re.search(r"/chat-page/[0-9a-f-]{36}/$", chat.page.url)
    assert chat.answers.last.locator(".text").inner_text().strip() == whole.strip()


def test_markdown_becomes_elements_live_and_after_a_reload(chat: Component) -> None:
    chat.ask("What is converse_stream?")
    chat.ended()

    seen = []
    for _visit in ("live", "after a reload"):
        text = chat.answers.last.locator(".markdown")
        text.wait_for()
        assert text.get_by_role("heading").first.inner_text() == "What is converse_stream?"
        seen.append(text.evaluate("element => element.innerHTML"))
        chat.page.reload()
    assert seen[0] == seen[1]


def test_stop_keeps_the_text_and_a_reload_shows_the_same(chat: Component) -> None:
    chat.ask("/long 5000")
    chat.grown(40)

    chat.stop.click()

    text = chat.ended()
    assert chat.answers.last.locator(".note").inner_text() == "Stopped."
    chat.page.reload()
    chat.answers.last.locator(".markdown").wait_for()
    assert chat.text == text
    assert chat.answers.last.locator(".note").inner_text() == "Stopped."


def test_escape_stops_and_the_box_keeps_the_focus(chat: Component) -> None:
    chat.ask("/long 5000")
    chat.grown(20)

    chat.page.keyboard.press("Escape")

    chat.ended()
    assert chat.messages()[-1]["status"] == "cancelled"
    assert chat.box.evaluate("box => box.getRootNode().activeElement === box")


def test_a_reload_in_mid_answer_carries_on_to_the_end(chat: Component) -> None:
    chat.ask("/long 90")
    early = chat.grown(60)

    chat.page.reload()

    assert chat.grown(60).startswith(early[:60])
    assert numbered(chat.ended()) == list(range(1, 91))


def test_a_second_tab_sees_question_and_answer_without_a_reload(chat: Component) -> None:
    chat.ask("/long 3")
    chat.ended()
    second = tab(chat)
    second.answers.last.wait_for()

    chat.ask("/long 60")

    second.until(lambda: len(second.messages()) == 4)
    assert second.ended() == chat.ended()
    assert second.messages() == chat.messages()


def test_stop_in_one_tab_ends_the_answer_in_the_other(chat: Component) -> None:
    chat.ask("/long 5000")
    chat.grown(20)
    second = tab(chat)
    second.grown(20)

    second.stop.click()

    assert chat.ended() == second.ended()
    assert chat.messages()[-1]["status"] == "cancelled"


def test_the_answer_goes_on_after_the_connection_was_cut(chat: Component, cable: Wire) -> None:
    chat.ask("/long 200")

    for _cut in range(3):
        chat.grown(len(chat.text) + 20)
        cable.cut()
        chat.page.get_by_text("Connection lost").wait_for()

    assert numbered(chat.ended()) == list(range(1, 201))
    assert chat.page.get_by_text("Connection lost").count() == 0


def test_offline_is_told_and_the_answer_goes_on_when_the_device_is_back(chat: Component) -> None:
    chat.ask("/long 120")
    chat.grown(20)

    chat.page.context.set_offline(True)
    chat.page.get_by_text("You are offline.").wait_for()
    chat.page.context.set_offline(False)

    assert numbered(chat.ended()) == list(range(1, 121))
    assert chat.page.get_by_text("You are offline.").count() == 0


def test_what_cannot_be_sent_is_kept_and_can_be_sent_again(chat: Component) -> None:
    chat.ask("/long 3")
    chat.ended()
    chat.page.context.set_offline(True)
    chat.box.fill("/long 5")
    chat.box.press("Enter")

    chat.page.get_by_role("alert").get_by_text("could not be reached").wait_for()
    assert chat.box.input_value() == "/long 5"
    chat.page.context.set_offline(False)
    chat.box.press("Enter")

    chat.until(lambda: len(chat.messages()) == 4)
    assert numbered(chat.ended()) == [1, 2, 3, 4, 5]
    assert chat.box.input_value() == ""


def test_a_component_that_is_moved_in_its_page_goes_on(chat: Component) -> None:
    chat.ask("/long 60")
    chat.grown(20)

    chat.page.evaluate("document.querySelector('main').append(document.querySelector('converse-chat'))")

    assert numbered(chat.ended()) == list(range(1, 61))
    assert chat.answers.last.locator(".text").inner_text().strip() == chat.text.strip()


def test_a_draft_survives_a_reload(chat: Component) -> None:
    chat.box.fill("half a thought")

    chat.page.reload()

    assert chat.box.input_value() == "half a thought"


def test_signing_out_elsewhere_is_told_and_nothing_is_lost(chat: Component) -> None:
    chat.ask("/long 3")
    text = chat.ended()
    chat.page.context.clear_cookies(name="sessionid")
    chat.box.fill("/long 4")
    chat.box.press("Enter")

    chat.page.get_by_role("link", name="Sign in").wait_for()

    assert chat.text == text
    assert chat.box.input_value() == "/long 4"


def test_a_failed_answer_keeps_its_text_and_can_be_tried_again(chat: Component) -> None:
    chat.ask("/fail")
    text = chat.ended()
    note = chat.answers.last.locator(".note.error").inner_text()
    assert text.startswith("This answer begins")
    assert note.endswith(".") and "Traceback" not in note

    chat.answers.last.get_by_role("button", name="Try again").click()

    chat.until(lambda: chat.answers.last.locator(".versions").count() or chat.is_growing)
    chat.ended()
    assert chat.answers.last.get_by_role("group", name="Version 2 of 2").is_visible()
    chat.answers.last.get_by_role("button", name="Previous version").click()
    chat.answers.last.get_by_role("group", name="Version 1 of 2").wait_for()
    assert chat.text == text


def test_an_edited_question_begins_a_branch_and_both_can_be_read(chat: Component) -> None:
    """Seeds: A-20."""
    chat.ask("/long 3")
    chat.ended()
    chat.ask("/long 4")
    chat.ended()

    question = chat.page.locator("article.user").first
    question.hover()
    question.get_by_role("button", name="Edit").click()
    edited = chat.page.get_by_label("The question in other words")
    assert edited.input_value() == "/long 3"
    edited.fill("/long 5")
    edited.press("Enter")

    chat.until(lambda: len(chat.messages()) == 2 and chat.messages()[0]["text"] == "/long 5")
    assert numbered(chat.ended()) == [1, 2, 3, 4, 5]
    chat.page.get_by_role("button", name="Previous version").first.click()
    chat.until(lambda: len(chat.messages()) == 4)
    assert numbered(chat.text) == [1, 2, 3, 4]
    # The next question follows the branch that is shown, and a reload shows that one.
    chat.ask("/long 6")
    chat.ended()
    assert len(chat.messages()) == 6
    chat.page.reload()
    assert len(chat.messages()) == 6
    chat.page.get_by_role("button", name="Next version").first.click()
    chat.until(lambda: [numbered(message["text"]) for message in chat.messages()] == [[5], [1, 2, 3, 4, 5]])


def test_an_answer_anew_stands_beside_the_first(chat: Component) -> None:
    chat.ask("/long 3")
    chat.ended()

    chat.answers.last.get_by_role("button", name="Answer anew").click()

    chat.page.get_by_role("group", name="Version 2 of 2").wait_for()
    assert numbered(chat.ended()) == [1, 2, 3]


def test_thinking_is_folded_beside_the_answer(chat: Component) -> None:
    chat.ask("/think What is converse_stream?")
    chat.ended()

    for _visit in ("live", "after a reload"):
        thinking = chat.answers.last.locator("details").first
        assert not thinking.locator(".text").is_visible()
        thinking.locator("summary").click()
        assert "The question is" in thinking.locator(".text").inner_text()
        chat.page.reload()


def test_a_question_is_shown_as_it_was_written(chat: Component) -> None:
    chat.ask(HOSTILE)
    chat.ended()

    for _visit in ("live", "after a reload"):
        assert chat.page.locator("article.user .text").last.text_content() == HOSTILE
        assert chat.page.locator("article img, article script").count() == 0
        assert chat.page.title() == "Chat"
        chat.page.reload()


def test_what_is_too_long_is_refused_and_not_lost(chat: Component) -> None:
    question = "x" * 100_001
    chat.box.fill(question)
    chat.box.press("Enter")

    chat.page.get_by_role("alert").get_by_text("This message is too long.").wait_for()

    assert chat.box.input_value() == question


def test_enter_belongs_to_an_input_method_while_it_composes(chat: Component) -> None:
    chat.box.fill("ni")
    event = "new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true, cancelable: true})"

    assert chat.box.evaluate(f"box => box.dispatchEvent({event})")
    assert chat.messages() == []
    assert chat.box.input_value() == "ni"


def test_the_arrow_up_edits_the_last_question_and_escape_leaves_it(chat: Component) -> None:
    chat.ask("/long 3")
    chat.ended()

    chat.box.press("ArrowUp")
    edited = chat.page.get_by_label("The question in other words")
    assert edited.input_value() == "/long 3"
    edited.press("Escape")

    assert edited.count() == 0
    assert len(chat.messages()) == 2


def test_copy_gives_the_source_and_a_code_block_its_text(chat: Component) -> None:
    chat.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    chat.ask("What is converse_stream?")
    text = chat.ended()

    chat.answers.last.get_by_role("button", name="Copy", exact=True).click()
    chat.until(lambda: chat.page.evaluate("navigator.clipboard.readText()") == text)


def test_scrolling_up_is_left_alone_until_the_reader_comes_back(chat: Component) -> None:
    chat.page.set_viewport_size({"width": 320, "height": 420})
    chat.ask("/long 5000")
    chat.grown(400)
    pane = chat.page.locator(".pane")

    pane.hover()
    chat.page.mouse.wheel(0, -10_000)
    chat.until(lambda: pane.evaluate("pane => pane.scrollTop") == 0)
    chat.grown(len(chat.text) + 200)

    assert pane.evaluate("pane => pane.scrollTop") == 0
    chat.page.get_by_role("button", name="Latest").click()
    chat.until(lambda: pane.evaluate("pane => pane.scrollHeight - pane.scrollTop - pane.clientHeight < 40"))
    chat.stop.click()
    chat.ended()


@pytest.mark.parametrize("width", [320, 768, 1600])
def test_the_page_fits_its_width(chat: Component, width: int) -> None:
    chat.page.set_viewport_size({"width": width, "height": 700})
    chat.ask("/long 3 " + "x" * 500)
    chat.ended()

    overflow = chat.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    assert overflow == 0
    for element in (chat.box, chat.page.get_by_role("button", name="Send")):
        box = element.bounding_box()
        assert box["height"] >= 44
        assert box["x"] + box["width"] <= width


@pytest.mark.parametrize("transport", ["fetchStream", "eventSource", 'webSocket("/ws/converse/")'])
def test_every_transport_of_the_client_says_the_same(chat: Component, transport: str) -> None:
    chat.ask("/long 40")
    following = f"""async (id) => {{
      const {{ follow, fetchStream, eventSource, webSocket }} = await import("/static/converse_stream/client.js");
      const seen = [];
      for await (const event of follow(id, {{ base: "/api/", after: 0, transport: {transport} }})) seen.push(event);
      const later = [];
      const after = seen.at(-2).id;
      for await (const event of follow(id, {{ base: "/api/", after, transport: {transport} }})) later.push(event.type);
      return {{ text: seen.map((event) => event.text ?? "").join(""), types: [seen[0].type, seen.at(-1).type], later }};
    }}"""

    told = chat.page.evaluate(following, chat.messages()[-1]["id"])

    assert told["text"] == chat.ended()
    assert told["types"] == ["start", "complete"]
    assert told["later"] == ["complete"]


@pytest.mark.parametrize("transport", ["eventSource", 'webSocket("/ws/converse/")'])
def test_every_transport_tells_what_the_server_refuses(chat: Component, transport: str) -> None:
    following = f"""async () => {{
      const {{ follow, eventSource, webSocket }} = await import("/static/converse_stream/client.js");
      const id = "00000000-0000-4000-8000-000000000000";
      try {{
        for await (const event of follow(id, {{ base: "/api/", transport: {transport} }})) return event.type;
      }} catch (error) {{
        return error.name;
      }}
    }}"""

    assert chat.page.evaluate(following) == "Refused"


def test_without_a_script_the_history_can_be_read(browser: Any, chat: Component) -> None:
    chat.ask("/think What is converse_stream?")
    text = chat.ended()
    context = browser.new_context(storage_state=chat.page.context.storage_state(), java_script_enabled=False)
    page = context.new_page()

    page.goto(chat.page.url)

    assert page.locator("article.user .text").inner_text() == "/think What is converse_stream?"
    assert page.locator("article.assistant > .body > .text").inner_text().split() == text.split()
    assert page.locator("article.assistant details summary").inner_text() == "Thinking"
    context.close()
