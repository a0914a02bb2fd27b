"""OpenAI's own Python client against the tests' site: streamed, whole, with its helper, and when things go wrong."""

from collections.abc import Iterator
from typing import Any

import pytest
from rest_framework.authtoken.models import Token

from converse_stream.models import Conversation, Message
from tests.servers import serve

pytestmark = [pytest.mark.clients, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

QUESTION = {"role": "user", "content": "/long 20"}
ANSWER = "".join(f"{number} " for number in range(1, 21))


@pytest.fixture(params=["uvicorn", "daphne", "gunicorn"])
def client(request: pytest.FixtureRequest, conversation: Conversation) -> Iterator[Any]:
    openai = pytest.importorskip("openai")
    key = Token.objects.create(user=conversation.owner).key
    beats = {"SSE_HEARTBEAT": 0.01, "POLL_INTERVAL": 0.05}
    with serve(request.param, settings=beats) as url, openai.OpenAI(base_url=f"{url}/api/v1", api_key=key) as client:
        yield client


def test_the_client_reads_what_is_served(client: Any) -> None:
    openai = pytest.importorskip("openai")

    chunks = list(client.chat.completions.create(model="demo", messages=[QUESTION], stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ANSWER
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len(chunks) > 5
    assert {chunk.id for chunk in chunks} == {f"chatcmpl-{Message.objects.assistant().get().pk}"}

    whole = client.chat.completions.create(model="demo", messages=[QUESTION])
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == (ANSWER, "stop")
    assert whole.usage.completion_tokens == 20

    with client.chat.completions.stream(
        model="demo", messages=[QUESTION], stream_options={"include_usage": True}
    ) as stream:
        final = stream.get_final_completion()
    assert (final.choices[0].message.content, final.usage.completion_tokens) == (ANSWER, 20)

    thinking = client.chat.completions.create(
        model="demo", messages=[{"role": "user", "content": "/think Hello"}], stream=True
    )
    deltas = [chunk.choices[0].delta for chunk in thinking]
    assert any(getattr(delta, "reasoning_content", None) for delta in deltas)

    named = client.chat.completions.with_raw_response.create(model="demo", messages=[QUESTION])
    conversation = named.headers["X-Conversation"]
    again = client.chat.completions.create(model="demo", messages=[QUESTION], extra_body={"conversation": conversation})
    assert again.choices[0].message.content == ANSWER
    assert Message.objects.filter(conversation=conversation).count() == 4

    assert [model.id for model in client.models.list()] == ["demo:demo"]

    asked = Conversation.objects.count()
    with pytest.raises(openai.APIError, match="internal problem"):
        list(client.chat.completions.create(model="demo", messages=[{"role": "user", "content": "/fail"}], stream=True))
    with pytest.raises(openai.APIStatusError, match="internal problem"):
        client.chat.completions.create(model="demo", messages=[{"role": "user", "content": "/fail"}])
    assert Conversation.objects.count() == asked + 2  # it has not asked again by itself

    with pytest.raises(openai.NotFoundError, match="not available"):
        client.chat.completions.create(model="gpt-9", messages=[QUESTION])
    with pytest.raises(openai.BadRequestError, match="n: "):
        client.chat.completions.create(model="demo", messages=[QUESTION], n=2)
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="nonsense").chat.completions.create(model="demo", messages=[QUESTION])
