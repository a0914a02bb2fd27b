"""Every error of the package: one tree, each leaf with a code and a sentence fit for the public.

ConverseError
├── InvalidContent           invalid
│   └── ContentTooLong       too_large
├── ReservedMetadata         reserved_metadata
├── MalformedCursor          bad_cursor
├── UnknownDialect           bad_dialect
├── UnknownModel             unknown_model
├── ConversationBusy         busy
├── NothingToAnswer          nothing_to_answer
├── NotStarted               not_started
├── StreamClosed             closed
└── GenerationError          ends an answer as failed
    ├── ProviderError        from the provider
    │   ├── AuthenticationFailed auth      PermissionDenied permission   QuotaExceeded quota
    │   ├── RateLimited rate_limit         Overloaded overloaded         BadRequest bad_request
    │   ├── ContextTooLong context_length  ContentFiltered content_filter
    │   ├── ModelNotFound not_found        ProviderTimeout timeout       ConnectionFailed connection
    │   └── Truncated truncated            ProtocolError protocol        ServerError server
    └── ours: WorkerLost worker_lost, Shutdown shutdown, StoreUnavailable store_unavailable,
              OutputLimit output_limit, InternalError internal
"""

from typing import ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class ConverseError(Exception):
    """The base of every error raised here. Its text is for developers and staff, `public` for everybody."""

    code: ClassVar[str] = "error"
    public: ClassVar[str | Promise] = _("Something went wrong.")


class InvalidContent(ConverseError, ValueError):
    """The content of a message cannot be accepted as it is."""

    code = "invalid"
    public = _("This message cannot be sent as it is.")


class ContentTooLong(InvalidContent):
    """The content has more characters than `MAX_PROMPT_CHARS`."""

    code = "too_large"
    public = _("This message is too long.")


class ReservedMetadata(ConverseError, ValueError):
    """A metadata key that the package writes itself was given by the caller."""

    code = "reserved_metadata"
    public = _("This message cannot be sent as it is.")


class MalformedCursor(ConverseError, ValueError):
    """A cursor is neither a position nor `<message id>.<position>` of the message followed."""

    code = "bad_cursor"
    public = _("The position to continue from is not valid.")


class UnknownDialect(ConverseError, LookupError):
    """No wire format has the name given."""

    code = "bad_dialect"
    public = _("This stream format is not available.")


class UnknownModel(ConverseError, LookupError):
    """No provider answers to the model named, or it is not set up."""

    code = "unknown_model"
    public = _("This model is not available.")


class ConversationBusy(ConverseError):
    """The conversation has a live answer: wait for it, stop it, or ask with `interrupt=True`."""

    code = "busy"
    public = _("An answer is still being written in this conversation.")


class NothingToAnswer(ConverseError):
    """No prompt was given and the conversation does not end with a user message."""

    code = "nothing_to_answer"
    public = _("There is no question to answer.")


class NotStarted(ConverseError):
    """The answer starts when the surrounding transaction commits, so waiting for it inside never ends."""

    code = "not_started"
    public = _("The answer has not started yet.")


class StreamClosed(ConverseError):
    """The message has ended (completed, failed, stopped or taken away): nothing more can be written to it."""

    code = "closed"
    public = _("The answer has ended.")


class GenerationError(ConverseError):
    """What ends an answer as `failed`."""

    retryable: ClassVar[bool] = True


class ProviderError(GenerationError):
    """What a provider, or the way to it, did wrong."""

    def __init__(
        self,
        message: str = "",
        *,
        status: int | None = None,
        retry_after: float | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message or str(self.__doc__))
        self.status = status
        self.retry_after = retry_after
        self.request_id = request_id


class AuthenticationFailed(ProviderError):
    """The provider does not accept the API key."""

    code = "auth"
    public = _("The assistant is not set up correctly. Please tell the site's staff.")
    retryable = False


class PermissionDenied(ProviderError):
    """The API key may not use this model or feature."""

    code = "permission"
    public = _("The assistant is not allowed to use this model.")
    retryable = False


class QuotaExceeded(ProviderError):
    """The account has no credit or quota left."""

    code = "quota"
    public = _("The assistant has used up its quota. Please tell the site's staff.")
    retryable = False


class RateLimited(ProviderError):
    """The provider asks for fewer requests."""

    code = "rate_limit"
    public = _("The assistant is receiving too many requests. Please try again in a moment.")


class Overloaded(ProviderError):
    """The provider has no capacity at the moment."""

    code = "overloaded"
    public = _("The assistant is overloaded. Please try again in a moment.")


class BadRequest(ProviderError):
    """The provider refused the request as malformed or unsupported."""

    code = "bad_request"
    public = _("The assistant could not process this request.")
    retryable = False


class ContextTooLong(ProviderError):
    """The prompt is longer than the model's context."""

    code = "context_length"
    public = _("This conversation has become too long for the model.")
    retryable = False


class ContentFiltered(ProviderError):
    """The provider's content filter refused the request."""

    code = "content_filter"
    public = _("The answer was blocked by a content filter.")
    retryable = False


class ModelNotFound(ProviderError):
    """The provider does not know the model."""

    code = "not_found"
    public = _("This model is not available.")
    retryable = False


class ProviderTimeout(ProviderError):
    """The provider was silent for longer than a deadline allows."""

    code = "timeout"
    public = _("The assistant took too long to answer.")


class ConnectionFailed(ProviderError):
    """The connection to the provider could not be made, or broke."""

    code = "connection"
    public = _("The connection to the assistant was lost.")


class Truncated(ProviderError):
    """The provider's answer stopped without its proper ending."""

    code = "truncated"
    public = _("The answer was cut off.")


class ProtocolError(ProviderError):
    """The provider sent something that is not its own format."""

    code = "protocol"
    public = _("The assistant sent an answer that could not be read.")


class ServerError(ProviderError):
    """The provider reports an error of its own."""

    code = "server"
    public = _("The assistant had an internal problem.")


class WorkerLost(GenerationError):
    """The process that wrote the answer is gone."""

    code = "worker_lost"
    public = _("The answer was interrupted.")


class Shutdown(GenerationError):
    """The process that wrote the answer was shut down."""

    code = "shutdown"
    public = _("The answer was interrupted by a restart.")


class StoreUnavailable(GenerationError):
    """The database could not be written to for too long."""

    code = "store_unavailable"
    public = _("The answer could not be stored.")


class OutputLimit(GenerationError):
    """The answer grew longer than `MAX_OUTPUT_CHARS`."""

    code = "output_limit"
    public = _("The answer grew too long and was ended.")
    retryable = False


class InternalError(GenerationError):
    """An error nobody planned for, in a source, a hook or this package; its traceback is in the log."""

    code = "internal"
    public = _("The answer failed because of an internal problem.")


def _leaves(base: type[GenerationError]) -> list[type[GenerationError]]:
    return [leaf for child in base.__subclasses__() for leaf in ([child, *_leaves(child)])]


BY_CODE: dict[str, type[GenerationError]] = {
    leaf.code: leaf for leaf in _leaves(GenerationError) if "code" in vars(leaf)
}
"""The class for each code a failed message can have."""
