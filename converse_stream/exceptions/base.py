"""What callers are told: errors of asking, following and writing."""

from typing import Any, ClassVar

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


class InvalidOptions(ConverseError, ValueError):
    """An option that nobody knows, that the provider does not take, or that has the wrong kind of value."""

    code = "invalid_options"
    public = _("These options are not available for this model.")


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

    def __init__(self, text: str = "", *, live_message: Any = None) -> None:
        super().__init__(text)
        self.live_message = live_message
        """The id of the live answer."""


class IdempotencyMismatch(ConverseError):
    """A client key came again with another question."""

    code = "idempotency_mismatch"
    public = _("This key was used before for something else.")


class TooManyRequests(ConverseError):
    """As much is under way at once as the site allows, for one user or for all."""

    code = "too_many"
    retry_after = 5
    """Seconds after which it makes sense to try again."""


class TooManyAnswers(TooManyRequests):
    """The user has `MAX_LIVE_ANSWERS_PER_USER` answers under way."""

    code = "too_many_answers"
    public = _("Too many answers are being written for you at once.")


class SiteFull(TooManyRequests):
    """The site has `MAX_LIVE_ANSWERS` answers under way, whoever asked for them."""

    code = "site_full"
    public = _("Too many answers are being written at the moment. Please try again shortly.")


class TooManyViewers(TooManyRequests):
    """The user follows as many streams of this process as `MAX_VIEWERS_PER_USER` allows."""

    code = "too_many_viewers"
    public = _("Too many answers are being followed at once.")


class NothingToAnswer(ConverseError):
    """No prompt was given and the conversation does not end with a user message."""

    code = "nothing_to_answer"
    public = _("There is no question to answer.")


class NotStarted(ConverseError):
    """The answer starts when the surrounding transaction commits, so waiting for it inside never ends."""

    code = "not_started"
    public = _("The answer has not started yet.")


class DatabaseHeld(ConverseError):
    """A transaction keeps what is waited for from being written: on SQLite the caller's, else another thread's."""

    code = "held"
    public = _("Something went wrong.")


class StreamClosed(ConverseError):
    """The message has ended (completed, failed, stopped or taken away): nothing more can be written to it."""

    code = "closed"
    public = _("The answer has ended.")


class AnswerStopped(ConverseError):
    """The answer whose text was waited for has been stopped; the text so far is on its message."""

    code = "stopped"
    public = _("The answer was stopped.")


class GenerationError(ConverseError):
    """What ends an answer as `failed`."""

    retryable: bool = True
