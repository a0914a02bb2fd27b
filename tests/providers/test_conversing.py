"""Conversations over real sockets and the record: what a provider wants back comes back as it came."""

from typing import Any

import pytest

from converse_stream.models import Conversation
from converse_stream.providers.anthropic import Anthropic
from converse_stream.providers.gemini import Gemini
from converse_stream.testing import ReplayServer
from tests.providers.codecs import test_generate_content, test_messages
from tests.recordings import FOLDER

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recordings in {FOLDER}"),
]


def second_request(conversation: Conversation, kind: type, name: str, model: str) -> Any:
    """Return the body in which the second question is asked, after a recorded answer to the first."""
    with ReplayServer(FOLDER / f"{name}.sse") as server:
        provider = kind(kind.__name__.lower(), model, config={"base_url": server.url})
        for question in ("hi", "go on"):
            assert conversation.ask(question, model=provider).wait(60).status == "complete"
        return server.requests[1].json


def recording(stream: list[Any], name: str) -> Any:
    return next(each.values[0] for each in stream if each.id == name)


@pytest.mark.parametrize(
    "name",
    [
        "anthropic/thinking-small",
        "anthropic/thinking-redacted",
        "anthropic/web-search-server-tool",
        "anthropic/code-execution-server-tool",
        "anthropic/emoji-cache-and-compaction-usage",
    ],
)
def test_anthropic_gets_its_blocks_back(conversation, name):
    """Seeds: A-08."""
    messages = second_request(conversation, Anthropic, name, "claude-sonnet-5-5")["messages"]

    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    blocks = [{key: value for key, value in block.items() if key != "caller"} for block in messages[1]["content"]]
    assert blocks == test_messages.blocks_of(recording(test_messages.STREAMS, name))


@pytest.mark.parametrize("name", ["gemini/thought-summary-then-text", "gemini/plain-one-chunk-crlf"])
def test_gemini_gets_its_parts_back(conversation, name):
    contents = second_request(conversation, Gemini, name, "gemini-3.8-flash")["contents"]

    assert [content["role"] for content in contents] == ["user", "model", "user"]
    assert contents[1]["parts"] == test_generate_content.parts_of(recording(test_generate_content.STREAMS, name))


@pytest.mark.parametrize("name", ["gemini/parallel-tools-one-chunk", "gemini/parallel-tools-gemini35"])
def test_gemini_gets_its_calls_back_with_a_result_for_each(conversation, name):
    contents = second_request(conversation, Gemini, name, "gemini-3.8-flash")["contents"]

    calls = test_generate_content.parts_of(recording(test_generate_content.STREAMS, name))
    assert contents[1]["parts"] == calls
    answered = [part["functionResponse"] for part in contents[2]["parts"]]
    assert [(each["name"], each.get("id")) for each in answered] == [
        (call["functionCall"]["name"], call["functionCall"].get("id")) for call in calls
    ]


def test_anthropic_gets_its_calls_back_with_a_result_for_each(conversation):
    name = "anthropic/tools-parallel-no-text"

    messages = second_request(conversation, Anthropic, name, "claude-sonnet-5-5")["messages"]

    calls = test_messages.blocks_of(recording(test_messages.STREAMS, name))
    assert messages[1]["content"] == calls
    assert [block.get("tool_use_id") for block in messages[2]["content"]] == [*(call["id"] for call in calls), None]
    assert messages[2]["content"][-1] == {"type": "text", "text": "go on"}
