"""What a model leaves with its answer is stored, and goes back to it with the next prompt."""

import pytest

from converse_stream.testing import ReplayServer
from tests.providers.codecs.test_chat import says, stream

pytestmark = pytest.mark.django_db(transaction=True)
TOOL = {"name": "f", "description": "does f", "parameters": {"type": "object"}}
DETAIL = {"type": "reasoning.text", "index": 0, "text": "Hm", "signature": "s", "format": "anthropic-claude-v1"}
ANSWERS = {
    "deepseek": (says(reasoning_content="Hm"), {"reasoning_content": "Hm"}),
    "openrouter": (says("", reasoning="Hm", reasoning_details=[DETAIL]), {"reasoning_details": [DETAIL]}),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_thoughts_go_back_to_the_model_that_had_them_and_to_no_other(name, conversation, settings):
    thinking, kept = ANSWERS[name]
    with ReplayServer(stream(thinking, says("Yes", finish="stop"))) as server:
        settings.CONVERSE_STREAM = {"PROVIDERS": {name: {"base_url": server.url}}}
        options = {"tools": [TOOL]}

        conversation.ask("Sure?", model=f"{name}:m", options=options).wait(60)
        conversation.ask("Really?", model=f"{name}:m", options=options).wait(60)
        conversation.ask("And you?", model=f"{name}:other", options=options).wait(60)
        _, same, other = (request.json["messages"][1:2] for request in server.requests)

    assert same == [{"role": "assistant", "content": "Yes", **kept}]
    assert "Hm" not in str(other)
