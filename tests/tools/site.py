"""Tools of a site, where a module is where other processes find them."""

from converse_stream.tools import ToolContext, ToolError, tool


@tool
def weather(city: str, days: int = 1) -> dict[str, object]:
    """Tell the weather of a city."""
    if city == "Atlantis":
        raise ToolError("There is no such city.")
    return {"city": city, "celsius": -3, "days": days}


@tool
async def whose(context: ToolContext) -> str:
    """Tell whose conversation this is."""
    return str(context.message.conversation.owner)


def plain(text: str) -> str:
    """Say it again."""
    return text


NOT_A_TOOL = 3
