"""The body of a Messages request."""

import base64

import pytest

from converse_stream.exceptions import BadRequest
from converse_stream.prompts import Prompt, PromptMessage, to_messages
from converse_stream.providers.codecs.messages import Messages
from converse_stream.providers.codecs.messages_request import without_thinking

THOUGHT = {"type": "thinking", "thinking": "Hm", "signature": "s"}


def body(messages=({"role": "user", "content": "hi"},), model="claude", **options):
    return Messages("https://host/v1").body(Prompt(to_messages(messages), model, options), stream=True)


def sent(*messages):
    """Return the messages that a conversation becomes; it begins with "hi"."""
    prompt = [PromptMessage("user", [text("hi")]), *(PromptMessage(role, parts) for role, *parts in messages)]
    return body(prompt)["messages"][1:]


def text(value, **more):
    return {"type": "text", "text": value, **more}


def call(id, name="f", arguments=None, **more):
    return {"type": "tool_call", "id": id, "name": name, "arguments": {} if arguments is None else arguments, **more}


def result(id, value="done", **more):
    return {"type": "tool_result", "id": id, "name": "f", "result": value, **more}


def state(blob, at=0, shown=0):
    return {"at": at, "shown": shown, "blob": blob}


def thought(*thoughts):
    return {"type": "reasoning", "text": "Hm", "state": [state(each) for each in thoughts or [THOUGHT]]}


def file(media_type, **where):
    return {"type": "file", "media_type": media_type, **where}


# Options


def test_a_plain_question_sends_nothing_that_was_not_asked_for_but_the_limit_that_must_be():
    assert body() == {
        "model": "claude",
        "max_tokens": 32_000,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "stream": True,
    }


def test_options_are_sent_under_the_names_they_have_here():
    request = body(max_tokens=50, temperature=0.2, top_p=0.9, stop="x")

    assert [request[name] for name in ("max_tokens", "temperature", "top_p")] == [50, 0.2, 0.9]
    assert request["stop_sequences"] == ["x"]
    assert body(stop=("x", "y"))["stop_sequences"] == ["x", "y"]


def test_what_anthropic_cannot_take_is_not_in_its_options():
    assert not Messages.options & {"seed", "frequency_penalty", "presence_penalty"}


@pytest.mark.parametrize(
    ("reasoning", "wanted"),
    [
        (True, {"thinking": {"type": "adaptive", "display": "summarized"}}),
        ("low", {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}}),
        (False, {"thinking": {"type": "disabled"}}),
        ("none", {"thinking": {"type": "disabled"}}),
        ({"type": "enabled", "budget_tokens": 2000}, {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        (
            {"effort": "low"},
            {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "low"}},
        ),
        (
            {"effort": "low", "type": "adaptive"},
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
        ),
    ],
)
def test_reasoning_is_thinking_and_effort(reasoning, wanted):
    request = body(reasoning=reasoning)

    assert {name: request[name] for name in ("thinking", "output_config") if name in request} == wanted


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_schema_stands_beside_the_effort(wrapped):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}

    request = body(schema={"name": "answer", "schema": schema} if wrapped else schema, reasoning="high")

    assert request["output_config"] == {"effort": "high", "format": {"type": "json_schema", "schema": schema}}


def test_tools_get_the_form_they_have_here_unless_they_have_it():
    search = {"type": "web_search_20260318", "name": "web_search"}
    own = {"name": "g", "input_schema": {"type": "object"}}
    request = body(
        tools=[
            {"name": "f", "description": "does f", "parameters": {"type": "object", "required": []}},
            {"name": "bare"},
            {"type": "function", "function": {"name": "h", "parameters": {"type": "object"}}},
            search,
            own,
        ]
    )

    assert request["tools"] == [
        {"name": "f", "description": "does f", "input_schema": {"type": "object", "required": []}},
        {"name": "bare", "input_schema": {"type": "object", "properties": {}}},
        {"name": "h", "input_schema": {"type": "object"}},
        search,
        own,
    ]


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ({"name": "f"}, {"type": "tool", "name": "f"}),
    ],
)
def test_a_tool_choice_has_a_type(choice, wanted):
    assert body(tool_choice=choice)["tool_choice"] == wanted


