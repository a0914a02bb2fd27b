"""OpenAI's Chat Completions: streamed and whole, by key, over the same tables; and what cannot be done."""

import json

import pytest
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from converse_stream.exceptions import RateLimited
from converse_stream.models import Conversation, Message
from converse_stream.testing import ScriptedProvider
from tests.dialects.clients import read, sent

URL = "/api/v1/chat/completions"
QUESTION = {"role": "user", "content": "Hello there."}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}


@pytest.fixture
def client(owner):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {Token.objects.create(user=owner).key}")
    return client


def complete(client, *messages, **fields):
    headers = fields.pop("headers", {})
    body = {"model": "echo", "messages": list(messages) or [QUESTION], **fields}
    return client.post(URL, body, format="json", headers=headers)


def script(settings, *steps, **more):
    scripted = ScriptedProvider(list(steps), "scripted")
    settings.CONVERSE_STREAM = {"RUNNER": "inline", "PROVIDERS": {"echo": scripted}, **more}
    return scripted


def prompt_of(scripted):
    return [(message.role, [part["type"] for part in message.parts]) for message in scripted.prompts[-1].messages]


def test_a_whole_answer_is_a_chat_completion(client, owner):
    response = complete(client)

    answer = Message.objects.assistant().get()
    body = response.json()
    assert response.status_code == 200
    assert {key: body[key] for key in ("id", "object")} == {"id": f"chatcmpl-{answer.pk}", "object": "chat.completion"}
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello there. ", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert Conversation.objects.get().owner == owner
    assert response["X-Conversation"] == str(answer.conversation_id)


def test_a_streamed_answer_is_chunks_and_done(client):
    """Seeds: P-10."""
    response = complete(client, stream=True)

    body = b"".join(response)
    assert response["Content-Type"].startswith("text/event-stream")
    assert (read("openai", body).text, read("openai", body).ending) == ("Hello there. ", "complete")
    assert b"usage" not in body


def test_the_tokens_are_told_to_who_asks(client, settings):
    script(settings, "Hi", {"type": "usage", "input_tokens": 3, "output_tokens": 4})

    body = b"".join(complete(client, stream=True, stream_options={"include_usage": True}))
    whole = complete(client).json()

    last = json.loads(sent(body)[-2].data)
    expected = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    assert (last["choices"], last["usage"]) == ([], expected)
    assert whole["usage"] == expected


def test_everything_said_before_is_told_to_the_model_and_kept(client, settings):
    """Seeds: L-09, B-05."""
    scripted = script(settings, "Fine.")
    parts = [{"type": "text", "text": "How are "}, {"type": "text", "text": "you?"}]

    complete(
        client,
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Be kind."},
        QUESTION,
        {"role": "assistant", "content": "Hello!"},
        {"role": "assistant", "content": ""},
        {"role": "system", "content": "Be quick."},
        {"role": "user", "content": parts},
    )

    told = [(message.role, message.text) for message in scripted.prompts[-1].messages]
    assert told == [
        ("system", "Be brief.\n\nBe kind."),
        ("user", "Hello there."),
        ("assistant", "Hello!"),
        ("system", "Be quick."),
        ("user", "How are you?"),
    ]
    kept = Message.objects.order_by("number").values_list("role", "content")
    assert list(kept) == [*told[1:], ("assistant", "Fine.")]


