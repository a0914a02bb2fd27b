"""Tools called by recorded answers, over real sockets: the result comes back to each provider in its own format."""

import json
from typing import Any

import pytest

from converse_stream.models import Conversation, Status
from converse_stream.providers.anthropic import Anthropic
from converse_stream.providers.gemini import Gemini
from converse_stream.providers.openai import OpenAI
from converse_stream.testing import ReplayServer
from converse_stream.tools import tool
from tests.recordings import FOLDER

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recordings in {FOLDER}"),
]


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@tool
def multiply(a: int, b: int) -> int:
    """Multiply."""
    return a * b


@tool
def favorite_color(_person: str) -> str:
    """Tell somebody's favorite color."""
    return {"Joe": "sage green", "Hadley": "red"}[_person]


@tool
async def weather(location: str) -> dict[str, Any]:
    """Tell the weather."""
    return {"location": location, "celsius": 21}


@tool
async def get_current_weather(location: str) -> str:
    """Tell the current weather."""
    return f"rain in {location}"


TOOLS = [add, multiply, favorite_color, weather, get_current_weather]


def results_of_responses(body: Any) -> list[tuple[str, Any]]:
    items = [item for item in body["input"] if item.get("type") == "function_call_output"]
    calls = [item["call_id"] for item in body["input"] if item.get("type") == "function_call"]
    assert sorted(calls) == sorted(item["call_id"] for item in items)
    return [(item["call_id"], item["output"]) for item in items]


def results_of_chat(body: Any) -> list[tuple[str, Any]]:
    [said] = [message for message in body["messages"] if message["role"] == "assistant"]
    answered = [message for message in body["messages"] if message["role"] == "tool"]
    assert len(said["tool_calls"]) == len(answered)
    return [(message["tool_call_id"], message["content"]) for message in answered]


def results_of_messages(body: Any) -> list[tuple[str, Any]]:
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    return [(block["tool_use_id"], block["content"]) for block in body["messages"][2]["content"]]


def results_of_gemini(body: Any) -> list[tuple[str, Any]]:
    assert [content["role"] for content in body["contents"]] == ["user", "model", "user"]
    return [
        (part["functionResponse"].get("id"), part["functionResponse"]["response"])
        for part in body["contents"][2]["parts"]
    ]


CASES = {
    "openai/responses-parallel-tools": (OpenAI, {"api": "responses"}, "openai/responses-plain", results_of_responses),
    "openai/responses-reasoning-summary-and-tool": (
        OpenAI,
        {"api": "responses"},
        "openai/responses-plain",
        results_of_responses,
    ),
    "openai/chat-parallel-tools-streamed-args": (
        OpenAI,
        {"api": "chat"},
        "openai/chat-plain-usage-chunk",
        results_of_chat,
    ),
    "anthropic/tools-parallel-no-text": (Anthropic, {}, "anthropic/plain-short", results_of_messages),
    "gemini/parallel-tools-gemini35": (Gemini, {}, "gemini/plain-one-chunk-crlf", results_of_gemini),
    "gemini/thought-then-tool": (Gemini, {}, "gemini/plain-one-chunk-crlf", results_of_gemini),
}


@pytest.mark.parametrize("name", CASES)
def test_a_recorded_call_runs_and_the_answer_goes_on(conversation: Conversation, name: str) -> None:
    """Seeds: C-21, C-22, P-10, T-13."""
    kind, config, then, results = CASES[name]
    called = json.loads((FOLDER / f"{name}.json").read_text())["expected"]
    said = json.loads((FOLDER / f"{then}.json").read_text())["expected"]

    with ReplayServer(FOLDER / f"{then}.sse", faults=[FOLDER / f"{name}.sse"]) as server:
        provider = kind(kind.__name__.lower(), "a-model", config={"base_url": server.url, **config})
        message = conversation.ask("go", model=provider, tools=TOOLS).wait(60)
        first, second = [request.json for request in server.requests]

    assert (message.status, message.content, message.finish_reason) == (Status.COMPLETE, said["text"], "stop")
    assert message.input_tokens == called["input_tokens"] + said["input_tokens"]
    ran = {part["id"]: part for part in message.parts if part["type"] == "tool_result"}
    assert [part["name"] for part in ran.values() if part["is_error"]] == []
    assert sorted(part["name"] for part in ran.values()) == sorted(each["name"] for each in called["tool_calls"])
    assert json.dumps(first["tools"]).count('"name"') == len(TOOLS)
    told = results(second)
    assert len(told) == len(called["tool_calls"])
    for id, result in told:
        [wanted] = [part["result"] for part in ran.values() if id in (None, part["id"])]
        leaves = wanted.values() if isinstance(wanted, dict) else [wanted]
        assert all(str(leaf) in json.dumps(result) for leaf in leaves)
