"""The body of a Responses request."""

import pytest

from converse_stream.exceptions import BadRequest
from converse_stream.prompts import Prompt, PromptMessage, to_messages
from converse_stream.providers.codecs.responses import Responses

HI = {"role": "user", "content": "hi"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "opaque"}


def body(*messages, stream=True, **options):
    return Responses("https://host/v1").body(Prompt(to_messages(messages or [HI]), "m", options), stream=stream)


def sent(*parts, role="assistant"):
    return Responses("").body(Prompt([PromptMessage(role, parts)], "m"), stream=True)["input"]


def text(value, **more):
    return {"type": "text", "text": value, **more}


def reasoning(value="", *state):
    return {"type": "reasoning", "text": value, **({"state": list(state)} if state else {})}


def call(id, name="f", arguments=None, **more):
    return {"type": "tool_call", "id": id, "name": name, "arguments": {} if arguments is None else arguments, **more}


def result(id, value="done", **more):
    return {"type": "tool_result", "id": id, "name": "f", "result": value, **more}


def file(media_type, **more):
    return {"type": "file", "media_type": media_type, **more}


def test_a_plain_question_sends_nothing_else_and_leaves_nothing_behind():
    assert body() == {
        "model": "m",
        "input": [{"role": "user", "content": "hi"}],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }


def test_an_answer_that_is_not_streamed_says_so():
    assert body(stream=False)["stream"] is False


def test_system_prompts_at_the_beginning_are_the_instructions():
    request = body({"role": "system", "content": "Be brief."}, {"role": "system", "content": "Rhyme."}, HI)

    assert request["instructions"] == "Be brief.\n\nRhyme."
    assert request["input"] == [{"role": "user", "content": "hi"}]


def test_a_later_system_prompt_keeps_its_place():
    request = body(HI, {"role": "system", "content": "Be brief."}, HI)

    assert [each["role"] for each in request["input"]] == ["user", "system", "user"]
    assert "instructions" not in request


def test_a_system_prompt_alone_is_the_input_as_there_must_be_one():
    request = body({"role": "system", "content": "Be brief."})

    assert request["input"] == [{"role": "system", "content": "Be brief."}]
    assert "instructions" not in request


def test_a_prompt_without_messages_is_refused():
    with pytest.raises(BadRequest, match="messages"):
        Responses("").body(Prompt([], "m"), stream=True)


def test_options_get_the_form_they_have_here():
    schema = {"title": "fjord", "type": "object"}

    request = body(temperature=0.2, top_p=0.9, max_tokens=50, schema=schema, tool_choice={"name": "look"})

    assert (request["temperature"], request["top_p"], request["max_output_tokens"]) == (0.2, 0.9, 50)
    assert request["text"] == {
        "format": {"type": "json_schema", "strict": True, "name": "fjord", "schema": schema},
    }
    assert request["tool_choice"] == {"type": "function", "name": "look"}
    assert "max_tokens" not in request


def test_a_schema_may_come_with_a_name_and_without_strictness():
    request = body(schema={"name": "fjord", "strict": False, "schema": {"type": "object"}})

    assert request["text"]["format"] == {
        "type": "json_schema",
        "strict": False,
        "name": "fjord",
        "schema": {"type": "object"},
    }


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [
        ("low", {"effort": "low"}),
        (True, {"summary": "auto"}),
        (False, {"effort": "none"}),
        ({"effort": "high", "summary": "detailed"}, {"effort": "high", "summary": "detailed"}),
    ],
)
def test_reasoning_is_an_effort_a_summary_or_as_the_caller_says(wanted, asked):
    assert body(reasoning=wanted)["reasoning"] == asked


def test_options_this_format_has_no_word_for_are_not_taken():
    assert Responses.options.isdisjoint({"stop", "seed", "frequency_penalty", "presence_penalty"})


def test_extra_goes_into_the_body_and_joins_what_is_there():
    extra = {"text": {"verbosity": "low"}, "store": True, "truncation": "auto"}

    request = body(schema={"type": "object"}, extra=extra)

    assert request["text"]["verbosity"] == "low"
    assert request["text"]["format"]["name"] == "answer"
    assert (request["store"], request["truncation"]) == (True, "auto")


def test_tools_are_flat_and_no_stricter_than_they_were_written():
    tool = {"name": "f", "description": "does f", "parameters": {"type": "object"}}

    request = body(tools=[tool, {"type": "function", "function": tool}, {**tool, "strict": True}, {"name": "g"}])

    flat = {"type": "function", "strict": False, **tool}
    bare = {"type": "function", "strict": False, "name": "g", "parameters": {"type": "object", "properties": {}}}
    assert request["tools"] == [flat, flat, {**flat, "strict": True}, bare]


