"""Tickets: for a minute they open one stream to one user, for an EventSource that can send no headers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core import signing
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from converse_stream.conf import settings

SALT = "converse_stream.ticket"


def issue(user: AbstractBaseUser | AnonymousUser, message_id: UUID) -> str:
    """Return a ticket with which `user` may follow the message for TICKET_SECONDS."""
    return signing.dumps([str(user.pk), str(message_id)], salt=SALT)


class TicketAuthentication(BaseAuthentication):
    """Whoever brings a ticket is the user it was issued to, on the one path it was issued for."""

    def authenticate(self, request: Request) -> tuple[Any, str]:
        """Return the user. Raise AuthenticationFailed for a ticket that is forged, too old or another message's."""
        try:
            user_id, message_id = signing.loads(
                request.query_params["ticket"], salt=SALT, max_age=settings.TICKET_SECONDS
            )
            user = get_user_model()._default_manager.get(pk=user_id)
        except (signing.BadSignature, TypeError, ValueError, ValidationError, get_user_model().DoesNotExist) as error:
            raise self._refusal() from error
        if message_id != str(request.parser_context["kwargs"]["pk"]) or not user.is_active:
            raise self._refusal()
        return user, "ticket"

    def _refusal(self) -> AuthenticationFailed:
        return AuthenticationFailed(_("This ticket is not valid, or not any more."))
