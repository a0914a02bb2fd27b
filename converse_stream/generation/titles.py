"""Titles: what a conversation is about, in a few words, by a cheap model, or else its own first sentence."""

from __future__ import annotations

import logging
import re

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, router
from django.db.models import F
from django.utils import timezone

from converse_stream.cleaning import clean_text
from converse_stream.conf import settings
from converse_stream.database import run
from converse_stream.exceptions import ConverseError, NothingToAnswer
from converse_stream.models import Conversation, Message, Status
from converse_stream.models.endings import announce_messages
from converse_stream.registry import Model, provider

logger = logging.getLogger("converse_stream")

LONGEST = 100
"""Characters of a title."""
LONGEST_FALLBACK = 70
"""Characters of a first sentence that is one."""
_TOLD = 2000
"""Characters of a question and of an answer that the model is told."""
_ASKED = (
    "Write a title for this conversation, in its own language: at most eight words, no quotation marks, no full stop. "
    "Answer with the title alone."
)
_SENTENCE = re.compile(r".+?[.!?…\u3002\uff01\uff1f](?=\s|$)|.+", re.DOTALL)


def generate_title(conversation: Conversation, *, model: Model | None = None) -> str:
    """Give a conversation its title; see Conversation.generate_title."""
    question, messages = _told(conversation)
    title = ""
    try:
        title = _cleaned(provider(model or settings.TITLE_MODEL or conversation.model or None).text(messages))
    except ConverseError as error:
        logger.warning("conversation %s has no title of a model's: %s", conversation.pk, error)
    return _save(conversation, title or first_sentence(question))


async def agenerate_title(conversation: Conversation, *, model: Model | None = None) -> str:
    """Give it as `generate_title` does, from async code."""
    question, messages = await run(_told, conversation)
    title = ""
    try:
        title = _cleaned(await provider(model or settings.TITLE_MODEL or conversation.model or None).atext(messages))
    except ConverseError as error:
        logger.warning("conversation %s has no title of a model's: %s", conversation.pk, error)
    return await run(_save, conversation, title or first_sentence(question))


def title_after(message: Message) -> None:
    """Give the conversation of an answer that is complete its title, if the site wants that and it has none."""
    try:
        conversation = _untitled(message)
        if conversation is not None:
            generate_title(conversation)
    except (ConverseError, ImproperlyConfigured, DatabaseError, Conversation.DoesNotExist):
        logger.warning("the conversation of message %s could not be given a title", message.pk, exc_info=True)


async def atitle_after(message: Message) -> None:
    """Give it as `title_after` does, from async code."""
    try:
        conversation = await run(_untitled, message) if settings.TITLE_MODEL else None
        if conversation is not None:
            await agenerate_title(conversation)
    except (ConverseError, ImproperlyConfigured, DatabaseError, Conversation.DoesNotExist):
        logger.warning("the conversation of message %s could not be given a title", message.pk, exc_info=True)


def first_sentence(text: str) -> str:
    """Return the first sentence of a text, cut to 70 characters."""
    words = " ".join(text.split())
    match = _SENTENCE.match(words)
    sentence = match[0] if match else ""
    return sentence if len(sentence) <= LONGEST_FALLBACK else f"{sentence[: LONGEST_FALLBACK - 1].rstrip()}…"


def _untitled(message: Message) -> Conversation | None:
    if not settings.TITLE_MODEL or message.status != Status.COMPLETE:
        return None
    rows = Conversation.objects.using(router.db_for_write(Message))
    return rows.filter(pk=message.conversation_id, title="", deleted_at=None).first()


def _told(conversation: Conversation) -> tuple[str, list[dict[str, str]]]:
    question = conversation.messages.user().order_by("number").first()
    if question is None:
        raise NothingToAnswer("a conversation in which nobody has said anything has no title")
    answer = conversation.messages.assistant().complete().order_by("number").first()
    said = [f"Question: {question.content[:_TOLD]}"]
    said += [f"Answer: {answer.content[:_TOLD]}"] if answer else []
    told = [{"role": "system", "content": _ASKED}, {"role": "user", "content": "\n\n".join(said)}]
    return question.content, told


def _cleaned(text: str) -> str:
    """Return a model's title without what it was asked to leave away."""
    line = next((line for line in text.splitlines() if line.strip(" #*\"'`")), "")
    title = re.sub(r"^title:\s*", "", line.strip().strip("#*\"'`\u201c\u201d ").strip(), flags=re.IGNORECASE)
    return clean_text(" ".join(title.split()).strip("\"'\u201c\u201d").rstrip("."))[:LONGEST].rstrip()


def _save(conversation: Conversation, title: str) -> str:
    using = router.db_for_write(Message)
    rows = Conversation.objects.using(using).filter(pk=conversation.pk, deleted_at=None)
    # One that a user has given meanwhile is not written over.
    rows = rows.filter(title=conversation.title)
    if rows.update(title=title, revision=F("revision") + 1, updated_at=timezone.now()):
        announce_messages(conversation.pk)
    conversation.refresh_from_db(using=using, fields=["title", "revision", "updated_at"])
    return conversation.title
