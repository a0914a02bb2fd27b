"""Which conversation a chat of the client's is: its id is made up by the client, or is one of ours."""

from __future__ import annotations

from uuid import UUID, uuid5

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import Q

from converse_stream.models import Conversation

User = AbstractBaseUser | AnonymousUser
_NAMESPACE = UUID("5d0e1b6a-7d53-4b0f-8f0a-2c6f4a3f9d71")


def conversation_of(user: User, chat: str) -> Conversation | None:
    """Return the user's conversation for a chat, if there is one."""
    named = Q(pk=_made_up(user, chat)) | (Q(pk=ours) if (ours := _uuid(chat)) else Q())
    # Of the two, the one that bears the name itself.
    found = {str(conversation.pk): conversation for conversation in Conversation.objects.for_user(user).filter(named)}
    return found.get(str(_uuid(chat))) or next(iter(found.values()), None)


def opened_conversation_of(user: User, chat: str) -> Conversation:
    """Return the user's conversation for a chat, a new one if there is none.

    A chat named after a conversation of somebody else is a new one too: nobody learns what there is. Raise
    Conversation.DoesNotExist for one that the user has deleted.
    """
    found = conversation_of(user, chat)
    if found is not None:
        return found
    if (ours := _uuid(chat)) and Conversation.objects.filter(pk=ours, owner_id=user.pk).exists():
        raise Conversation.DoesNotExist(f"conversation {ours} is deleted")
    conversation, _is_new = Conversation.objects.get_or_create(pk=_made_up(user, chat), defaults={"owner_id": user.pk})
    if conversation.deleted_at is not None:
        raise Conversation.DoesNotExist(f"conversation {conversation.pk} is deleted")
    return conversation


def _made_up(user: User, chat: str) -> UUID:
    """Return the id that stands for a name in our tables: another one for each user."""
    return uuid5(_NAMESPACE, f"{user.pk}:{chat}")


def _uuid(chat: str) -> UUID | None:
    try:
        return UUID(chat)
    except ValueError:
        return None
