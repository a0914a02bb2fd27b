"""The providers that speak Chat Completions, each with what it does in its own way."""

import json

import pytest

from converse_stream.events import Finish, Reasoning, State, Text, ToolCall
from converse_stream.exceptions import BadRequest, InvalidOptions, ProtocolError, RateLimited
from converse_stream.prompts import Prompt, PromptMessage
from converse_stream.providers.catalogue import CATALOGUE, context_size
from converse_stream.providers.deepseek import OWN, DeepSeek, DeepSeekDecoder
from converse_stream.providers.groq import Groq, GroqDecoder
from converse_stream.providers.http import HTTPProvider
from converse_stream.providers.mistral import Mistral
from converse_stream.providers.openrouter import MAX_CHARS, OpenRouter, OpenRouterDecoder
from converse_stream.providers.xai import XAI
from converse_stream.registry import BUILT_IN, provider
from converse_stream.testing import ReplayServer
from tests.providers.codecs.test_chat import calls, decode, fragment, says, stream
from tests.recordings import plain_recordings, recordings

NAMES = ["xai", "groq", "mistral", "openrouter", "deepseek"]
HI = ({"role": "user", "content": "hi"},)
TOOL = {"name": "f", "description": "does f", "parameters": {"type": "object"}}
PDF = {"type": "file", "name": "a.pdf", "media_type": "application/pdf", "data": "aGk="}

pytestmark = pytest.mark.usefixtures("connections")
every = pytest.mark.parametrize("name", NAMES)


def body(kind: type[HTTPProvider], *messages: PromptMessage, **options):
    asked = kind("it", config={"api": "chat"})
    return asked.request(asked.prompt(messages or HI, options))[1]


def text(value):
    return {"type": "text", "text": value}


def thought(value, *state):
    return {"type": "reasoning", "text": value, **({"state": list(state)} if state else {})}


def call(id):
    return {"type": "tool_call", "id": id, "name": "f", "arguments": {}}


def result(id):
    return {"type": "tool_result", "id": id, "name": "f", "result": "done"}


def replayed(kind, *parts, **options):
    """Return the assistant messages that a request sends of an answer with these parts; all state is its own."""
    asked = kind("it", config={"api": "chat"})
    prompt = Prompt([PromptMessage("user", [text("hi")]), PromptMessage("assistant", parts)], "m", options)
    return [message for message in asked.request(prompt)[1]["messages"] if message["role"] == "assistant"]


async def answer(asked: HTTPProvider, **options):
    return [delta async for delta in asked.astream(HI, **options)]


# All of them


@every
def test_it_is_known_by_name_with_its_address_key_and_model(name):
    asked = provider(name)

    assert BUILT_IN[name] == f"{type(asked).__module__}.{type(asked).__qualname__}"
    entry = CATALOGUE[name]
    assert (asked.base_url, asked.key_environment, asked.model) == (
        entry.base_url,
        entry.key_environment,
        entry.default_model,
    )


@every
def test_a_model_nobody_knows_is_passed_through(name):
    asked = provider(f"{name}:a-model-of-tomorrow")

    assert asked.request(asked.prompt(HI))[1]["model"] == "a-model-of-tomorrow"


@every
async def test_the_key_of_the_environment_goes_to_its_own_variable(name, monkeypatch):
    monkeypatch.setenv(CATALOGUE[name].key_environment, "sk-canary-0123456789")
    with ReplayServer(stream(says("Hi", finish="stop"))) as server:
        asked = type(provider(name))(name, config={"base_url": server.url, "api": "chat"})
        deltas = await answer(asked)
        (request,) = server.requests

    assert Text("Hi") in deltas
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer sk-canary-0123456789"


@pytest.mark.parametrize("recording", [each for name in NAMES for each in plain_recordings(provider=name)])
async def test_a_recording_arrives_over_a_socket(recording):
    """Seeds: W-04, W-05."""
    name = recording.path.parent.name
    with ReplayServer(recording.path) as server:
        deltas = await answer(type(provider(name))(name, config={"base_url": server.url, "api": "chat"}))

    assert "".join(delta.text for delta in deltas if isinstance(delta, Text)) == recording.expected["text"]
    assert isinstance(deltas[-1], Finish)


