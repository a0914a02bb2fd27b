"""The body and the path of a generateContent request."""

import pytest

from converse_stream.exceptions import BadRequest
from converse_stream.prompts import Prompt, PromptMessage, to_messages
from converse_stream.providers.codecs.generate_content import GenerateContent

HI = ({"role": "user", "content": "hi"},)
SIGNED = "c2lnbmVk"


def body(messages=HI, model="gemini-3.8-flash", **options):
    return GenerateContent("https://host/v1beta").body(Prompt(to_messages(messages), model, options), stream=True)


def sent(*messages, model="gemini-3.8-flash"):
    """Return the contents that a conversation becomes; it begins with "hi"."""
    prompt = [PromptMessage("user", [text("hi")]), *(PromptMessage(role, parts) for role, *parts in messages)]
    return body(prompt, model)["contents"][1:]


def text(value, **more):
    return {"type": "text", "text": value, **more}


def call(id, name="f", arguments=None, **more):
    return {"type": "tool_call", "id": id, "name": name, "arguments": {} if arguments is None else arguments, **more}


def result(id, value="done", **more):
    return {"type": "tool_result", "id": id, "name": "f", "result": value, **more}


def state(blob, at=0, shown=0):
    return {"at": at, "shown": shown, "blob": blob}


def signed_call(id, sent_id=None):
    made = {
        "functionCall": {"name": "f", "args": {}, **({"id": sent_id} if sent_id else {})},
        "thoughtSignature": SIGNED,
    }
    return call(id, state=[state(made)]), made


def file(media_type, **where):
    return {"type": "file", "media_type": media_type, **where}


# Options


def test_a_plain_question_sends_nothing_that_was_not_asked_for():
    assert body() == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


@pytest.mark.parametrize(
    ("model", "stream", "path"),
    [
        ("gemini-3.8-flash", True, "/models/gemini-3.8-flash:streamGenerateContent?alt=sse"),
        ("gemini-3.8-flash", False, "/models/gemini-3.8-flash:generateContent"),
        ("models/gemini-3.8-flash", False, "/models/gemini-3.8-flash:generateContent"),
        ("../../x?key=y#z", False, "/models/..%2F..%2Fx%3Fkey%3Dy%23z:generateContent"),
    ],
)
def test_the_path_names_the_model_and_how_it_answers(model, stream, path):
    assert GenerateContent("").path(Prompt(to_messages(HI), model), stream=stream) == path


def test_options_are_sent_under_the_names_they_have_here():
    request = body(
        temperature=0.2, top_p=0.9, seed=7, max_tokens=50, frequency_penalty=0.1, presence_penalty=0.3, stop="x"
    )

    assert request["generationConfig"] == {
        "temperature": 0.2,
        "topP": 0.9,
        "seed": 7,
        "maxOutputTokens": 50,
        "frequencyPenalty": 0.1,
        "presencePenalty": 0.3,
        "stopSequences": ["x"],
    }
    assert body(stop=("x", "y"))["generationConfig"] == {"stopSequences": ["x", "y"]}


@pytest.mark.parametrize(
    ("reasoning", "wanted"),
    [
        (True, {"includeThoughts": True}),
        ("low", {"includeThoughts": True, "thinkingLevel": "low"}),
        (False, {"thinkingLevel": "minimal"}),
        ("none", {"thinkingLevel": "minimal"}),
        ({"thinkingBudget": 0}, {"thinkingBudget": 0}),
        ({"effort": "low"}, {"includeThoughts": True, "thinkingLevel": "low"}),
        ({"effort": "low", "includeThoughts": False}, {"includeThoughts": False, "thinkingLevel": "low"}),
    ],
)
def test_reasoning_is_a_thinking_config(reasoning, wanted):
    assert body(reasoning=reasoning)["generationConfig"] == {"thinkingConfig": wanted}


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_schema_makes_the_answer_json(wrapped):
    schema = {"type": "object", "additionalProperties": False}

    request = body(schema={"name": "answer", "schema": schema} if wrapped else schema, temperature=1)

    assert request["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": schema,
        "temperature": 1,
    }


