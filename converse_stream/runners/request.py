"""A generation as JSON, and back: what another process needs to write the same answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, fields
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from converse_stream.exceptions import UnknownModel
from converse_stream.generation import Generation
from converse_stream.models import Message
from converse_stream.providers.base import Provider
from converse_stream.registry import provider
from converse_stream.schemas import Schema
from converse_stream.tools import Toolbox
from converse_stream.windows import Window

_DESCRIBED = frozenset({"message", "providers", "tools", "system", "schema", "window", "cache"})


def describe(generation: Generation) -> dict[str, Any] | None:
    """Return what is needed, or None for a generation that only this process can run, such as one with a source.

    Raise InvalidOptions for a tool that other processes cannot find.
    """
    return generation.described(_describe)


def _describe(generation: Generation) -> dict[str, Any] | None:
    if not generation.providers or _has_more(generation) or not all(map(_is_known, generation.providers)):
        return None
    request = {
        "providers": [[each.label, dict(each.options)] for each in generation.providers],
        "tools": generation.tools.names(),
        "system": generation.system,
        "cache": generation.cache,
        "schema": generation.schema.json if generation.schema else None,
        "window": asdict(generation.window) if generation.window else None,
    }
    try:
        described: dict[str, Any] = json.loads(json.dumps(request))
    except (TypeError, ValueError):
        return None  # an option that only Python understands
    return described


def restore(message: Message) -> Generation:
    """Return the generation of a message that was described. Raise what is wrong with this process's settings."""
    request = message.request
    if "restored_by" in request:
        restored: Generation = import_string(request["restored_by"])(message, request, _restore)
        return restored
    return _restore(message, request)


def _restore(message: Message, request: Mapping[str, Any]) -> Generation:
    providers = [provider(label, **options) for label, options in request["providers"]]
    return Generation(
        message,
        providers,
        tools=_tools(request["tools"], providers),
        system=request["system"],
        cache=request.get("cache"),
        schema=Schema(request["schema"]) if request["schema"] else None,
        window=Window(**request["window"]) if request["window"] else None,
    )


def _tools(names: Sequence[str], providers: Sequence[Provider]) -> Toolbox:
    # What providers are told of: the tools that can be called, then those that the site runs itself.
    declared = providers[0].options.get("tools") or []
    return Toolbox([*names, *declared[len(names) :]])


def _is_known(given: Provider) -> bool:
    """Tell whether another process finds the same provider under its name."""
    try:
        found = provider(given.label, **given.options)
    except (UnknownModel, ImproperlyConfigured):
        return False
    return type(found) is type(given) and found.config == given.config


def _has_more(generation: Generation) -> bool:
    return any(
        getattr(generation, field.name) != (field.default if field.default is not MISSING else None)
        for field in fields(generation)
        if field.name not in _DESCRIBED
    )
