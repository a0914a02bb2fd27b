"""Question: what is about to be asked, put together step by step like a queryset, and the answer in the form wanted."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.db import router, transaction

from converse_stream.asking import Wishes, aask, ask, check_answer
from converse_stream.asking.wishes import check_wishes
from converse_stream.events import Event
from converse_stream.models import Conversation, Message, Status
from converse_stream.output import OnChunk, Writable
from converse_stream.pulling import Pull, check_pull
from converse_stream.registry import Model
from converse_stream.rendering import PromptTemplate
from converse_stream.responses import EventStreamResponse, astream_response, stream_response
from converse_stream.transforms import Transform
from converse_stream.windows import Window


class Question:
    """An immutable question: each step returns another one, and nothing happens until its answer is wanted.

    `conversation.prompt("…").using("anthropic:…").with_options(temperature=0.7).text()`. The steps are the keywords of
    `ask`, and those can also be given to what asks: `start`, `text`, `stream`, `pull`, `response` and their twins.
    """

    def __init__(
        self,
        conversation: Conversation,
        prompt: str | PromptTemplate | None = None,
        wishes: Mapping[str, Any] | None = None,
    ) -> None:
        wishes = wishes or {}
        check_wishes(wishes)
        self.conversation = conversation
        self.content = prompt
        """What is asked; None for the newest user message."""
        self.wishes = cast("Wishes", dict(wishes))
        """What is wished of the answer, as the keywords of `ask`."""

    def __repr__(self) -> str:
        return f"<Question in {self.conversation.pk}: {', '.join(self.wishes) or 'no wishes'}>"

    def using(self, *models: str | Any) -> Question:
        """Name who is to answer: a `provider:model`, a Provider, or several, who are asked in turn."""
        model: Model = models[0] if len(models) == 1 else list(models)
        return self._with(model=model)

    def with_options(self, **options: Any) -> Question:
        """Set options of the call, such as `temperature`, beside those that are set already."""
        return self._with(options={**(self.wishes.get("options") or {}), **options})

    def with_system(self, text: str | PromptTemplate) -> Question:
        """Say what the model is told before everything else, in place of the conversation's system prompt."""
        return self._with(system=text)

    def with_tools(self, *tools: Any) -> Question:
        """Let the model have functions called, beside those given already; see `tools` of `ask`."""
        return self._with(tools=[*self.wishes.get("tools", ()), *tools])

    def with_schema(self, schema: Any) -> Question:
        """Have the answer be an object: a pydantic model, another type, or a JSON schema."""
        return self._with(schema=schema)

    def cache(self, seconds: float = 3600) -> Question:
        """Take the answer from the cache if it is there, and keep it there for so long if it is not."""
        return self._with(cache=seconds)

    def with_fallback_text(self, text: str) -> Question:
        """Say what viewers are shown if the answer fails; it never becomes part of an answer."""
        return self._with(fallback_text=text)

    def with_transforms(self, *transforms: Transform) -> Question:
        """Say what the answer goes through on its way into the record, behind what is said already."""
        return self._with(transforms=[*self.wishes.get("transforms", ()), *transforms])

    def with_window(self, *, messages: int | None = None, tokens: int | None = None) -> Question:
        """Say how much of the conversation the model is told: at most so many messages, and so many tokens."""
        return self._with(window=Window(messages, tokens))

    def with_metadata(self, **metadata: Any) -> Question:
        """Keep something of the site's own with the answer, beside what is kept already."""
        return self._with(metadata={**(self.wishes.get("metadata") or {}), **metadata})

    def start(self, **wishes: Any) -> Message:
        """Ask, and return the answer's message at once; takes the keywords of `ask`."""
        return ask(self.conversation, self.content, **{**self.wishes, **wishes})

    async def astart(self, **wishes: Any) -> Message:
        """Ask as `start` does, from async code."""
        return await aask(self.conversation, self.content, **{**self.wishes, **wishes})

    def text(self, *, on_chunk: OnChunk | None = None, to: Writable | None = None, **wishes: Any) -> str:
        """Ask, wait, and return the whole text; hand it out meanwhile to `on_chunk(text, full)` and `to`.

        Raise the GenerationError that the answer failed with, or AnswerStopped if somebody has stopped it.
        """
        return _text_of(self.start(on_chunk=on_chunk, to=to, **wishes).wait())

    async def atext(self, *, on_chunk: OnChunk | None = None, to: Writable | None = None, **wishes: Any) -> str:
        """Return the text as `text` does, from async code; `on_chunk` may be async."""
        message = await self.astart(on_chunk=on_chunk, to=to, **wishes)
        return _text_of(await message.await_ending())

    def parsed(self, **wishes: Any) -> Any:
        """Ask, wait, and return the object that the answer is: of the type that is its schema, or as JSON.

        Raise the GenerationError that the answer failed with, or AnswerStopped if somebody has stopped it.
        """
        return self._object_of(self.start(**wishes).wait(), wishes)

    async def aparsed(self, **wishes: Any) -> Any:
        """Return the object as `parsed` does, from async code."""
        message = await self.astart(**wishes)
        return self._object_of(await message.await_ending(), wishes)

    def stream(self, *, through: Sequence[Transform] = (), **wishes: Any) -> Generator[Event, None, None]:
        """Ask at once, and return an iterator of the answer's events up to its ending, by way of transforms."""
        return self.start(**wishes).follow(through=through)

    async def astream(self, *, through: Sequence[Transform] = (), **wishes: Any) -> AsyncGenerator[Event, None]:
        """Ask, when iteration begins, and yield the answer's events up to its ending."""
        message = await self.astart(**wishes)
        async with aclosing(message.afollow(through=through)) as events:
            async for event in events:
                yield event

    def pull(self, *, buffer_size: int = 1, on_chunk: OnChunk | None = None, **wishes: Any) -> Pull:
        """Ask at once, and return the answer's text as chunks that are pulled one by one; see Pull."""
        check_pull(buffer_size, on_chunk)
        return Pull(self.start(**wishes), buffer_size=buffer_size, on_chunk=on_chunk)

    def response(self, **options: Any) -> EventStreamResponse:
        """Ask, and return an HTTP response that streams the answer; takes what `stream_response` takes."""
        return stream_response(self.conversation, self.content, **{**self.wishes, **options})

    async def aresponse(self, **options: Any) -> EventStreamResponse:
        """Respond as `response` does, from async views."""
        return await astream_response(self.conversation, self.content, **{**self.wishes, **options})

    def _object_of(self, message: Message, wishes: Mapping[str, Any]) -> Any:
        check_answer(message)
        schema = wishes.get("schema", self.wishes.get("schema"))
        return message.parsed if schema is None or isinstance(schema, Mapping) else message.parse(schema)

    def _with(self, **wishes: Any) -> Question:
        return Question(self.conversation, self.content, {**self.wishes, **wishes})


def ask_stream(prompt: str | PromptTemplate, *, user: Any = None, **options: Any) -> EventStreamResponse:
    """Begin a conversation of `user` (nobody's without one) with a question; return the response that streams it.

    Takes what `stream_response` takes; the conversation is `response.message.conversation`. Whatever is refused
    leaves nothing behind.
    """
    owner = user if user is not None and user.is_authenticated else None
    with transaction.atomic(using=router.db_for_write(Conversation)):
        conversation = Conversation.objects.create(owner=owner)
        return stream_response(conversation, prompt, **options)


aask_stream = sync_to_async(ask_stream)


def _text_of(message: Message) -> str:
    fallback = message.metadata.get("fallback_text")
    if fallback and message.status == Status.FAILED:
        return str(fallback)
    check_answer(message)
    text: str = message.content
    return text