def test_extra_is_joined_with_the_body():
    request = body(reasoning="low", extra={"top_k": 5, "max_tokens": 7, "output_config": {"x": 1}})

    assert (request["top_k"], request["max_tokens"]) == (5, 7)
    assert request["output_config"] == {"effort": "low", "x": 1}


# Messages


def test_system_messages_are_one_system_prompt_beside_the_messages():
    """Seeds: B-04."""
    request = body(
        [
            {"role": "system", "content": "Be terse."},
            {"role": "user", "content": "hi"},
            {"role": "system", "content": "Now rhyme."},
        ]
    )

    assert request["system"] == "Be terse.\n\nNow rhyme."
    assert [message["role"] for message in request["messages"]] == ["user"]


def test_messages_of_one_role_in_a_row_are_one():
    assert sent(["assistant", text("a")], ["assistant", text("b")], ["user", text("c")], ["user", text("d")]) == [
        {"role": "assistant", "content": [text("a"), text("b")]},
        {"role": "user", "content": [text("c"), text("d")]},
    ]


@pytest.mark.parametrize("messages", [[], [{"role": "system", "content": "x"}], [{"role": "user", "content": " \n"}]])
def test_a_prompt_that_says_nothing_is_refused(messages):
    with pytest.raises(BadRequest, match="no messages"):
        body(messages)


def test_texts_of_white_space_are_left_out():
    assert sent(["assistant", text("\n"), call("c1")], ["user", text("  "), text("x")]) == [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "f", "input": {}}]},
        {"role": "user", "content": [text("x")]},
    ]


