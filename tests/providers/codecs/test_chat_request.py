"""The body of a Chat Completions request."""

import pytest

from converse_stream.exceptions import BadRequest
from converse_stream.prompts import Prompt, PromptMessage, to_messages
from converse_stream.providers.codecs.chat import Chat


def body(messages=({"role": "user", "content": "hi"},), model="m", **options):
    return Chat("https://host/v1").body(Prompt(to_messages(messages), model, options), stream=True)


def sent(*parts, role="assistant"):
    return Chat("https://host/v1").messages(Prompt([PromptMessage(role, parts)], "m"))


def text(value):
    return {"type": "text", "text": value}


def call(id, name="f", arguments=None, **more):
    return {"type": "tool_call", "id": id, "name": name, "arguments": {} if arguments is None else arguments, **more}


def result(id, value="done", **more):
    return {"type": "tool_result", "id": id, "name": "f", "result": value, **more}


def test_a_plain_question_sends_nothing_that_was_not_asked_for():
    assert body() == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_roles_keep_their_order():
    messages = [{"role": role, "content": role} for role in ("system", "user", "assistant", "user")]

    assert body(messages)["messages"] == messages


def test_options_are_sent_by_name():
    request = body(temperature=0.2, stop=["x"], max_tokens=50)

    assert (request["temperature"], request["stop"], request["max_tokens"]) == (0.2, ["x"], 50)


def test_max_tokens_can_have_another_name():
    class Renamed(Chat):
        max_tokens_name = "max_completion_tokens"

    prompt = Prompt(to_messages([{"role": "user", "content": "hi"}]), "m", {"max_tokens": 5})

    request = Renamed("").body(prompt, stream=True)

    assert request["max_completion_tokens"] == 5
    assert "max_tokens" not in request


def test_usage_is_not_asked_for_where_that_is_refused():
    class WithoutUsage(Chat):
        include_usage = False

    request = WithoutUsage("").body(Prompt(to_messages([{"role": "user", "content": "hi"}]), "m"), stream=True)

    assert "stream_options" not in request


def test_an_answer_that_is_not_streamed_is_asked_for_without_stream_options():
    request = Chat("").body(Prompt(to_messages([{"role": "user", "content": "hi"}]), "m"), stream=False)

    assert request["stream"] is False
    assert "stream_options" not in request


def test_reasoning_schema_and_tool_choice_get_the_form_they_have_here():
    schema = {"title": "fjord", "type": "object"}

    request = body(reasoning="low", schema=schema, tool_choice={"name": "look"})

    assert request["reasoning_effort"] == "low"
    assert request["response_format"] == {
        "type": "json_schema",
        "json_schema": {"strict": True, "name": "fjord", "schema": schema},
    }
    assert request["tool_choice"] == {"type": "function", "function": {"name": "look"}}


def test_extra_goes_into_the_body_as_it_is():
    request = body(extra={"provider": {"order": ["x"]}, "temperature": 1}, temperature=0)

    assert request["provider"] == {"order": ["x"]}
    assert request["temperature"] == 1


def test_tools_get_their_envelope_unless_they_have_one():
    tool = {"name": "f", "description": "does f", "parameters": {"type": "object"}}

    request = body(tools=[tool, {"type": "custom", "custom": {}}])

    assert request["tools"] == [{"type": "function", "function": tool}, {"type": "custom", "custom": {}}]


def test_a_prompt_without_messages_is_refused():
    with pytest.raises(BadRequest, match="messages"):
        body(messages=[])


def test_an_image_is_sent_beside_the_text_in_its_place():
    image = {"type": "file", "name": "a.png", "media_type": "image/png", "data": "aGk="}
    linked = {"type": "file", "media_type": "image/jpeg", "url": "https://host/b.jpg"}

    (message,) = sent(text("these:"), image, linked, text(""), text("compare"), role="user")

    assert message["content"] == [
        {"type": "text", "text": "these:"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "image_url", "image_url": {"url": "https://host/b.jpg"}},
        {"type": "text", "text": "compare"},
    ]


def test_a_file_of_another_type_is_refused():
    with pytest.raises(BadRequest, match="application/zip"):
        sent(text("look"), {"type": "file", "name": "a.zip", "media_type": "application/zip", "data": ""}, role="user")


def test_an_image_that_a_model_has_made_stays_here():
    assert sent(text("here"), {"type": "file", "media_type": "image/png", "data": "aGk="}) == [
        {"role": "assistant", "content": "here"}
    ]


def test_an_answer_with_a_tool_step_is_sent_as_the_messages_it_was():
    messages = sent(text("Let me look."), call("c1", "look", {"at": 1}), result("c1", {"found": 2}), text("It is 2."))

    assert messages == [
        {
            "role": "assistant",
            "content": "Let me look.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"at":1}'}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": '{"found":2}'},
        {"role": "assistant", "content": "It is 2."},
    ]


def test_parallel_calls_are_one_step_with_all_their_results():
    messages = sent(call("c1"), call("c2"), result("c2", "b"), result("c1", "a"), call("c3"), result("c3", "c"))

    assert [message["role"] for message in messages] == ["assistant", "tool", "tool", "assistant", "tool"]
    assert [[each["id"] for each in message["tool_calls"]] for message in messages if "tool_calls" in message] == [
        ["c1", "c2"],
        ["c3"],
    ]
    assert [message["tool_call_id"] for message in messages if message["role"] == "tool"] == ["c1", "c2", "c3"]


def test_a_call_alone_has_no_content():
    assert sent(call("c1"), result("c1"))[0]["content"] is None


def test_results_in_a_message_of_their_own_are_sent():
    assert sent(result("c1", "done"), role="tool") == [{"role": "tool", "tool_call_id": "c1", "content": "done"}]


def test_a_failed_result_says_so():
    assert sent(result("c1", "no such city", is_error=True), role="tool")[0]["content"] == "Error: no such city"


def test_arguments_are_sent_as_the_model_wrote_them_if_they_were_json():
    broken = {**call("c2", raw="{oops"), "arguments": None}

    (message,) = sent(call("c1", arguments={"a": 1}, raw='{ "a":1 }'), broken)

    kept, broken = message["tool_calls"]
    assert kept["function"]["arguments"] == '{ "a":1 }'
    assert broken["function"]["arguments"] == "{}"


def test_reasoning_and_data_stay_here_and_an_empty_answer_is_left_out():
    assert sent({"type": "reasoning", "text": "hm"}, {"type": "data", "name": "x", "value": 1}) == []
    assert sent({"type": "reasoning", "text": "hm"}, text("yes")) == [{"role": "assistant", "content": "yes"}]
