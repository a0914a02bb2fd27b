"""A site whose view says the same to the database as an answer does until its first word, and then passes bytes on.

What is said is overheard once, of a real answer, and said again for every question, with ids of its own.
"""

import re
import threading
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async
from django.core.asgi import get_asgi_application
from django.db import connection, transaction
from django.db.backends.signals import connection_created
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

application = get_asgi_application()

from benchmarks.answer import QUESTION  # noqa: E402 - models can be imported only now
from benchmarks.bare import asked  # noqa: E402 - as above
from converse_stream.models import Conversation  # noqa: E402 - as above

ID = re.compile(r"\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b")


class Statement(NamedTuple):
    block: tuple[str, bool]
    """Who said it, and whether in a transaction."""
    sql: str
    params: Any


said: list[Statement] = []


@contextmanager
def overhearing() -> Iterator[None]:
    connections: list[Any] = []

    def listen(connection: Any, **_: Any) -> None:
        connections.append(connection)
        connection.execute_wrappers.append(note)

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("BEGIN", "PRAGMA")):  # said by transaction.atomic(), and with a connection
            return execute(sql, params, many, context)
        block = threading.current_thread().name, context["connection"].in_atomic_block
        said.append(Statement(block, sql, params))
        return execute(sql, params, many, context)

    connection_created.connect(listen)
    try:
        yield
    finally:
        connection_created.disconnect(listen)
        for each in connections:
            each.execute_wrappers.remove(note)


async def overhear(model: str) -> None:
    with overhearing():
        conversation = await Conversation.objects.acreate()
        message = await conversation.aask(QUESTION, model=f"openai:{model}")
        events = message.afollow()
        async for event in events:
            if event.kind == "text":
                break
    await events.aclose()


def say_again() -> None:
    ids: dict[str, uuid.UUID] = defaultdict(uuid.uuid4)
    for (_, is_transaction), statements in groupby(said, key=lambda statement: statement.block):
        if is_transaction:
            with transaction.atomic():
                execute(statements, ids)
        else:
            execute(statements, ids)
    connection.close()


def execute(statements: Iterator[Statement], ids: dict[str, uuid.UUID]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement.sql, renewed(statement.params, ids))


def renewed(value: Any, ids: dict[str, uuid.UUID]) -> Any:
    """Return parameters with the ids that they hold changed for others, the same for the same."""
    match value:
        case uuid.UUID():
            return ids[value.hex]
        case str():
            return ID.sub(lambda found: _like(found[0], ids[found[0].replace("-", "")]), value)
        case list() | tuple():
            return type(value)(renewed(each, ids) for each in value)
    return value


def _like(old: str, new: uuid.UUID) -> str:
    return str(new) if "-" in old else new.hex


@csrf_exempt
async def chat(request: HttpRequest, model: str) -> StreamingHttpResponse:
    if not said:
        await overhear(model)
    await sync_to_async(say_again)()
    return StreamingHttpResponse(streamed(model), content_type="text/event-stream")


async def streamed(model: str) -> AsyncIterator[bytes]:
    async with asked(model) as reply:
        async for piece in reply.aiter_raw():
            yield piece


urlpatterns = [path("<str:model>", chat)]
