"""Asking: a question becomes two messages, and a runner starts on the second."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import router, transaction

from converse_stream import brokers
from converse_stream.cleaning import clean_json
from converse_stream.exceptions import InvalidContent, InvalidOptions, NothingToAnswer
from converse_stream.generation import Generation, Source
from converse_stream.models import Conversation, Message, Role
from converse_stream.models.history import leaf
from converse_stream.models.idempotency import AskedBefore, ClientRequest
from converse_stream.models.opening import (
    check_content,
    check_metadata,
    check_parent,
    finished,
    insert,
    lease_end,
    live,
)
from converse_stream.providers.base import Provider
from converse_stream.registry import Model, chain
from converse_stream.runners import InlineRunner, get_runner
from converse_stream.writer import announce_start


def ask(
    conversation: Conversation,
    prompt: str | None,
    *,
    model: Model | None = None,
    options: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    parent: Message | None = None,
    beside: Message | None = None,
    source: Source | None = None,
    interrupt: bool = False,
    client_key: str | None = None,
) -> Message:
    """Store a question and start its answer; see Conversation.ask.

    Without a prompt, answer the newest user message, or with a source whatever there is; raise NothingToAnswer.
    """
    check_parent(parent=parent, beside=beside)
    content = None if prompt is None else check_content(prompt)
    kept = check_metadata(metadata)
    request = None
    if client_key is not None:
        request = ClientRequest.of(client_key, _asked(content, model, options, kept, parent, beside))
        before = request.answer(conversation)
        if before is not None:
            return before
    if source is None and content is None and parent is None:
        parent = _open_question(conversation)
    generation = _prepare(conversation, model, options, kept, source)
    if request is not None:
        generation.message.client_key, generation.message.request_fingerprint = request.key, request.fingerprint
    questions = [] if content is None else [finished(Role.USER, content, metadata={})]
    messages = [*questions, generation.message]
    try:
        insert(conversation, messages, parent=parent, beside=beside, interrupt=interrupt, request=request)
    except AskedBefore as before:
        return before.answer
    _start(generation)
    return generation.message


aask = sync_to_async(ask)


def retry(message: Message, **options: Any) -> Message:
    """Answer the question of `message` again; see Message.retry."""
    if message.role != Role.ASSISTANT:
        raise InvalidContent("only an answer can be tried again")
    if message.parent is not None and options.get("source") is None and options.get("model") is None:
        options["model"] = _model_of(message)
    return regenerate(message, **options)


aretry = sync_to_async(retry)


def regenerate(message: Message, **options: Any) -> Message:
    """Answer a question, or the question of an answer, once more: by default with the conversation's model."""
    if message.role not in (Role.USER, Role.ASSISTANT):
        raise InvalidContent("only a question or an answer can be answered once more")
    question = message if message.role == Role.USER else message.parent
    if question is None:
        raise NothingToAnswer("this answer has no question")
    return ask(message.conversation, None, parent=question, **options)


def edit(message: Message, content: str, **options: Any) -> Message:
    """Ask in other words beside `message`; see Message.edit."""
    if message.role != Role.USER:
        raise InvalidContent("only a user's message can be edited")
    return ask(message.conversation, content, beside=message, **options)


aedit = sync_to_async(edit)


def _asked(
    content: str | None,
    model: Model | None,
    options: Mapping[str, Any] | None,
    metadata: Mapping[str, Any],
    parent: Message | None,
    beside: Message | None,
) -> dict[str, Any]:
    """Return what makes two requests the same."""
    return {
        "content": content,
        "model": _names(model),
        "options": dict(options or {}),
        "metadata": metadata,
        "parent": str(parent.pk) if parent else None,
        "beside": str(beside.pk) if beside else None,
    }


def _names(model: Model | None) -> str | list[str] | None:
    if model is None or isinstance(model, str):
        return model
    return model.label if isinstance(model, Provider) else [str(_names(each)) for each in model]


def _model_of(message: Message) -> list[str]:
    """Return who was asked for this answer, in turn."""
    asked = message.attempts.order_by("pk").values_list("provider", "model")
    if not asked:
        raise InvalidContent("this answer was written by a source of the site's own; give a source or a model")
    return list(dict.fromkeys(f"{provider}:{model}" for provider, model in asked))


def _open_question(conversation: Conversation) -> Message:
    """Return what the answer to the newest user message should follow."""
    newest = leaf(conversation)
    question = conversation.messages.user().order_by("-number").first()
    if newest is None or question is None:
        raise NothingToAnswer("the conversation has no user message; give a prompt or a source")
    if conversation.messages.assistant().complete().filter(number__gt=question.number).exists():
        raise NothingToAnswer("the newest user message has been answered; give a prompt, or retry the answer")
    return question if newest.role == Role.ASSISTANT else newest


def _prepare(
    conversation: Conversation,
    model: Model | None,
    options: Mapping[str, Any] | None,
    metadata: dict[str, Any],
    source: Source | None,
) -> Generation:
    """Check everything that can be wrong before anything is written."""
    get_runner()
    brokers.check()
    if source is not None:
        # These can be iterated, too, but nobody means their keys, characters or bytes.
        if not isinstance(source, Iterable | AsyncIterable) or isinstance(source, Mapping | str | bytes | bytearray):
            raise TypeError(f"source must be an iterable of texts, deltas or mappings, not {type(source).__name__}")
        name = model if isinstance(model, str) else ""
        return Generation(live(provider="", model=name, metadata=metadata), source=source)
    if not isinstance(options, Mapping | None):
        raise InvalidOptions(f"options must be a mapping, not {type(options).__name__}")
    merged = {**conversation.options, **clean_json(dict(options or {}))}
    providers = chain(model or conversation.model or None, **merged)
    first = providers[0]
    return Generation(live(provider=first.name, model=first.model, metadata=metadata), providers)


def _start(generation: Generation) -> None:
    """Hand the generation to the runner: at once, or when the surrounding transaction commits."""
    announce_start(generation.message)
    runner = get_runner()
    if isinstance(runner, InlineRunner):
        runner.submit(generation)
        return
    using = router.db_for_write(Message)
    start = _Start(generation, transaction.get_connection(using).in_atomic_block)
    transaction.on_commit(start, using=using)


@dataclass(frozen=True, slots=True)
class _Start:
    """Starts an answer when its transaction has committed."""

    generation: Generation
    is_in_transaction: bool

    @property
    def message_id(self) -> UUID:
        """What is waiting; see Message.starts_on_commit."""
        return self.generation.message.pk

    def __call__(self) -> None:
        if self.is_in_transaction:
            # It may have used up the lease, which nobody could renew.
            rows = Message.objects.using(router.db_for_write(Message)).filter(pk=self.message_id)
            rows.filter(lease_holder=self.generation.message.lease_holder).update(lease_expires_at=lease_end())
        get_runner().submit(self.generation)