@pytest.mark.parametrize("recording", [each for name in NAMES for each in recordings(streams=False, provider=name)])
async def test_a_recorded_refusal_arrives_over_a_socket(recording):
    name, expected = recording.path.parent.name, recording.expected["error"]
    with ReplayServer(recording.path) as server, pytest.raises(Exception) as caught:
        await answer(type(provider(name))(name, config={"base_url": server.url, "api": "chat"}))

    assert (caught.value.status, caught.value.retryable) == (expected["http_status"], expected["retryable"])
    assert caught.value.retry_after == expected["retry_after_s"]


def test_the_size_of_a_context_is_told_where_it_is_known():
    assert context_size("mistral") == context_size("mistral:mistral-medium-latest") == 262_144
    assert context_size("xai:grok-4.7") is None
    assert context_size("mistral:a-model-of-tomorrow") is None
    assert context_size("nobody:model") is None


def test_a_default_model_is_among_the_known_ones():
    assert [name for name, entry in CATALOGUE.items() if entry.default_model not in (entry.models or {""})] == []


# Groq


@pytest.mark.parametrize(
    ("model", "wanted", "sent"),
    [
        ("qwen/qwen3-32b", True, {"reasoning_format": "parsed"}),
        ("qwen/qwen3-32b", False, {"reasoning_effort": "none"}),
        ("qwen/qwen3-32b", "default", {"reasoning_effort": "default", "reasoning_format": "parsed"}),
        ("openai/gpt-oss-120b", True, {"include_reasoning": True}),
        ("openai/gpt-oss-120b", "low", {"reasoning_effort": "low", "include_reasoning": True}),
        ("openai/gpt-oss-120b", False, {"include_reasoning": False}),
        ("openai/gpt-oss-120b", {"reasoning_format": "hidden"}, {"reasoning_format": "hidden"}),
    ],
)
def test_groq_is_asked_for_thoughts_apart_from_the_text(model, wanted, sent):
    asked = Groq("groq", model)

    request = asked.request(asked.prompt(HI, {"reasoning": wanted}))[1]

    assert {name: value for name, value in request.items() if "reasoning" in name} == sent


def test_an_answer_that_groq_stops_early_is_an_error_after_what_was_said():
    stopped = {"choices": [], "x_groq": {"id": "req_1", "error": "over capacity"}}

    deltas, error = decode(stream(says("Hal"), stopped, says(finish="stop")), kind=GroqDecoder)

    assert Text("Hal") in deltas
    assert not any(isinstance(delta, Finish) for delta in deltas)
    assert str(error) == "over capacity"


def test_groq_is_not_asked_for_reasoning_that_nobody_wants():
    assert not any("reasoning" in name for name in body(Groq))


# Mistral


def test_mistral_has_its_own_names_and_takes_no_stream_options():
    request = body(Mistral, seed=3, tool_choice="required", tools=[TOOL], reasoning=True)

    assert (request["random_seed"], request["tool_choice"], request["reasoning_effort"]) == (3, "any", "high")
    assert not {"seed", "stream_options"} & set(request)


def test_mistral_gets_ids_of_nine_characters_and_keeps_its_own():
    messages = body(
        Mistral, PromptMessage("assistant", [call("call_0_abcdef"), call("g6fVbXS8K"), result("call_0_abcdef")])
    )["messages"]

    foreign, own = [each["id"] for each in messages[0]["tool_calls"]]
    assert own == "g6fVbXS8K"
    assert foreign.isalnum()
    assert len(foreign) == 9
    assert messages[1]["tool_call_id"] == foreign


def test_mistral_gets_an_answer_between_a_tool_and_the_next_question():
    messages = body(Mistral, PromptMessage("assistant", [call("c1"), result("c1")]), PromptMessage("user", [text("?")]))

    assert [message["role"] for message in messages["messages"]] == ["assistant", "tool", "assistant", "user"]


