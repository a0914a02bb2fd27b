"""Structured answers: a type or a JSON schema in, a validated object out, with one more try in between."""

import json
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

from converse_stream.events import Finish, ToolCall, Usage
from converse_stream.exceptions import InvalidOptions, InvalidOutput
from converse_stream.models import Conversation, Status
from converse_stream.providers.anthropic import Anthropic
from converse_stream.providers.deepseek import DeepSeek
from converse_stream.providers.gemini import Gemini
from converse_stream.providers.openai import OpenAI
from converse_stream.schemas import Schema
from converse_stream.testing import Follower, ReplayServer
from tests.recordings import FOLDER
from tests.tools import site
from tests.turns import InTurn

pytestmark = pytest.mark.django_db(transaction=True)


class Place(BaseModel):
    city: str
    inhabitants: int = Field(ge=0)

    @field_validator("city")
    @classmethod
    def _is_known(cls, city: str) -> str:
        if city == "Atlantis":
            raise ValueError("there is no such city")
        return city


@dataclass
class Route:
    stops: list[Place]
    kind: Literal["train", "boat"] = "train"


SCHEMA = {
    "title": "A place!",
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
OSLO = '{"city": "Oslo", "inhabitants": 709000}'


@pytest.fixture(params=["thread", "inline"])
def runner(request, settings):
    settings.CONVERSE_STREAM = {"RUNNER": request.param}


@pytest.mark.parametrize(
    "said", [OSLO, f"```json\n{OSLO}\n```", f"Here it is:\n\n```\n{OSLO}\n```\nBye.", f"It is {OSLO}, I think."]
)
def test_an_answer_is_an_object(conversation: Conversation, runner, said: str) -> None:
    """Seeds: C-19, P-10."""
    provider = InTurn([*said])

    message = conversation.ask("Where?", model=provider, schema=Place).wait(60)

    assert (message.status, message.content) == (Status.COMPLETE, said)
    assert message.parsed == {"city": "Oslo", "inhabitants": 709000}
    assert message.parse(Place) == Place(city="Oslo", inhabitants=709000)
    assert conversation.messages.get(pk=message.pk).parsed == message.parsed
    assert len(provider.prompts) == 1


def test_a_provider_without_a_word_for_it_is_told_in_words(conversation: Conversation) -> None:
    conversation.system_prompt = "Be brief."
    conversation.save()
    provider = InTurn([OSLO])

    conversation.ask("Where?", model=provider, schema=Place).wait(60)

    [prompt] = provider.prompts
    assert [each.role for each in prompt.messages] == ["system", "system", "user"]
    assert '"inhabitants"' in prompt.messages[1].text
    assert "schema" not in prompt.options


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("Oslo.", "no JSON"),
        ('{"city": "Oslo"}', "inhabitants: Field required"),
        ('{"city": "Atlantis", "inhabitants": 0}', "there is no such city"),
        ("[1, 2]", "the whole"),
        ("[" * 100_000, "no JSON"),
        ("", "no JSON"),
    ],
)
def test_what_is_no_such_object_is_said_once_more(conversation: Conversation, wrong: str, why: str) -> None:
    provider = InTurn([wrong, Usage(1, 2), Finish("stop")], [OSLO, Usage(3, 4), Finish("stop")])

    message = conversation.ask("Where?", model=provider, schema=Place).wait(60)

    assert (message.status, message.parsed["city"]) == (Status.COMPLETE, "Oslo")
    assert (message.content, message.input_tokens, message.output_tokens) == (wrong + OSLO, 4, 6)
    [complaint] = [part["value"]["errors"] for part in message.parts if part.get("name") == "invalid"]
    assert why in complaint
    *_, said, asked = provider.prompts[1].messages
    assert (said.role, said.text, asked.role) == ("assistant", wrong, "user")
    assert complaint in asked.text


def test_what_is_wrong_twice_fails_and_its_text_is_kept(conversation: Conversation, runner) -> None:
    provider = InTurn(["Oslo. "], ["I said Oslo."], [OSLO])

    message = conversation.ask("Where?", model=provider, schema=Place).wait(60)

    assert (message.status, message.error_code, message.parsed) == (Status.FAILED, "invalid_output", None)
    assert message.content == "Oslo. I said Oslo."
    assert len(provider.prompts) == 2
    with pytest.raises(InvalidOutput):
        conversation.prompt("Where?").using(InTurn(["no"])).with_schema(Place).parsed()


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_an_answer_that_was_cut_is_not_asked_for_again(conversation: Conversation, reason: str) -> None:
    provider = InTurn(['{"city": "Os', Finish(reason)], [OSLO])

    message = conversation.ask("Where?", model=provider, schema=Place).wait(60)

    assert (message.status, message.error_code, len(provider.prompts)) == (Status.FAILED, "invalid_output", 1)
    assert message.content == '{"city": "Os'


def test_an_object_may_come_after_tools(conversation: Conversation, runner) -> None:
    provider = InTurn(
        ["Let me {look}. ", ToolCall("1", "weather", {"city": "Oslo"})], ["Hm, {}"], ['{"city": "Oslo", "celsius": -3}']
    )
    schema = {"type": "object", "required": ["celsius"], "properties": {"celsius": {"type": "integer"}}}

    message = conversation.ask("Cold?", model=provider, schema=schema, tools=[site.weather]).wait(60)

    assert message.parsed == {"city": "Oslo", "celsius": -3}
    kinds = [part["type"] for part in message.parts]
    assert kinds == ["text", "tool_call", "tool_result", "text", "data", "text", "data"]


