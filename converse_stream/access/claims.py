"""Claims: who may no longer see what, found out for many viewers in a few queries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore as DatabaseSessions
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from converse_stream.conf import django_setting
from converse_stream.models import Conversation

_NOBODY = object()
"""Whose what is deleted is; a conversation may well have no owner."""


@dataclass(slots=True)
class Claim:
    """What one viewer takes for granted."""

    user: AbstractBaseUser | AnonymousUser | None
    """None where it made no difference who asked."""
    session_key: str = ""
    """The session that signs the user in, if it is one."""
    owners: Mapping[str, Any] = field(default_factory=dict)
    """By the ids of the conversations that are followed and watched, the keys of their owners."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What is left of a claim."""

    is_signed_out: bool
    conversations: frozenset[str]
    """Those that are not the same owner's, or not there, any more."""


def signing_session(user: AbstractBaseUser | AnonymousUser, session: SessionBase | None) -> str:
    """Return the key of the session if it is what signs this user in, not a token or whatever else the site has."""
    if session is None or session.get(SESSION_KEY) != _key(user):
        return ""
    return session.session_key or ""


def losses(claims: Sequence[Claim]) -> list[Loss]:
    """Return what each claim has lost. Three queries at most, where sessions are kept in the database."""
    users = _users({claim.user.pk for claim in claims if claim.user is not None})
    sessions = _sessions({claim.session_key for claim in claims if claim.session_key})
    owners = _owners({pk for claim in claims for pk in claim.owners})
    return [
        Loss(
            claim.user is not None and not _is_signed_in(claim, users.get(claim.user.pk), sessions),
            frozenset(pk for pk, owner in claim.owners.items() if owners.get(pk, _NOBODY) != owner),
        )
        for claim in claims
    ]


def _users(keys: Collection[Any]) -> Mapping[Any, AbstractBaseUser]:
    return get_user_model()._default_manager.in_bulk(list(keys))


def _owners(ids: Collection[str]) -> dict[str, Any]:
    """Return the owners of those conversations that are not deleted: `for_user`, for many users at a time."""
    rows = Conversation.objects.filter(pk__in=ids, deleted_at=None) if ids else Conversation.objects.none()
    return {str(pk): owner for pk, owner in rows.order_by().values_list("pk", "owner_id")}


def _key(user: Any) -> str:
    return str(user._meta.pk.value_to_string(user))


def _sessions(keys: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """Return what sessions hold by now."""
    if not keys:
        return {}
    store = import_module(django_setting("SESSION_ENGINE")).SessionStore
    if issubclass(store, DatabaseSessions):
        rows = store.get_model_class().objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
        return {row.session_key: row.get_decoded() for row in rows}
    return {key: store(key).load() for key in keys}


def _is_signed_in(claim: Claim, user: AbstractBaseUser | None, sessions: Mapping[str, Mapping[str, Any]]) -> bool:
    if user is None or (claim.user is not None and claim.user.is_active and not user.is_active):
        return False
    if not claim.session_key:
        return True
    session = sessions.get(claim.session_key, {})
    if session.get(SESSION_KEY) != _key(user):
        return False
    # As Channels' own get_user: a new password signs all other sessions out.
    return constant_time_compare(session.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())
