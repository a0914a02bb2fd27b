"""What the AI SDK's transport means by a request: a new question, an edited one, or an answer to be tried again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self
from uuid import UUID

from converse_stream.asking import edit, regenerate
from converse_stream.exceptions import InvalidContent, NothingToAnswer
from converse_stream.models import Conversation, Message
from converse_stream.models.idempotency import ClientRequest


@dataclass(frozen=True, slots=True)
class Turn:
    """The part of a request that counts: its last message, and which one it is about."""

    is_again: bool
    """Whether an answer is to be tried again."""
    about: str
    """The id of the message that is edited or tried again; empty for a new one."""
    role: str
    client_id: str
    """The id of the last message: the client's own, or ours where it came out of the history."""
    text: str

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> Self:
        """Return the turn of a request. Raise InvalidContent for a message that is none of theirs."""
        last = asked["messages"][-1] if asked["messages"] else {"role": "", "id": "", "parts": []}
        role, client_id = last.get("role"), last.get("id", "")
        if not isinstance(role, str) or not isinstance(client_id, str):
            raise InvalidContent("a message needs a role and an id")
        is_again = asked["trigger"] == "regenerate-message"
        text = _text(last) if role == "user" else ""
        return cls(is_again, asked.get("messageId") or "", role, client_id, text)


def answering(turn: Turn, conversation: Conversation) -> Callable[..., Message]:
    """Return what starts the answer to a turn.

    Raise InvalidContent, NothingToAnswer, or Message.DoesNotExist for a message that is not in the conversation.
    """
    if turn.is_again:
        return partial(regenerate, _question_of(turn, conversation))
    if turn.role != "user":
        # Their client-side tools would continue an answer that has ended; here that never changes.
        raise InvalidContent("the last message must be the user's")
    if turn.about:
        question = _known(conversation, turn.about)
        if question is None:
            raise Message.DoesNotExist(f"no question {turn.about[:40]!r}")
        # An edited message keeps its id, so its words are part of the key.
        words = hashlib.sha256(turn.text.encode()).hexdigest()
        return partial(edit, question, turn.text, client_key=f"{turn.about}:{words}")
    return partial(conversation.ask, turn.text, client_key=turn.client_id or None)


def _question_of(turn: Turn, conversation: Conversation) -> Message:
    """Return the question to be answered once more: that of the answer named, or the last message, or the newest."""
    answer = _ours(conversation, turn.about)
    if answer is not None:
        return answer
    question = _worded(_known(conversation, turn.client_id), turn.text) if turn.role == "user" else None
    question = question or conversation.messages.user().order_by("-number").first()
    if question is None:
        raise NothingToAnswer("the conversation has no user message")
    return question


def _known(conversation: Conversation, client_id: str) -> Message | None:
    """Return the message that a client knows by this id: ours, or the question it first sent under it."""
    message = _ours(conversation, client_id)
    if message is None and client_id:
        key = ClientRequest.of(client_id, {}).key
        answer = conversation.messages.filter(client_key=key).select_related("parent").first()
        message = answer.parent if answer else None
    return message


def _worded(question: Message | None, text: str) -> Message | None:
    """Return the question in the wording that the client shows: an edited one keeps its id there."""
    if question is None:
        return None
    edited = question.conversation.messages.user().filter(parent=question.parent_id, content=text)
    return edited.order_by("-number").first() or question


def _ours(conversation: Conversation, message_id: str) -> Message | None:
    try:
        return conversation.messages.filter(pk=UUID(message_id)).first()
    except ValueError:
        return None


def _text(message: Mapping[str, Any]) -> str:
    """Return the text of a user's message. Raise InvalidContent for anything that would be left out."""
    parts = message.get("parts")
    texts = [_text_of(part) for part in parts] if isinstance(parts, list) else [None]
    if None in texts:
        raise InvalidContent("a message may have text parts only")
    return "".join(filter(None, texts))


def _text_of(part: Any) -> str | None:
    text = part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None
    return text if isinstance(text, str) else None
