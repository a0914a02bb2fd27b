"""Starting: a question becomes two messages, and a runner starts on the second."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Unpack, cast
from uuid import UUID

from django.db import router, transaction

from converse_stream import brokers
from converse_stream.asking.wishes import Wishes, check_wishes
from converse_stream.cleaning import clean_json
from converse_stream.conf import settings
from converse_stream.exceptions import InvalidOptions, NothingToAnswer
from converse_stream.generation import Generation
from converse_stream.models import Conversation, Message, Role
from converse_stream.models.claims import lease_end
from converse_stream.models.contents import check_content, check_metadata
from converse_stream.models.history import leaf
from converse_stream.models.idempotency import AskedBefore, ClientRequest
from converse_stream.models.items import said
from converse_stream.models.opening import (
    check_parent,
    insert,
    live,
)
from converse_stream.providers.base import Provider
from converse_stream.registry import Model, chain
from converse_stream.rendering import PromptTemplate, rendered
from converse_stream.runners import InlineRunner, get_runner
from converse_stream.schemas import Schema
from converse_stream.tools import Toolbox, Tools
from converse_stream.transforms.base import checked
from converse_stream.values import DECADE, is_number
from converse_stream.windows import Window
from converse_stream.writer import announce_start


def start(conversation: Conversation, prompt: str | PromptTemplate | None, **wishes: Unpack[Wishes]) -> Message:
    """Store a question and start its answer; see `ask`."""
    check_wishes(wishes)
    parent, beside = wishes.get("parent"), wishes.get("beside")
    check_parent(parent=parent, beside=beside)
    questions = [] if prompt is None else [said(Role.USER, prompt, None)]
    content = questions[0].content if questions else None
    kept = check_metadata(wishes.get("metadata")) | _fallback(wishes)
    request, client_key = None, wishes.get("client_key")
    if client_key is not None:
        request = ClientRequest.of(client_key, _asked(content, kept, wishes))
        before = request.answer(conversation)
        if before is not None:
            return before
    if wishes.get("source") is None and content is None and parent is None:
        parent = _open_question(conversation)
    generation = prepare(conversation, kept, wishes)
    if request is not None:
        generation.message.client_key, generation.message.request_fingerprint = request.key, request.fingerprint
    interrupt = wishes.get("interrupt", False)
    try:
        begin(conversation, questions, generation, parent=parent, beside=beside, interrupt=interrupt, request=request)
    except AskedBefore as before:
        return before.answer
    return generation.message


def begin(conversation: Conversation, questions: list[Message], generation: Generation, **place: Any) -> None:
    """Store the questions and the generation's message, at the place that `insert` is told, and start it."""
    get_runner().prepare(generation)
    insert(conversation, [*questions, generation.message], **place)
    _start(generation)


def _asked(content: str | None, metadata: Mapping[str, Any], wishes: Wishes) -> dict[str, Any]:
    """Return what makes two requests the same."""
    parent, beside, system = wishes.get("parent"), wishes.get("beside"), wishes.get("system")
    return {
        "content": content,
        "model": _names(wishes.get("model")),
        "options": dict(wishes.get("options") or {}),
        "metadata": metadata,
        "parent": str(parent.pk) if parent else None,
        "beside": str(beside.pk) if beside else None,
        **({} if system is None else {"system": system}),
    }


def _names(model: Model | None) -> str | list[str] | None:
    if model is None or isinstance(model, str):
        return model
    return model.label if isinstance(model, Provider) else [str(_names(each)) for each in model]


def _open_question(conversation: Conversation) -> Message:
    """Return what the answer to the newest user message should follow."""
    newest = leaf(conversation)
    question = conversation.messages.user().order_by("-number").first()
    if newest is None or question is None:
        raise NothingToAnswer("the conversation has no user message; give a prompt or a source")
    if conversation.messages.assistant().complete().filter(number__gt=question.number).exists():
        raise NothingToAnswer("the newest user message has been answered; give a prompt, or retry the answer")
    return question if newest.role == Role.ASSISTANT else newest


def prepare(conversation: Conversation, metadata: dict[str, Any], wishes: Wishes) -> Generation:
    """Check everything that can be wrong before anything is written."""
    get_runner()
    brokers.check()
    model, options = wishes.get("model"), wishes.get("options")
    source, system = wishes.get("source"), wishes.get("system")
    transforms = checked(wishes.get("transforms", ()))
    if source is not None and wishes.get("cache") is not None:
        raise TypeError("what a source says is not kept in the cache")
    if source is not None:
        # These can be iterated, too, but nobody means their keys, characters or bytes.
        if not isinstance(source, Iterable | AsyncIterable) or isinstance(source, Mapping | str | bytes | bytearray):
            raise TypeError(f"source must be an iterable of texts, deltas or mappings, not {type(source).__name__}")
        name = model if isinstance(model, str) else ""
        return Generation(live(provider="", model=name, metadata=metadata), source=source, transforms=transforms)
    if not isinstance(options, Mapping | None):
        raise InvalidOptions(f"options must be a mapping, not {type(options).__name__}")
    merged = {**conversation.options, **clean_json(dict(options or {}))}
    tools = list(Toolbox.checked(wishes.get("tools", ())))
    toolbox = Toolbox([*_registered(merged.pop("tools", None)), *tools])
    if toolbox.declarations:
        merged["tools"] = toolbox.declarations
    if names := Toolbox(tools).recorded:
        metadata = {**metadata, "tools": names}
    schema = None if wishes.get("schema") is None else Schema(wishes["schema"])
    if schema:
        metadata = {**metadata, "schema": schema.json}
    providers = chain(model or conversation.model or None, **merged)
    first = providers[0]
    message = live(provider=first.name, model=first.model, metadata=metadata)
    return Generation(
        message,
        providers,
        tools=toolbox,
        schema=schema,
        system=_system(system),
        window=_window(wishes),
        transforms=transforms,
        cache=_cache(wishes),
    )


def _registered(tools: object) -> Tools:
    """Return the tools of options, which may come from a client: no path is followed that the site has not named."""
    listed = [] if tools is None else list(Toolbox.checked(tools))
    for name in listed:
        if isinstance(name, str) and name not in settings.TOOLS:
            raise InvalidOptions(f"TOOLS has no tool {name!r:.80}")
    return listed


def _system(system: str | PromptTemplate | None) -> str | None:
    text, _template = rendered(system)
    return check_content(text) if text else cast("str | None", text)


def _cache(wishes: Wishes) -> float | None:
    seconds = wishes.get("cache")
    if seconds is not None and not is_number(seconds, 1, DECADE):
        raise ValueError(f"cache must be a number of seconds from 1 to {DECADE}, not {seconds!r}")
    return seconds


def _fallback(wishes: Wishes) -> dict[str, Any]:
    text = wishes.get("fallback_text")
    return {} if text is None else {"fallback_text": check_content(text)}


def _window(wishes: Wishes) -> Window | None:
    window = wishes.get("window")
    if not isinstance(window, Window | None):
        raise TypeError(f"window must be a Window, not {type(window).__name__}")
    return window


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
