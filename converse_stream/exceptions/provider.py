"""What providers do wrong, in one vocabulary for all of them."""

from django.utils.translation import gettext_lazy as _

from converse_stream.exceptions.base import GenerationError


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