def test_mistral_reads_documents():
    (message,) = body(Mistral, PromptMessage("user", [text("read"), PDF]))["messages"]

    assert message["content"][1] == {"type": "document_url", "document_url": "data:application/pdf;base64,aGk="}


# OpenRouter


def detail(**fields):
    return says("", reasoning=fields.get("text"), reasoning_details=[{"type": "reasoning.text", "index": 0, **fields}])


def test_openrouter_keeps_reasoning_details_as_if_they_had_come_in_one_piece():
    deltas, _ = decode(
        stream(detail(text="Let me"), detail(text=" see."), detail(signature="sig"), says("Yes", finish="stop")),
        kind=OpenRouterDecoder,
    )

    details = [{"type": "reasoning.text", "index": 0, "text": "Let me see.", "signature": "sig"}]
    assert deltas[1:5] == [Reasoning("Let me"), Reasoning(" see."), State("reasoning", details), Text("Yes")]


def test_openrouter_keeps_thoughts_apart_by_index_and_behind_a_signature():
    deltas, _ = decode(
        stream(
            detail(text="one", signature="s1"),
            detail(text="two"),
            detail(text="three", index=1),
            detail(text="!", index=1),
            says(finish="stop"),
        ),
        kind=OpenRouterDecoder,
    )

    (state,) = [delta.data for delta in deltas if isinstance(delta, State)]
    assert [(each["index"], each["text"]) for each in state] == [(0, "one"), (0, "two"), (1, "three!")]


def test_openrouter_keeps_encrypted_details_apart_even_with_one_index():
    secret = {"type": "reasoning.encrypted", "data": "x", "index": 0}
    deltas, _ = decode(
        stream(
            says("", reasoning_details=[secret]),
            says("", reasoning_details=[{**secret, "data": "y"}]),
            calls(fragment(id="c", name="f", arguments="{}"), finish="tool_calls"),
        ),
        kind=OpenRouterDecoder,
    )

    assert deltas[1:3] == [State("reasoning", [secret, {**secret, "data": "y"}]), ToolCall("c", "f", {}, "{}")]


def test_openrouter_gets_back_what_it_left_with_the_step_it_belongs_to():
    first = [{"type": "reasoning.text", "index": 0, "text": "one"}]
    signed = [{"type": "reasoning.text", "index": 0, "signature": "s"}]
    second = [{"type": "reasoning.encrypted", "index": 0, "data": "two"}]

    messages = replayed(
        OpenRouter,
        thought("one", first, signed),
        call("c1"),
        result("c1"),
        thought("", second),
        text("done"),
        thought("of somebody else"),
    )

    assert [message.get("reasoning_details") for message in messages] == [
        [{"type": "reasoning.text", "index": 0, "text": "one", "signature": "s"}],
        second,
    ]


def test_openrouter_ignores_state_of_another_shape():
    (message,) = replayed(OpenRouter, thought("x", "reasoning_content", {"a": 1}, None, [1, "x"]), text("done"))

    assert message == {"role": "assistant", "content": "done"}


