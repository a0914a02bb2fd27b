"""The same request twice: a client's key finds the answer that it has started before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from django.db import router

from converse_stream.cleaning import clean_json
from converse_stream.exceptions import IdempotencyMismatch, InvalidContent
from converse_stream.models.message import Message

if TYPE_CHECKING:
    from converse_stream.models.conversation import Conversation


class AskedBefore(Exception):
    """The key has an answer already: it was asked for between a first look and the lock."""

    def __init__(self, answer: Message) -> None:
        super().__init__(str(answer.pk))
        self.answer = answer


@dataclass(frozen=True, slots=True)
class ClientRequest:
    """A client's key and what was asked under it, both as hashes: 64 hexadecimal digits."""

    key: str
    fingerprint: str

    @classmethod
    def of(cls, client_key: object, asked: Mapping[str, Any]) -> Self:
        """Return the request. Raise InvalidContent for a key that is no text or empty."""
        if not isinstance(client_key, str) or not client_key:
            raise InvalidContent("client_key must be a str with at least one character")
        canonical = json.dumps(clean_json(dict(asked)), sort_keys=True, separators=(",", ":"))
        return cls(_hash(client_key), _hash(canonical))

    def answer(self, conversation: Conversation) -> Message | None:
        """Return the answer that this request has started, if it has. Raise IdempotencyMismatch."""
        rows = Message.objects.using(router.db_for_write(Message)).select_related("parent")
        before = rows.filter(conversation=conversation, client_key=self.key).first()
        if before is None:
            return None
        if before.request_fingerprint != self.fingerprint:
            raise IdempotencyMismatch(f"message {before.pk} was asked for under this key with other words")
        before.is_replay = True
        return before


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
