"""A crew that waited in a queue: put together again from its row, in the process that does its work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.utils.module_loading import import_string

from converse_stream.agents.agent import Agent
from converse_stream.agents.progress import Done, Progress
from converse_stream.agents.running import CrewGeneration, Turn
from converse_stream.agents.task import Task
from converse_stream.generation import Generation
from converse_stream.models import Message
from converse_stream.models.opening import live


def restore(
    message: Message, request: Mapping[str, Any], plain: Callable[[Message, Mapping[str, Any]], Generation]
) -> CrewGeneration:
    """Return a crew's generation; `plain` makes those of its turns. Raise what is wrong with the settings here."""
    done = Message.objects.in_bulk(request["done"])
    by_id = {str(pk): Done(turn) for pk, turn in done.items()}
    return CrewGeneration(
        message,
        turns=[_turn(index, described, plain) for index, described in enumerate(request["turns"])],
        request=request["request"],
        progress=Progress([by_id[pk] for pk in request["done"]], request["said"]),
    )


def _turn(index: int, described: Mapping[str, Any], plain: Callable[[Message, Mapping[str, Any]], Generation]) -> Turn:
    task = dict(described["task"])
    callback = import_string(task["callback"]) if task["callback"] else None
    generation = plain(live(provider="", model="", metadata={}), described["generation"])
    first = generation.providers[0]
    generation.message.provider, generation.message.model = first.name, first.model
    return Turn(index, Task(**{**task, "callback": callback}), Agent(**described["agent"]), generation)
