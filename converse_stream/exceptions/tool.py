"""What a model is told of a tool that gave no result: the result of its call, in place of one."""

from django.utils.translation import gettext_lazy as _

from converse_stream.exceptions.base import ConverseError


class ToolError(ConverseError):
    """Raise it in a tool: the model, and whoever follows the answer, reads its text. No other error's text is told."""

    code = "tool_failed"
    public = _("The tool failed.")


class UnknownTool(ToolError):
    """The model called a tool that it was never told of."""

    code = "unknown_tool"


class BadArguments(ToolError):
    """The model's arguments are no JSON, or do not fit the tool's parameters."""

    code = "bad_arguments"


class ToolRefused(ToolError):
    """The tool's `approve` did not let it run."""

    code = "refused"


class ToolTimeout(ToolError):
    """The tool took longer than its timeout."""

    code = "tool_timeout"


class StepLimit(ToolError):
    """The answer has taken `MAX_STEPS` steps: the tool has not run."""

    code = "step_limit"