def test_tools_are_declared_and_those_of_the_server_stay_as_they_are():
    parameters = {"type": "object", "properties": {"a": {"type": "integer"}}}
    request = body(
        tools=[
            {"name": "f", "description": "does f", "parameters": parameters, "strict": True},
            {"googleSearch": {}},
            {"type": "function", "function": {"name": "g"}},
        ]
    )

    declared = [{"name": "f", "description": "does f", "parametersJsonSchema": parameters}, {"name": "g"}]
    assert request["tools"] == [{"functionDeclarations": declared}, {"googleSearch": {}}]
    assert body(tools=[{"googleSearch": {}}])["tools"] == [{"googleSearch": {}}]


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"name": "f"}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_a_tool_choice_is_a_mode(choice, wanted):
    assert body(tool_choice=choice)["toolConfig"] == {"functionCallingConfig": wanted}


def test_extra_is_joined_with_the_body():
    request = body(temperature=0, extra={"generationConfig": {"topK": 5}, "safetySettings": []})

    assert request["generationConfig"] == {"temperature": 0, "topK": 5}
    assert request["safetySettings"] == []


# Messages


def test_system_messages_are_the_system_instruction():
    """Seeds: B-04."""
    request = body(
        [
            {"role": "system", "content": "Be terse."},
            {"role": "user", "content": "hi"},
            {"role": "system", "content": "Now rhyme."},
        ]
    )

    assert request["systemInstruction"] == {"parts": [{"text": "Be terse."}, {"text": "Now rhyme."}]}
    assert [content["role"] for content in request["contents"]] == ["user"]


def test_messages_of_one_role_in_a_row_are_one():
    assert sent(["assistant", text("a")], ["assistant", text("b")], ["user", text("c")], ["user", text("d")]) == [
        {"role": "model", "parts": [{"text": "a"}, {"text": "b"}]},
        {"role": "user", "parts": [{"text": "c"}, {"text": "d"}]},
    ]


@pytest.mark.parametrize("messages", [[], [{"role": "system", "content": "x"}], [{"role": "user", "content": ""}]])
def test_a_prompt_that_says_nothing_is_refused(messages):
    with pytest.raises(BadRequest, match="no messages"):
        body(messages)


def test_an_answer_with_a_tool_step_is_sent_as_the_contents_it_was():
    made, blob = signed_call("x1", "x1")

    assert sent(
        ["assistant", text("Look."), made, result("x1", {"found": 2}), text("It is 2.")], ["user", text("ok")]
    ) == [
        {"role": "model", "parts": [{"text": "Look."}, blob]},
        {"role": "user", "parts": [{"functionResponse": {"id": "x1", "name": "f", "response": {"found": 2}}}]},
        {"role": "model", "parts": [{"text": "It is 2."}]},
        {"role": "user", "parts": [{"text": "ok"}]},
    ]


def test_all_results_of_parallel_calls_are_in_one_content_and_nothing_else_is():
    first, _ = signed_call("x1", "x1")

    contents = sent(["assistant", first, call("x2"), result("x1"), result("x2")], ["user", text("ok")])

    assert [content["role"] for content in contents] == ["model", "user", "user"]
    assert [part["functionResponse"]["id"] for part in contents[1]["parts"]] == ["x1", "x2"]
    assert contents[2]["parts"] == [{"text": "ok"}]


@pytest.mark.parametrize("role", ["assistant", "tool"])
def test_a_call_that_came_without_an_id_gets_its_result_without_one(role):
    made, blob = signed_call("call_made_here")
    messages = [["assistant", made, result("call_made_here")]]
    if role == "tool":
        messages = [["assistant", made], ["tool", result("call_made_here")]]

    model, user = sent(*messages)

    assert model["parts"] == [blob]
    assert user["parts"] == [{"functionResponse": {"name": "f", "response": {"result": "done"}}}]


