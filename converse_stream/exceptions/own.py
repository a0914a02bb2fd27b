"""What ends an answer on our side."""

from django.utils.translation import gettext_lazy as _

from converse_stream.exceptions.base import GenerationError


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


class InvalidOutput(GenerationError):
    """The answer is not the object that was asked for with `schema=`, and was not at its second try either."""

    code = "invalid_output"
    public = _("The answer did not have the form that was asked for.")


class InternalError(GenerationError):
    """An error nobody planned for, in a source, a hook or this package; its traceback is in the log."""

    code = "internal"
    public = _("The answer failed because of an internal problem.")
