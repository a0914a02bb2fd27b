"""Running: the tools that a model has called in one step, at once, each with a result in the record.

The calls are committed before this begins, and each result is committed as soon as there is one: whatever ends
the answer, nobody forgets what has been done.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeAlias

from asgiref.sync import sync_to_async
from django.db import connections

from converse_stream.cleaning import clean_json
from converse_stream.conf import settings
from converse_stream.events import Finish, ToolCall, ToolResult, dumps
from converse_stream.exceptions import StepLimit, ToolError, ToolRefused, ToolTimeout, UnknownTool
from converse_stream.tools import Tool, Toolbox, ToolContext
from converse_stream.typed import jsonable
from converse_stream.writer import PrismStream

logger = logging.getLogger("converse_stream")

_AT_ONCE = 16
"""Tools of one answer that run at the same time: a model that calls a thousand gets no thousand threads."""
_PATIENCE = 1.0
"""Seconds for the tools of a stopped answer to clean up."""
Caller: TypeAlias = Callable[[Callable[[], Any]], Awaitable[Any]]
"""How a sync function is called."""


async def answer_calls(calls: Sequence[ToolCall], tools: Toolbox, stream: PrismStream, caller: Caller) -> None:
    """Run the tools called, all at once, and write down their results in the order in which they come."""
    room = asyncio.Semaphore(_AT_ONCE)
    tasks = [asyncio.create_task(_answer(call, tools, stream, caller, room)) for call in calls]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_PATIENCE)


async def refuse_calls(calls: Sequence[ToolCall], stream: PrismStream) -> None:
    """Let none of them run, as nobody will tell the model of their results in this answer."""
    for call in calls:
        error = StepLimit("The answer has taken as many steps as it may; the tool has not run.")
        await stream.awrite(_failed(call, error))
    stream.learn(Finish("tool_calls"))


async def in_thread(function: Callable[[], Any]) -> Any:
    """Call a function in a thread of its own, which no pool waits for: it may be given up, and then runs to its end."""
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()  # who waits may give up, the function goes on
    threading.Thread(target=_settle, args=(future, function), name="converse-tool", daemon=True).start()
    return await asyncio.wrap_future(future)


async def in_caller(function: Callable[[], Any]) -> Any:
    """Call a function in the thread that asked, and in its transaction."""
    return await sync_to_async(function)()


def _settle(future: Future[Any], function: Callable[[], Any]) -> None:
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001 - whoever waits gets it
        future.set_exception(error)
    else:
        future.set_result(result)
    finally:
        connections.close_all()


async def _answer(call: ToolCall, tools: Toolbox, stream: PrismStream, caller: Caller, room: asyncio.Semaphore) -> None:
    context = ToolContext(stream.message, call)
    try:
        tool = _found(call, tools)
        arguments = tool.arguments(context)
        await _approved(tool, context, caller)
        async with room:
            result = ToolResult(call.id, call.name, await _returned(tool, arguments, caller))
    except ToolError as error:
        result = _failed(call, error)
    except (Exception, SystemExit, asyncio.CancelledError) as error:
        # The one place where a tool's crash ends: its text may hold anything, and viewers see results.
        if isinstance(error, asyncio.CancelledError) and _is_cancelled():
            raise
        logger.exception("message %s: the tool %s failed", stream.message.pk, call.name)
        result = _failed(call, ToolError(f"The tool failed: {type(error).__name__}."))
    await stream.awrite(result)


def _is_cancelled() -> bool:
    """Tell whether it is the answer that was cancelled, and not something inside of a tool."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _found(call: ToolCall, tools: Toolbox) -> Tool:
    if call.name not in tools:
        raise UnknownTool(f"There is no tool {call.name!r:.80}. There are: {tools.known}.")
    return tools[call.name]


async def _returned(tool: Tool, arguments: Mapping[str, Any], caller: Caller) -> Any:
    """Return what a tool returns, as JSON and not too long. Raise ToolTimeout."""
    seconds = settings.TOOL_TIMEOUT if tool.timeout is None else tool.timeout
    try:
        async with asyncio.timeout(seconds) as limit:
            value = await _called(partial(tool.function, **arguments), tool.is_async, caller)
    except TimeoutError:
        if not limit.expired():
            raise  # the tool's own
        raise ToolTimeout(f"The tool took longer than {seconds:g} s.") from None
    return _bounded(_json(value))


async def _approved(tool: Tool, context: ToolContext, caller: Caller) -> None:
    if tool.approve is None:
        return
    said = await _called(partial(tool.approve, context), inspect.iscoroutinefunction(tool.approve), caller)
    if said is not True:
        raise ToolRefused(said if said and isinstance(said, str) else "The call was refused.")


async def _called(function: Callable[[], Any], is_async: bool, caller: Caller) -> Any:
    if is_async:
        return await function()
    value = await caller(function)
    return await value if asyncio.iscoroutine(value) else value


def _json(value: Any) -> Any:
    try:
        return clean_json(value)
    except TypeError:
        return clean_json(jsonable(value))


def _bounded(value: Any) -> Any:
    """Return a result, or the beginning of one that is too long for a prompt, with a word on that."""
    limit = settings.MAX_TOOL_RESULT_CHARS
    text = value if isinstance(value, str) else dumps(value)
    if len(text) <= limit:
        return value
    return f"{text[:limit]}\n(These are the first {limit} of {len(text)} characters.)"


def _failed(call: ToolCall, error: ToolError) -> ToolResult:
    told = {"error": error.code, "message": _bounded(clean_json(str(error)))}
    return ToolResult(call.id, call.name, told, is_error=True)