@pytest.mark.parametrize(
    ("value", "more", "response"),
    [
        ({"a": 1}, {}, {"a": 1}),
        ("text", {}, {"result": "text"}),
        ([1], {}, {"result": [1]}),
        (None, {}, {"result": None}),
        ("no such city", {"is_error": True}, {"error": "no such city"}),
    ],
)
def test_a_result_is_always_an_object(value, more, response):
    (content,) = sent(["tool", result("c1", value, **more)])

    assert content["parts"][0]["functionResponse"]["response"] == response


def test_arguments_that_were_no_object_are_sent_as_an_empty_one():
    broken = {**call("c1", raw="{oops"), "arguments": None}

    ((content),) = sent(["assistant", broken, call("c2", arguments=[1])])

    assert [part["functionCall"]["args"] for part in content["parts"]] == [{}, {}]


# Signatures


def test_calls_of_another_model_get_the_signature_that_lets_them_pass_once_in_each_step():
    answer = ["assistant", text("Hm"), call("c1"), call("c2"), result("c1"), result("c2"), call("c3"), result("c3")]

    contents = sent(answer)

    signatures = [part.get("thoughtSignature") for content in contents for part in content["parts"]]
    assert signatures == [None, "skip_thought_signature_validator", None, None, None, signatures[1], None]
    assert contents[0]["parts"][1]["functionCall"] == {"id": "c1", "name": "f", "args": {}}


@pytest.mark.parametrize("model", ["gemini-2.5-pro", "models/gemini-2.0-flash", "gemini-1.5-flash"])
def test_older_models_get_no_signature_that_they_have_not_made(model):
    ((content),) = sent(["assistant", call("c1")], model=model)

    assert content["parts"] == [{"functionCall": {"id": "c1", "name": "f", "args": {}}}]


def test_a_signature_of_the_models_own_is_enough():
    made, blob = signed_call("x1", "x1")

    ((content),) = sent(["assistant", made, call("x2")])

    assert content["parts"] == [blob, {"functionCall": {"id": "x2", "name": "f", "args": {}}}]


def test_signed_texts_are_sent_back_where_they_were():
    own, last = {"text": "b", "thoughtSignature": SIGNED}, {"text": "", "thoughtSignature": SIGNED}

    ((content),) = sent(["assistant", text("abc", state=[state(own, 1, 1), state(last, 3)])])

    assert content["parts"] == [{"text": "a"}, own, {"text": "c"}, last]


def test_thoughts_are_not_sent_back_and_an_empty_answer_is_left_out():
    thought = {"type": "reasoning", "text": "Hm"}

    assert sent(["assistant", thought, {"type": "data", "name": "x", "value": 1}]) == []
    assert sent(["assistant", thought, text("a")]) == [{"role": "model", "parts": [{"text": "a"}]}]


@pytest.mark.parametrize("foreign", ["x", None, {"phase": "commentary"}, ["x"], {"blob": 7}])
def test_state_in_another_format_is_left_out(foreign):
    contents = sent(["assistant", text("a", state=[foreign]), call("c1", state=[foreign])], model="gemini-2.5-pro")

    assert contents == [
        {"role": "model", "parts": [{"text": "a"}, {"functionCall": {"id": "c1", "name": "f", "args": {}}}]}
    ]


# Files


def test_files_of_any_type_are_sent_as_data_or_by_url():
    (_, content) = sent(
        ["assistant", text("?")],
        ["user", file("audio/mp3", data="eA=="), file("application/pdf", url="https://x/a.pdf"), text("listen")],
    )

    assert content["parts"] == [
        {"inlineData": {"mimeType": "audio/mp3", "data": "eA=="}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "https://x/a.pdf"}},
        {"text": "listen"},
    ]


def test_a_file_of_nothing_is_refused():
    with pytest.raises(BadRequest, match="neither a url nor data"):
        sent(["user", file("image/png", data=b"bytes")])


def test_a_file_in_an_answer_is_refused():
    with pytest.raises(BadRequest, match="user's messages only"):
        sent(["assistant", file("image/png", data="eA==")])
