"""Exports: every form, nothing secret in any, and never more than a page of it in memory."""

import json

import pytest
from django.test import AsyncClient

from converse_stream.api.exports import PAGE_CHARS, PAGE_MESSAGES
from converse_stream.models import Conversation, Message
from tests.records import answered

HOSTILE = 'a "quote", \\ and\nnewline, \u2028, 😀, <script>, data: [DONE]'


@pytest.fixture
def export(client, conversation):
    def export(form):
        response = client.get(f"/api/conversations/{conversation.pk}/export/?as={form}")
        assert response.status_code == 200
        body = b"".join(response).decode()
        return body if form == "markdown" else json.loads(body)

    return export


@pytest.fixture
def talk(conversation):
    """A question with a tool call in its answer, and an edited question: two branches."""
    conversation.system_prompt = "Never tell anybody."
    conversation.save()
    conversation.add_system_message("Never tell anybody either.")
    question = conversation.add_user_message(HOSTILE)
    with conversation.start_stream(model="scripted") as stream:
        stream.reasoning("Let me see. ").append("I look. ")
        stream.tool_call("c1", "weather", {"city": "Oslo"}, '{"city":"Oslo"}')
        stream.tool_result("c1", "weather", {"celsius": -3}).data("progress", 1).append("Cold.")
    question.edit("In other words?")
    return conversation


def test_json_has_every_branch_as_the_api_shows_it(export, talk):
    exported = export("json")

    shown = [message.to_dict() for message in Message.objects.exclude(role="system").order_by("number")]
    assert exported["messages"] == shown
    assert len(shown) == 4
    assert exported["conversation"]["id"] == str(talk.pk)


def test_a_page_to_read_has_the_newest_branch(export, talk):
    assert export("markdown") == ("# Mine\n\n## You\n\nIn other words?\n\n## Answer\n\nIn other words? \n")


def test_a_stopped_answer_says_so_on_the_page(export, conversation):
    conversation.add_user_message("Hi")
    stream = conversation.start_stream(model="scripted").append("So far")
    stream.data("progress", 1)
    stream.message.cancel()

    assert export("markdown").endswith("## scripted\n\nSo far\n\n*(cancelled)*\n")


def test_the_messages_of_chat_completions_are_what_a_model_would_be_told(export, conversation):
    conversation.add_user_message(HOSTILE)
    with conversation.start_stream() as stream:
        stream.append("I look. ").tool_call("c1", "weather", {"city": "Oslo"}, '{"city":"Oslo"}')
        stream.tool_result("c1", "weather", {"celsius": -3}).append("Cold.")
    failed = conversation.start_stream().append("Half a")
    failed.fail("late")

    assert export("openai") == {
        "messages": [
            {"role": "user", "content": HOSTILE},
            {
                "role": "assistant",
                "content": "I look. ",
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": '{"celsius":-3}'},
            {"role": "assistant", "content": "Cold."},
        ]
    }


def test_ui_messages_have_a_call_and_its_result_in_one_part(export, conversation):
    question = conversation.add_user_message("Hi")
    with conversation.start_stream() as stream:
        stream.reasoning("Hm.").tool_call("c1", "weather", {"city": "Oslo"})
        stream.tool_result("c1", "weather", "no such city", is_error=True)
        stream.tool_call("c2", "time", {}).data("progress", {"step": 1}).append("Done.")

    asked, answered_ = export("ui-messages")

    assert (asked["id"], asked["role"]) == (str(question.pk), "user")
    assert asked["parts"] == [{"type": "text", "text": "Hi", "state": "done"}]
    assert answered_["parts"] == [
        {"type": "reasoning", "text": "Hm.", "state": "done"},
        {
            "type": "tool-weather",
            "toolCallId": "c1",
            "input": {"city": "Oslo"},
            "state": "output-error",
            "errorText": "no such city",
        },
        {"type": "tool-time", "toolCallId": "c2", "input": {}, "state": "input-available"},
        {"type": "data-progress", "data": {"step": 1}},
        {"type": "text", "text": "Done.", "state": "done"},
    ]


@pytest.mark.parametrize("form", ["json", "markdown", "openai", "ui-messages"])
def test_no_form_holds_a_system_prompt_or_a_providers_state(client, talk, form):
    answer = Message.objects.filter(role="assistant").order_by("number").first()
    Message.objects.filter(pk=answer.pk).update(parts=[part | {"state": "opaque"} for part in answer.parts])

    body = b"".join(client.get(f"/api/conversations/{talk.pk}/export/?as={form}"))

    assert b"Never tell" not in body
    assert b"opaque" not in body


@pytest.mark.parametrize("form", ["json", "markdown", "openai", "ui-messages"])
def test_an_empty_conversation_is_exported_too(export, form):
    assert export(form) is not None


def test_a_live_answer_is_exported_as_far_as_it_is_committed(export, conversation):
    stream = conversation.start_stream().append("So far")
    stream.data("progress", 1)

    [live] = export("json")["messages"]

    assert (live["status"], live["content"]) == ("streaming", "So far")


def test_it_is_a_download_that_no_browser_shows(client, conversation):
    headers = client.get(f"/api/conversations/{conversation.pk}/export/?as=markdown").headers

    assert headers["Content-Disposition"] == f'attachment; filename="conversation-{conversation.pk}.md"'
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("form", ["xml", "", "JSON", "%00"])
def test_an_unknown_form_is_refused(client, conversation, form):
    assert client.get(f"/api/conversations/{conversation.pk}/export/?as={form}").status_code == 400


@pytest.mark.parametrize("form", ["json", "openai", "ui-messages"])
def test_pages_are_one_document(client, conversation, form, query_count):
    conversation.add_user_message("0")
    url = f"/api/conversations/{conversation.pk}/export/?as={form}"
    one = query_count(lambda: b"".join(client.get(url)))
    for number in range(1, PAGE_MESSAGES + 10):
        conversation.add_user_message(str(number))

    two = query_count(lambda: b"".join(client.get(url)))

    document = json.loads(b"".join(client.get(url)))
    assert len(document if form == "ui-messages" else document["messages"]) == PAGE_MESSAGES + 10
    assert two == one + 1


def test_long_messages_come_one_at_a_time(client, conversation):
    for _ in range(4):
        answered(conversation, "x" * (PAGE_CHARS // 2 + 1))

    parts = list(client.get(f"/api/conversations/{conversation.pk}/export/?as=json"))

    assert len(parts) == 2 + 4
    assert len(json.loads(b"".join(parts))["messages"]) == 4


@pytest.mark.django_db(transaction=True)
async def test_it_streams_in_an_event_loop_too(owner, conversation):
    await conversation.aadd_user_message("Hi")
    client = AsyncClient()
    await client.aforce_login(owner)

    response = await client.get(f"/api/conversations/{conversation.pk}/export/?as=json")
    parts = [part async for part in response]

    assert len(parts) == 3
    assert json.loads(b"".join(parts))["messages"][0]["content"] == "Hi"


def test_what_is_added_meanwhile_is_in_the_next_export(client, owner):
    conversation = Conversation.objects.create(owner=owner)
    conversation.add_user_message("One")
    parts = iter(client.get(f"/api/conversations/{conversation.pk}/export/?as=json"))

    body = next(parts) + next(parts)
    conversation.add_user_message("Two")
    body += b"".join(parts)

    assert [message["content"] for message in json.loads(body)["messages"]] == ["One"]