def test_openrouter_details_past_all_measure_are_refused():
    huge = detail(text="x" * 900_000)

    _, error = decode(stream(*[huge] * (MAX_CHARS // 900_000 + 1)), kind=OpenRouterDecoder)

    assert isinstance(error, ProtocolError)


def test_openrouter_details_that_are_none_or_nested_without_measure_are_left_out():
    nested = json.loads("[" * 300 + "]" * 300)
    event = says("", reasoning_details=[7, None, {"type": "x", "y": nested}])

    deltas, error = decode(stream(event, says("a", finish="stop")), kind=OpenRouterDecoder)

    assert error is None
    assert not any(isinstance(delta, State) for delta in deltas)


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        (True, {"enabled": True}),
        (False, {"enabled": False}),
        ("high", {"effort": "high"}),
        ({"max_tokens": 2000}, {"max_tokens": 2000}),
        ({"effort": "low", "exclude": True}, {"effort": "low", "exclude": True}),
    ],
)
def test_openrouter_has_one_field_for_reasoning(wanted, sent):
    assert body(OpenRouter, reasoning=wanted)["reasoning"] == sent


OWN_FIELDS = {
    "openai": ({}, {"summary": "auto"}),
    "xai": ({}, {"thinking": True}),
    "groq": ({"include_reasoning": False}, {"summary": "auto"}),
    "mistral": ({"prompt_mode": "reasoning"}, {"thinking": True}),
    "deepseek": ({"thinking": {"type": "enabled"}}, {"include_reasoning": True}),
}


@pytest.mark.parametrize("name", OWN_FIELDS)
def test_a_mapping_for_reasoning_says_the_effort_and_more_in_the_words_of_the_server(name):
    kind, (own, _) = type(provider(name)), OWN_FIELDS[name]
    plain, asked = body(kind, reasoning="low"), body(kind, reasoning={"effort": "low", **own})

    assert body(kind, reasoning={"effort": "low"}) == plain
    assert asked == plain | own
    assert "effort" not in asked


@pytest.mark.parametrize("name", OWN_FIELDS)
def test_what_a_server_would_not_understand_of_reasoning_is_refused_by_name(name):
    _, foreign = OWN_FIELDS[name]

    with pytest.raises(InvalidOptions, match=f"takes no '{next(iter(foreign))}' in 'reasoning', only 'effort'"):
        provider(name).check({"reasoning": {"effort": "low", **foreign}, "api": "chat"})


def test_ollama_takes_an_effort_and_no_more():
    ollama = provider("ollama:m1")

    assert ollama.request(ollama.prompt(HI, {"reasoning": {"effort": "low"}}))[1]["think"] == "low"
    with pytest.raises(InvalidOptions, match="'summary'"):
        ollama.check({"reasoning": {"summary": "auto"}})


def test_groq_is_given_one_switch_for_thoughts():
    request = body(Groq, reasoning={"effort": "low", "reasoning_format": "raw"})

    assert request["reasoning_format"] == "raw"
    assert "include_reasoning" not in request


async def test_openrouter_is_told_which_site_asks():
    with ReplayServer(stream(says("Hi", finish="stop"))) as server:
        config = {"base_url": server.url, "referer": "https://example.com", "title": "Site"}
        await answer(OpenRouter("openrouter", config=config))
        (request,) = server.requests

    assert (request.headers["http-referer"], request.headers["x-title"]) == ("https://example.com", "Site")


async def test_openrouter_says_with_status_200_when_to_come_back():
    failed = (
        b'{"error":{"message":"Rate limit","code":429,"metadata":{"headers":{"X-RateLimit-Reset":"1600000000000"}}}}'
    )
    with ReplayServer(failed, content_type="application/json") as server, pytest.raises(RateLimited) as caught:
        await answer(OpenRouter("openrouter", config={"base_url": server.url}))

    assert (caught.value.status, caught.value.retry_after) == (200, 0)


def test_openrouter_reads_documents():
    (message,) = body(OpenRouter, PromptMessage("user", [text("read"), PDF]))["messages"]

    file = {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}
    assert message["content"][1] == {"type": "file", "file": file}


# DeepSeek


def test_deepseek_marks_its_thoughts_as_its_own():
    deltas, _ = decode(
        stream(says(reasoning_content="Hm"), says(reasoning_content="."), says("Yes"), says(" it is", finish="stop")),
        kind=DeepSeekDecoder,
    )

    assert deltas[1:6] == [Reasoning("Hm"), Reasoning("."), State("reasoning", OWN), Text("Yes"), Text(" it is")]


def test_deepseek_gets_its_thoughts_back_in_every_answer_once_there_are_tools():
    messages = replayed(
        DeepSeek, thought("own", OWN), call("c1"), result("c1"), thought("foreign"), text("done"), tools=[TOOL]
    )

    assert [message["reasoning_content"] for message in messages] == ["own", ""]
    assert "reasoning_content" in replayed(DeepSeek, call("c1"), result("c1"))[0]


def test_deepseek_gets_no_thoughts_back_without_tools():
    assert replayed(DeepSeek, thought("own", OWN), text("done")) == [{"role": "assistant", "content": "done"}]


def test_deepseek_can_be_told_not_to_think():
    assert body(DeepSeek, reasoning=False)["thinking"] == {"type": "disabled"}
    assert body(DeepSeek, reasoning=True)["thinking"] == {"type": "enabled"}
    assert body(DeepSeek, reasoning="max")["reasoning_effort"] == "max"


def test_deepseek_that_has_no_resources_left_has_failed():
    deltas, _ = decode(stream(says("Hal"), says(finish="insufficient_system_resource")), kind=DeepSeekDecoder)

    assert deltas[-1] == Finish("error", "insufficient_system_resource")


# xAI


def test_xai_refuses_documents_before_it_is_asked():
    with pytest.raises(BadRequest, match="application/pdf"):
        body(XAI, PromptMessage("user", [text("read"), PDF]))


def test_xai_is_asked_over_responses_at_its_own_address_and_over_chat_anywhere_else():
    """Seeds: W-04."""
    own, other = XAI("xai"), XAI("xai", config={"base_url": "https://gateway.example.com/v1"})

    assert own.request(own.prompt(HI))[0] == "https://api.x.ai/v1/responses"
    assert other.request(other.prompt(HI))[0] == "https://gateway.example.com/v1/chat/completions"
    assert other.request(other.prompt(HI, {"api": "responses"}))[0] == "https://gateway.example.com/v1/responses"


# Answers that are not streamed


@pytest.mark.parametrize(
    ("name", "thought", "state"),
    [
        ("deepseek", {"reasoning_content": "Hm"}, OWN),
        (
            "openrouter",
            {"reasoning": "Hm", "reasoning_details": [{"type": "reasoning.text", "text": "Hm"}]},
            [{"type": "reasoning.text", "text": "Hm"}],
        ),
    ],
)
async def test_a_whole_answer_says_what_a_streamed_one_says(name, thought, state):
    message = {"role": "assistant", "content": "Yes", **thought}
    whole = {"id": "r1", "model": "m1", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    with ReplayServer(json.dumps(whole).encode(), content_type="application/json") as server:
        deltas = await answer(type(provider(name))(name, config={"base_url": server.url}), stream=False)

    assert deltas[1:] == [Reasoning("Hm"), State("reasoning", state), Text("Yes"), Finish("stop", "stop")]


# Responses


@pytest.mark.parametrize("name", ["groq", "deepseek"])
def test_what_a_server_has_no_word_for_is_not_asked_over_responses(name):
    asked = provider(name, api="responses")

    request = asked.request(asked.prompt(HI, {"api": "responses"}))[1]

    assert set(request) == {"model", "input", "stream"}


@pytest.mark.parametrize("name", ["xai", "openrouter"])
def test_reasoning_is_asked_for_encrypted_and_nothing_is_stored_over_responses(name):
    asked = provider(name)

    request = asked.request(asked.prompt(HI, {"api": "responses"}))[1]

    assert (request["store"], request["include"]) == (False, ["reasoning.encrypted_content"])


def test_state_of_one_format_is_no_trouble_to_another_that_the_same_model_is_asked_in():
    item = {"type": "reasoning", "id": "rs_1", "encrypted_content": "x", "summary": []}
    details = [{"type": "reasoning.text", "index": 0, "text": "x"}]

    assert replayed(OpenRouter, thought("x", item), text("done")) == [{"role": "assistant", "content": "done"}]
    assert replayed(DeepSeek, thought("x", item), call("c"), result("c"))[0]["reasoning_content"] == ""
    for kind, state in ((OpenRouter, details), (DeepSeek, OWN)):
        asked = kind("it", config={"api": "responses"})
        prompt = Prompt([PromptMessage("user", [text("hi")]), PromptMessage("assistant", [thought("x", state)])], "m")
        assert "reasoning" not in str(asked.request(prompt)[1]["input"])