def test_a_tool_of_the_clients_is_called_answered_and_gone_on_from(client, settings):
    tools = [{"type": "function", "function": {"name": "weather", "description": "", "parameters": {}}}]
    call = {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Oslo"}}
    scripted = script(settings, call, {"type": "finish", "reason": "tool_calls"}, CLIENT_OPTIONS=["tools"])

    body = complete(client, tools=tools).json()

    assert body["choices"][0]["finish_reason"] == "tool_calls"
    assert body["choices"][0]["message"]["content"] is None
    [told] = body["choices"][0]["message"]["tool_calls"]
    assert json.loads(told["function"].pop("arguments")) == {"city": "Oslo"}
    assert told == {"id": "call_1", "type": "function", "function": {"name": "weather"}}
    assert [tool["name"] for tool in scripted.prompts[-1].options["tools"]] == ["weather"]

    scripted = script(settings, "It is cold.")
    result = {"role": "tool", "tool_call_id": "call_1", "content": "-3"}
    body = complete(client, QUESTION, {"role": "assistant", "content": None, "tool_calls": [CALL]}, result).json()

    assert body["choices"][0]["message"]["content"] == "It is cold."
    assert prompt_of(scripted) == [("user", ["text"]), ("assistant", ["tool_call", "tool_result"])]


def test_a_conversation_that_is_named_goes_on(client, owner, conversation):
    conversation.add_user_message("Hi")
    conversation.add_assistant_message("Hello!")

    response = complete(client, {"role": "user", "content": "Not looked at."}, QUESTION, conversation=conversation.pk)

    assert response.json()["choices"][0]["message"]["content"] == "Hello there. "
    contents = list(conversation.messages.order_by("number").values_list("content", flat=True))
    assert contents == ["Hi", "Hello!", "Hello there.", "Hello there. "]
    assert Conversation.objects.count() == 1


def test_a_conversation_of_somebody_else_is_not_found(client, stranger):
    theirs = Conversation.objects.create(owner=stranger)

    response = complete(client, conversation=str(theirs.pk))

    assert (response.status_code, response.json()["error"]["type"]) == (404, "invalid_request_error")
    assert not Message.objects.exists()


def test_a_request_that_is_sent_again_under_its_key_is_answered_once(client):
    before = [QUESTION, {"role": "assistant", "content": "Hi."}, {"role": "user", "content": "More?"}]
    first = complete(client, *before, headers={"Idempotency-Key": "k1"}).json()
    second = complete(client, *before, headers={"Idempotency-Key": "k1"}).json()
    other = complete(client, QUESTION, headers={"Idempotency-Key": "k1"})

    assert first == second
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_mismatch")
    assert Message.objects.count() == 4


@pytest.mark.parametrize("header", ["", "Bearer nonsense", "Token nonsense"])
def test_without_a_key_there_is_nothing(client, header):
    client.credentials(HTTP_AUTHORIZATION=header)

    response = complete(client)

    assert (response.status_code, response.json()["error"]["type"]) == (401, "authentication_error")
    assert response["WWW-Authenticate"] == "Bearer"
    assert not Conversation.objects.exists()


def test_a_session_does_as_well(owner):
    client = APIClient()
    client.force_login(owner)

    assert complete(client).status_code == 200


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"model": "gpt-9"}, 404, "model_not_found"),
        ({"messages": []}, 400, "bad_request"),
        ({"messages": [QUESTION] * 1001}, 400, "bad_request"),
        ({"messages": "Hi"}, 400, "bad_request"),
        ({"messages": [{"role": "user", "content": ""}]}, 400, "invalid"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, 400, "invalid"),
        ({"messages": [{"role": "user", "content": 5}]}, 400, "invalid"),
        ({"messages": [{"role": "king", "content": "Hi"}]}, 400, "invalid"),
        ({"messages": [{"content": "Hi"}]}, 400, "invalid"),
        ({"messages": [QUESTION, {"role": "assistant", "content": "I think"}]}, 400, "invalid"),
        ({"messages": [QUESTION, {"role": "tool", "tool_call_id": "call_1", "content": "-3"}]}, 400, "invalid"),
        ({"messages": [{"role": "tool", "tool_call_id": "call_1", "content": "-3"}]}, 400, "invalid"),
        ({"messages": [{"role": "assistant", "tool_calls": "weather"}]}, 400, "invalid"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "call_1"}]}]}, 400, "invalid"),
        ({"messages": [{"role": "assistant", "tool_calls": [{**CALL, "id": 1}]}]}, 400, "invalid"),
        ({"messages": [{"role": "system", "content": "Be brief."}]}, 400, "invalid"),
        ({"n": 2}, 400, "bad_request"),
        ({"response_format": {"type": "json_object"}}, 400, "bad_request"),
        ({"max_tokens": 5}, 400, "bad_request"),
        ({"temperature": "warm"}, 400, "invalid_options"),
        ({"tools": [{"type": "web_search"}]}, 400, "bad_request"),
        ({"stream": "perhaps"}, 400, "bad_request"),
        ({"conversation": "mine"}, 400, "bad_request"),
    ],
)
def test_what_cannot_be_done_is_said_in_their_form_and_leaves_nothing_behind(client, fields, status, code):
    response = complete(client, **fields)

    body = response.json()["error"]
    assert (response.status_code, body["code"], body["type"]) == (status, code, "invalid_request_error")
    assert body["message"]
    assert set(body) == {"message", "type", "param", "code"}
    assert not Conversation.objects.exists()


def test_fields_that_ask_for_nothing_are_accepted(client):
    harmless = {"n": 1, "user": "u", "logprobs": False, "response_format": {"type": "text"}, "tools": [], "stop": None}

    assert complete(client, temperature=0.5, **harmless, unknown=1).status_code == 200


@pytest.mark.parametrize("body", ["", "[]", "null", "{", '"x"'])
def test_a_body_that_is_no_object_is_refused(client, body):
    response = client.post(URL, body, content_type="application/json")

    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize(("error", "status"), [(RateLimited(), 429), (ValueError("secret"), 502)])
def test_a_failed_answer_is_an_error_that_nobody_repeats_by_himself(client, settings, error, status):
    script(settings, "So far", error, RETRIES=0)

    whole = complete(client)
    streamed = b"".join(complete(client, stream=True))

    assert (whole.status_code, whole["X-Should-Retry"]) == (status, "false")
    assert "secret" not in whole.content.decode() + streamed.decode()
    assert read("openai", streamed).ending == "failed"
    assert b"[DONE]" not in streamed


def test_the_models_that_may_be_named_are_listed(client, settings):
    assert [model["id"] for model in client.get("/api/v1/models").json()["data"]] == ["echo"]

    settings.CONVERSE_STREAM |= {"CLIENT_MODELS": ["echo"]}
    assert client.get("/api/v1/models").json() == {
        "object": "list",
        "data": [{"id": "echo", "object": "model", "created": 0, "owned_by": "echo"}],
    }
