"""The body of a request in Ollama's own format."""

import pytest

from converse_stream.exceptions import BadRequest
from converse_stream.prompts import Prompt, PromptMessage, to_messages
from converse_stream.providers.codecs.ollama import OllamaNative

HI = {"role": "user", "content": "hi"}


def body(*messages, stream=True, **options):
    return OllamaNative("").body(Prompt(to_messages(messages or [HI]), "m", options), stream=stream)


def sent(*parts, role="assistant"):
    return OllamaNative("").body(Prompt([PromptMessage(role, parts)], "m"), stream=True)["messages"]


def text(value):
    return {"type": "text", "text": value}


def reasoning(value):
    return {"type": "reasoning", "text": value}


def call(id, name="f", arguments=None):
    return {"type": "tool_call", "id": id, "name": name, "arguments": {} if arguments is None else arguments}


def result(id, value="done", name="f", **more):
    return {"type": "tool_result", "id": id, "name": name, "result": value, **more}


def test_a_plain_question_sends_nothing_that_was_not_asked_for():
    assert body() == {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}


def test_an_answer_that_is_not_streamed_says_so():
    assert body(stream=False)["stream"] is False


def test_roles_keep_their_order():
    messages = [{"role": role, "content": role} for role in ("system", "user", "assistant", "user")]

    assert body(*messages)["messages"] == messages


def test_a_prompt_without_messages_is_refused():
    with pytest.raises(BadRequest, match="messages"):
        OllamaNative("").body(Prompt([], "m"), stream=True)


def test_options_of_the_model_are_sent_by_the_names_they_have_here():
    request = body(temperature=0.2, top_p=0.9, seed=7, max_tokens=50, stop="x", frequency_penalty=1)

    assert request["options"] == {
        "temperature": 0.2,
        "top_p": 0.9,
        "seed": 7,
        "num_predict": 50,
        "stop": ["x"],
        "frequency_penalty": 1,
    }
    assert set(request) == {"model", "messages", "stream", "options"}


def test_extra_joins_the_options_so_that_the_context_can_be_set():
    request = body(temperature=0.2, extra={"options": {"num_ctx": 32_768}, "keep_alive": "10m"})

    assert request["options"] == {"temperature": 0.2, "num_ctx": 32_768}
    assert request["keep_alive"] == "10m"


@pytest.mark.parametrize("wanted", [True, False, "low"])
def test_reasoning_is_whether_or_how_hard_to_think(wanted):
    assert body(reasoning=wanted)["think"] == wanted


@pytest.mark.parametrize("wanted", [{"think": "max"}, {"effort": "max"}])
def test_reasoning_may_be_a_mapping(wanted):
    request = body(reasoning=wanted)

    assert request["think"] == "max"
    assert "effort" not in request


@pytest.mark.parametrize("schema", [{"type": "object"}, {"name": "fjord", "schema": {"type": "object"}}])
def test_a_schema_is_the_format(schema):
    assert body(schema=schema)["format"] == {"type": "object"}


def test_tools_get_their_envelope_unless_they_have_one():
    tool = {"name": "f", "parameters": {"type": "object"}}
    wrapped = {"type": "function", "function": tool}

    assert body(tools=[tool, wrapped])["tools"] == [wrapped, wrapped]


def test_a_choice_of_tools_is_not_taken():
    assert "tool_choice" not in OllamaNative.options


def test_an_answer_with_a_tool_step_is_sent_as_the_messages_it_was():
    messages = sent(
        reasoning("I should look."),
        text("Let me look."),
        call("c1", "look", {"at": 1}),
        result("c1", {"found": 2}, "look"),
        reasoning("I know."),
        text("It is 2."),
    )

    assert messages == [
        {
            "role": "assistant",
            "content": "Let me look.",
            "thinking": "I should look.",
            "tool_calls": [{"function": {"name": "look", "arguments": {"at": 1}}}],
        },
        {"role": "tool", "tool_name": "look", "content": '{"found":2}'},
        {"role": "assistant", "content": "It is 2."},
    ]


def test_results_follow_in_the_order_of_the_calls_because_they_have_no_ids():
    messages = sent(call("c1"), call("c2"), result("c2", "second"), result("c1", "first"))

    assert [message["content"] for message in messages] == ["", "first", "second"]


def test_results_in_a_message_of_their_own_are_sent():
    assert sent(result("c1", "gone", is_error=True), role="tool") == [
        {"role": "tool", "tool_name": "f", "content": "Error: gone"}
    ]


@pytest.mark.parametrize("arguments", [None, [1], "x"])
def test_arguments_that_are_no_object_are_sent_as_an_empty_one(arguments):
    (message,) = sent({**call("c1"), "arguments": arguments})

    assert message["tool_calls"] == [{"function": {"name": "f", "arguments": {}}}]


def test_reasoning_and_data_without_anything_said_are_left_out():
    assert sent(reasoning("hm"), {"type": "data", "name": "x", "value": 1}) == []


def test_images_are_sent_with_their_bytes():
    (message,) = sent(text("look"), {"type": "file", "media_type": "image/png", "data": "aGk="}, role="user")

    assert message == {"role": "user", "content": "look", "images": ["aGk="]}


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ({"media_type": "application/pdf", "data": "aGk="}, "application/pdf"),
        ({"media_type": "image/png", "url": "https://host/a.png"}, "not by their address"),
    ],
)
def test_other_files_are_refused(file, sentence):
    with pytest.raises(BadRequest, match=sentence):
        sent({"type": "file", **file}, role="user")


def test_a_file_that_is_not_the_users_is_refused():
    with pytest.raises(BadRequest, match="user"):
        sent({"type": "file", "media_type": "image/png", "data": "aGk="})
