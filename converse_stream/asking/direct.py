"""Asking, and, where the caller wants the text handed out at once, following the answer to its ending for that."""

from __future__ import annotations

from contextlib import aclosing
from typing import Unpack

from asgiref.sync import sync_to_async
from django.db import connections, router

from converse_stream.asking.starting import start
from converse_stream.asking.wishes import Wishes
from converse_stream.conf import settings
from converse_stream.exceptions import BY_CODE, AnswerStopped, InternalError, NotStarted
from converse_stream.feed import afollow, await_ending, follow, wait
from converse_stream.models import Conversation, Message, Status
from converse_stream.output import OnChunk, Output, Writable
from converse_stream.rendering import PromptTemplate


def ask(
    conversation: Conversation,
    prompt: str | PromptTemplate | None,
    *,
    on_chunk: OnChunk | None = None,
    to: Writable | None = None,
    **wishes: Unpack[Wishes],
) -> Message:
    """Store a question and start its answer; see Conversation.ask.

    Without a prompt, answer the newest user message, or with a source whatever there is; raise NothingToAnswer.
    """
    output = Output(on_chunk, to)
    output.check_sync()
    if not output:
        return start(conversation, prompt, **wishes)
    _check_waitable()
    message = start(conversation, prompt, **wishes)
    for event in follow(message):
        output.say(event.text)
    return wait(message)


async def aask(
    conversation: Conversation,
    prompt: str | PromptTemplate | None,
    *,
    on_chunk: OnChunk | None = None,
    to: Writable | None = None,
    **wishes: Unpack[Wishes],
) -> Message:
    """Ask as `ask` does, from async code."""
    output = Output(on_chunk, to)
    message = await sync_to_async(start)(conversation, prompt, **wishes)
    if not output:
        return message
    async with aclosing(afollow(message)) as events:
        async for event in events:
            await output.asay(event.text)
    return await await_ending(message)


def check_answer(message: Message) -> None:
    """Raise AnswerStopped for an answer that was stopped, and what a failed one failed with."""
    if message.status == Status.CANCELLED:
        raise AnswerStopped(f"message {message.pk} was stopped after {message.length} positions; its text is kept")
    if message.status == Status.FAILED:
        raise BY_CODE.get(message.error_code, InternalError)(message.error_message)


def _check_waitable() -> None:
    """Raise NotStarted, before anything is written, in a transaction at whose commit the answer would start."""
    if settings.RUNNER != "inline" and connections[router.db_for_write(Message)].in_atomic_block:
        raise NotStarted("in a transaction an answer starts at the commit; ask outside of it for on_chunk and to")
