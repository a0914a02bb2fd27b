"""Plain views for pages that use no REST framework: follow or stop a message, watch a conversation, by session."""

from collections.abc import Callable
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_GET, require_POST

from converse_stream.exceptions import TooManyViewers
from converse_stream.limits import ViewerSlot
from converse_stream.models import Conversation, Message, Role
from converse_stream.responses import follow_response
from converse_stream.responses.updates import watch_response


@require_GET
def follow(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Stream a message of the signed-in user from `?after=` or `Last-Event-ID` to its ending."""
    message = _own(request, pk)
    if not isinstance(message, Message):
        return message
    return _with_slot(request, lambda: follow_response(request, message))


@require_GET
def watch(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Stream what happens in a conversation of the signed-in user, from `?after=` or `Last-Event-ID` on."""
    if not request.user.is_authenticated:
        return _refusal(403, "login_required", _("Please sign in."))
    conversation = Conversation.objects.for_user(request.user).filter(pk=pk).first()
    if conversation is None:
        return _refusal(404, "not_found", _("This conversation does not exist."))
    return _with_slot(request, lambda: watch_response(request, conversation))


@require_POST
@csrf_protect
@never_cache
def cancel(request: HttpRequest, pk: UUID) -> HttpResponseBase:
    """Stop a message of the signed-in user and return it as it then is; what has ended stays as it was."""
    message = _own(request, pk)
    if not isinstance(message, Message):
        return message
    try:
        message.cancel()
    except Message.DoesNotExist:
        return _not_found()  # deleted since it was looked up
    return JsonResponse(message.to_dict())


def _with_slot(request: HttpRequest, respond: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """Return the response, which counts as one of the user's viewers while it streams, or the refusal."""
    try:
        slot = ViewerSlot(request.user.pk)
    except TooManyViewers as error:
        return _refusal(429, error.code, str(error.public), {"Retry-After": str(error.retry_after)})
    response = respond()
    return slot.held_by(response) if response.streaming else response


def _own(request: HttpRequest, pk: UUID) -> Message | JsonResponse:
    """Return the user's message, or the refusal: JSON, since it is a script that reads it."""
    if not request.user.is_authenticated:
        return _refusal(403, "login_required", _("Please sign in."))
    message = Message.objects.for_user(request.user).exclude(role=Role.SYSTEM).filter(pk=pk).first()
    return message or _not_found()


def _not_found() -> JsonResponse:
    return _refusal(404, "not_found", _("This message does not exist."))


def _refusal(status: int, code: str, message: str, more: dict[str, str] | None = None) -> JsonResponse:
    headers = {"Cache-Control": "no-store", **(more or {})}
    return JsonResponse({"error": {"code": code, "message": message}}, status=status, headers=headers)