def test_an_answer_with_tool_steps_is_sent_as_the_messages_it_was():
    answer = [
        "assistant",
        text("Look."),
        call("c1", arguments={"at": 1}),
        result("c1", {"b": 2, "a": 1}),
        text("It is."),
    ]

    assert sent(answer, ["user", text("ok")]) == [
        {
            "role": "assistant",
            "content": [text("Look."), {"type": "tool_use", "id": "c1", "name": "f", "input": {"at": 1}}],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": '{"a":1,"b":2}'}]},
        {"role": "assistant", "content": [text("It is.")]},
        {"role": "user", "content": [text("ok")]},
    ]


def test_all_results_of_parallel_calls_are_in_one_message():
    messages = sent(["assistant", call("c1"), call("c2"), result("c2"), result("c1"), call("c3"), result("c3")])

    assert [message["role"] for message in messages] == ["assistant", "user", "assistant", "user"]
    assert [block["id"] for block in messages[0]["content"]] == ["c1", "c2"]
    assert [block["tool_use_id"] for block in messages[1]["content"]] == ["c2", "c1"]


def test_results_stand_at_the_head_of_their_message():
    (_, message) = sent(["assistant", call("c1")], ["user", text("and?")], ["tool", result("c1")])

    assert [block["type"] for block in message["content"]] == ["tool_result", "text"]


def test_a_failed_result_says_so():
    (_, message) = sent(["assistant", call("c1")], ["tool", result("c1", "no such city", is_error=True)])

    assert message["content"] == [
        {"type": "tool_result", "tool_use_id": "c1", "content": "no such city", "is_error": True}
    ]


def test_arguments_that_were_no_object_are_sent_as_an_empty_one():
    broken = {**call("c1", raw="{oops"), "arguments": None}

    ((assistant),) = sent(["assistant", broken, call("c2", arguments=[1])])

    assert [block["input"] for block in assistant["content"]] == [{}, {}]


def test_arguments_are_sent_in_the_order_in_which_they_are_stored():
    ((assistant),) = sent(["assistant", call("c1", arguments={"b": {"d": 1, "c": 2}, "a": 3})])

    assert str(assistant["content"][0]["input"]) == "{'a': 3, 'b': {'c': 2, 'd': 1}}"


def test_ids_of_other_providers_are_made_fit_in_calls_and_results_alike():
    assistant, user = sent(["assistant", call("functions.f:0"), result("functions.f:0")])

    assert assistant["content"][0]["id"] == user["content"][0]["tool_use_id"] == "functions_f_0"


# Thinking


def test_thinking_is_sent_back_whole_and_only_with_its_signature():
    redacted = {"type": "redacted_thinking", "data": "d"}
    plain = {"type": "reasoning", "text": "of another model"}

    assert sent(
        ["assistant", thought(THOUGHT, redacted), plain, text("Yes"), {"type": "data", "name": "x", "value": 1}]
    ) == [{"role": "assistant", "content": [THOUGHT, redacted, text("Yes")]}]


def test_thinking_stays_with_the_step_that_it_led_to():
    second = {**THOUGHT, "thinking": "So"}

    messages = sent(["assistant", thought(), call("c1"), result("c1"), thought(second), text("Yes")])

    assert [block["type"] for block in messages[0]["content"]] == ["thinking", "tool_use"]
    assert messages[2]["content"] == [second, text("Yes")]


def test_an_answer_stopped_while_it_thought_leaves_no_thinking_behind():
    assert sent(["assistant", thought()], ["user", text("go on")]) == []
    assert sent(["assistant", text("a"), thought()], ["user", text("go on")])[0]["content"] == [text("a")]


def test_a_search_stopped_before_its_result_is_left_out():
    search = {"type": "server_tool_use", "id": "v1", "name": "web_search", "input": {}}
    found = {"type": "web_search_tool_result", "tool_use_id": "v1", "content": []}

    stopped = sent(["assistant", text("a", state=[state(search, 1)])], ["user", text("b")])
    finished = sent(["assistant", text("a", state=[state(search, 1), state(found, 1)])], ["user", text("b")])

    assert stopped[0]["content"] == [text("a")]
    assert finished[0]["content"] == [text("a"), search, found]


def test_an_answer_that_is_to_be_continued_is_sent_as_it_is():
    search = {"type": "server_tool_use", "id": "v1", "name": "web_search", "input": {}}

    assert sent(["assistant", text("a", state=[state(search, 1)])])[0]["content"] == [text("a"), search]


@pytest.mark.parametrize("foreign", ["x", None, {"phase": "commentary"}, {"type": "reasoning", "id": "rs_1"}, ["x"]])
def test_state_in_another_format_is_left_out(foreign):
    assert sent(["assistant", {"type": "reasoning", "text": "Hm", "state": [foreign]}, text("a", state=[foreign])]) == [
        {"role": "assistant", "content": [text("a")]}
    ]


def test_a_prompt_can_do_without_its_thinking_but_not_without_the_rest():
    found = {"type": "web_search_tool_result", "tool_use_id": "v1", "content": []}
    answer = PromptMessage("assistant", [thought(), text("a", state=[state(THOUGHT), state(found)])])

    (bare,) = without_thinking([answer])

    assert bare.parts == [{**thought(), "state": []}, text("a", state=[state(found)])]
    assert without_thinking([bare]) == [bare]


# Files


def test_images_and_documents_are_sent_as_data_or_by_url():
    data = base64.b64encode(b"bytes").decode()
    png, pdf = file("image/png", data=data), file("application/pdf", data=data, name="a.pdf")
    photo, paper = file("image/jpeg", url="https://x/a.jpg"), file("application/pdf", url="https://x/a.pdf")

    (_, message) = sent(["assistant", text("?")], ["user", png, pdf, photo, paper, text("look")])

    assert message["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": data},
            "title": "a.pdf",
        },
        {"type": "image", "source": {"type": "url", "url": "https://x/a.jpg"}},
        {"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}},
        text("look"),
    ]


@pytest.mark.parametrize("media_type", ["text/plain", "text/csv", "application/json"])
def test_a_text_is_a_document(media_type):
    data = base64.b64encode("Grüße".encode()).decode()

    (_, message) = sent(["assistant", text("?")], ["user", file(media_type, data=data)])

    assert message["content"] == [
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Grüße"}}
    ]


@pytest.mark.parametrize(
    ("role", "part", "words"),
    [
        ("user", file("audio/mp3", data="eA=="), "takes no audio/mp3"),
        ("user", file("image/png"), "neither a url nor data"),
        ("user", file("text/plain", data=None), "neither a url nor data"),
        ("user", file("text/plain", url="https://x"), "not by URL"),
        ("user", file("text/plain", data=base64.b64encode(b"\xff").decode()), "no text in UTF-8"),
        ("user", file("text/plain", data="%%%"), "no text in UTF-8"),
        ("assistant", file("image/png", data="eA=="), "user's messages only"),
    ],
)
def test_a_file_that_cannot_be_sent_is_refused(role, part, words):
    with pytest.raises(BadRequest, match=words):
        sent([role, part])