def test_a_tool_of_the_server_stays_as_it_is():
    assert body(tools=[{"type": "web_search"}])["tools"] == [{"type": "web_search"}]


def test_an_answer_with_a_tool_step_is_sent_as_the_items_it_was():
    items = sent(text("Let me look."), call("c1", "look", {"at": 1}), result("c1", {"found": 2}), text("It is 2."))

    assert items == [
        {"role": "assistant", "content": "Let me look."},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at":1}'},
        {"type": "function_call_output", "call_id": "c1", "output": '{"found":2}'},
        {"role": "assistant", "content": "It is 2."},
    ]


def test_results_in_a_message_of_their_own_are_sent():
    assert sent(result("c1", "gone", is_error=True), role="tool") == [
        {"type": "function_call_output", "call_id": "c1", "output": "Error: gone"},
    ]


def test_arguments_are_sent_as_the_model_wrote_them_if_they_were_json():
    broken = {**call("c2", raw="{oops"), "arguments": None}

    kept, repaired = sent(call("c1", arguments={"a": 1}, raw='{ "a":1 }'), broken)

    assert (kept["arguments"], repaired["arguments"]) == ('{ "a":1 }', "{}")


def test_encrypted_reasoning_is_sent_back_unchanged_before_what_followed_it():
    later = {**THOUGHT, "id": "rs_2"}

    items = sent(
        reasoning("hm", THOUGHT),
        call("c1"),
        reasoning("", later),
        call("c2"),
        result("c1"),
        result("c2"),
        text("Done."),
    )

    kinds = [each.get("id") or each.get("call_id") or each["content"] for each in items]
    assert kinds == ["rs_1", "c1", "rs_2", "c2", "c1", "c2", "Done."]
    assert items[0] == THOUGHT


@pytest.mark.parametrize("parts", [[], [result("c1")]])
def test_reasoning_that_nothing_followed_is_left_out_because_it_would_be_refused(parts):
    items = sent(text("Yes."), reasoning("hm", THOUGHT), *parts)

    assert THOUGHT not in items
    assert items[0] == {"role": "assistant", "content": "Yes."}


@pytest.mark.parametrize("state", [[{"type": "reasoning.text"}], "reasoning_content", {"signature": "x"}])
def test_what_the_same_model_left_in_another_format_is_not_sent(state):
    assert sent(reasoning("hm", state), text("Yes.")) == [{"role": "assistant", "content": "Yes."}]


def test_reasoning_without_state_data_and_empty_text_stay_here():
    assert sent(reasoning("hm"), {"type": "data", "name": "x", "value": 1}, text(""), text("yes")) == [
        {"role": "assistant", "content": "yes"}
    ]


def test_the_phase_of_a_message_is_sent_back_with_it():
    items = sent(text("Let me see.", state=[{"phase": "commentary"}]), call("c1"), result("c1"), text("Yes."))

    assert items[0] == {"role": "assistant", "content": "Let me see.", "phase": "commentary"}
    assert items[-1] == {"role": "assistant", "content": "Yes."}


def test_images_and_files_are_sent_by_address_or_with_their_bytes():
    (message,) = sent(
        text("look"),
        file("image/png", data="aGk="),
        file("image/png", url="https://host/a.png"),
        file("application/pdf", data="aGk=", name="a.pdf"),
        file("application/pdf", data="aGk="),
        file("application/pdf", url="https://host/a.pdf"),
        role="user",
    )

    assert message == {
        "role": "user",
        "content": [
            {"type": "input_text", "text": "look"},
            {"type": "input_image", "image_url": "data:image/png;base64,aGk="},
            {"type": "input_image", "image_url": "https://host/a.png"},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="},
            {"type": "input_file", "filename": "file.pdf", "file_data": "data:application/pdf;base64,aGk="},
            {"type": "input_file", "file_url": "https://host/a.pdf"},
        ],
    }


@pytest.mark.parametrize("media_type", ["audio/mpeg", "video/mp4"])
def test_sound_and_film_are_refused(media_type):
    with pytest.raises(BadRequest, match=media_type):
        sent(file(media_type, data="aGk="), role="user")


@pytest.mark.parametrize("role", ["assistant", "system"])
def test_a_file_that_is_not_the_users_is_refused(role):
    with pytest.raises(BadRequest, match="user"):
        sent(text("look"), file("image/png", data="aGk="), role=role)
