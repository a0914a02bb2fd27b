"""Tools: functions of a site that a model may have called while it answers."""

from converse_stream.exceptions import ToolError
from converse_stream.tools.tool import Tool, ToolContext, tool
from converse_stream.tools.toolbox import Toolbox, Tools, find

__all__ = ["Tool", "ToolContext", "ToolError", "Toolbox", "Tools", "find", "tool"]