def test_a_call_that_the_site_runs_itself_is_no_object_yet(conversation: Conversation) -> None:
    provider = InTurn([ToolCall("1", "locate", {})])

    message = conversation.ask("Where?", model=provider, schema=Place, tools=[{"name": "locate"}]).wait(60)

    assert (message.status, message.parsed) == (Status.COMPLETE, None)


def test_the_object_is_an_event_and_the_answer_resumes_from_any_cursor(conversation: Conversation) -> None:
    message = conversation.ask("Where?", model=InTurn(["Oslo"], [OSLO]), schema=Place).wait(60)

    for position in range(message.length + 1):
        seen = Follower(f"{message.pk}.{position}").read(message.stream_response(after=position))
        named = [event["data"]["name"] for event in seen.events if event["event"] == "data"]
        assert named == ["invalid", "parsed"][(position > 4) + (position == message.length) :]
        assert seen.text == (message.content[position:] if position <= 4 else OSLO[position - 5 :])


def test_the_object_comes_from_a_question_put_together(conversation: Conversation) -> None:
    """Seeds: C-19."""
    question = conversation.prompt("Where?").using(InTurn([OSLO]))

    assert question.with_schema(Place).parsed() == Place(city="Oslo", inhabitants=709000)
    assert question.parsed(schema=SCHEMA | {"additionalProperties": True})["city"] == "Oslo"
    route = f'{{"stops": [{OSLO}], "kind": "boat"}}'
    assert question.using(InTurn([route])).with_schema(Route).parsed() == Route(
        [Place(city="Oslo", inhabitants=709000)], "boat"
    )


async def test_it_comes_in_async_code_too(conversation: Conversation) -> None:
    question = conversation.prompt("Where?").using(InTurn([OSLO])).with_schema(Place)

    assert (await question.aparsed()).city == "Oslo"


def test_a_retry_wants_the_same_object(conversation: Conversation, settings) -> None:
    provider = InTurn(["no"], ["no"], ['{"city": "Oslo"}'], ['{"city": "Oslo", "inhabitants": 1}'])
    settings.CONVERSE_STREAM = {"RUNNER": "inline", "PROVIDERS": {"mine": provider}}
    first = conversation.ask("Where?", model="mine:m", schema=Place)

    second = first.retry()

    assert (first.status, second.status, second.parsed["inhabitants"]) == (Status.FAILED, Status.COMPLETE, 1)


def test_an_object_of_another_type_is_refused_by_pydantic(conversation: Conversation) -> None:
    message = conversation.ask("Where?", model=InTurn([OSLO]), schema=SCHEMA | {"additionalProperties": {}}).wait(60)

    with pytest.raises(ValidationError):
        message.parse(Route)


class TestSchema:
    @pytest.mark.parametrize("bad", [int, list[int], "Place", 3, object, {"type": "array"}, {"type": "objekt"}, {}])
    def test_what_describes_no_object_is_refused_before_anything_is_written(
        self, conversation: Conversation, bad: Any
    ) -> None:
        with pytest.raises(InvalidOptions):
            conversation.ask("Where?", model=InTurn([OSLO]), schema=bad)
        assert not conversation.messages.exists()

    def test_a_type_is_closed_and_strict_only_where_it_can_be(self) -> None:
        place, route = Schema(Place).option, Schema(Route).option

        assert (place["name"], place["strict"], route["strict"]) == ("Place", True, False)
        assert place["schema"]["additionalProperties"] is False
        assert route["schema"]["$defs"]["Place"]["additionalProperties"] is False
        assert Schema(SCHEMA).option["name"] == "A_place_"
        assert Schema(SCHEMA).json == SCHEMA


REQUESTS = {
    "openai": (OpenAI, {"api": "responses"}, "openai/responses-plain", lambda body: body["text"]["format"]["schema"]),
    "chat": (
        OpenAI,
        {"api": "chat"},
        "openai/chat-plain-usage-chunk",
        lambda body: body["response_format"]["json_schema"]["schema"],
    ),
    "anthropic": (
        Anthropic,
        {},
        "anthropic/plain-short",
        lambda body: body["output_config"]["format"]["schema"],
    ),
    "gemini": (
        Gemini,
        {},
        "gemini/plain-one-chunk-crlf",
        lambda body: body["generationConfig"]["responseJsonSchema"],
    ),
    "deepseek": (DeepSeek, {}, "openai/chat-plain-usage-chunk", None),
}


@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recordings in {FOLDER}")
@pytest.mark.parametrize("name", REQUESTS)
def test_a_provider_is_asked_in_its_own_words_where_it_has_some(conversation: Conversation, name: str) -> None:
    kind, config, recording, schema_of = REQUESTS[name]
    with ReplayServer(FOLDER / f"{recording}.sse") as server:
        provider = kind(name, "a-model", config={"base_url": server.url, "api_key": "k", **config})
        message = conversation.ask("Where?", model=provider, schema=Place).wait(60)
        first, second = [request.json for request in server.requests]

    assert (message.status, message.error_code) == (Status.FAILED, "invalid_output")
    assert "Answer again" in json.dumps(second)
    for body in (first, second):
        if schema_of is None:
            assert "response_format" not in body
            assert "JSON schema" in body["messages"][0]["content"]
        else:
            assert schema_of(body) == Schema(Place).json
            assert "JSON schema" not in json.dumps(body)
