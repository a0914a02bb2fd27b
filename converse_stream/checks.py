"""System checks: an error for what cannot run (it stops every command), a warning for what will surprise somebody."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router
from django.utils.module_loading import import_string

from converse_stream import registry
from converse_stream.conf import DEFAULTS, django_setting, settings
from converse_stream.dialects import Dialect
from converse_stream.exceptions import UnknownModel
from converse_stream.models import Message
from converse_stream.runners import BUILT_IN


def _not_negative(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _positive(value: object) -> bool:
    return _not_negative(value) and value != 0


def _positive_int(value: object) -> bool:
    return isinstance(value, int) and _positive(value)


def _limit(value: object) -> bool:
    return value is None or _positive_int(value)


def _count(value: object) -> bool:
    return isinstance(value, int) and _not_negative(value)


def _names(value: object) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and all(isinstance(name, str) for name in value)


def _origins(value: object) -> bool:
    # No "*": these origins may use the visitor's session.
    origin = r"https?://[A-Za-z0-9.-]+(:[0-9]+)?|https?://\[[0-9A-Fa-f:.]+\](:[0-9]+)?"
    return isinstance(value, list | tuple) and all(isinstance(one, str) and re.fullmatch(origin, one) for one in value)


def _paths(value: object) -> bool:
    return isinstance(value, Mapping) and _names([*value, *value.values()])


def _group(value: object) -> bool:
    # What Channels takes as the beginning of a group name, with room for a uuid behind it.
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,50}", value) is not None


def _cache(value: object) -> bool:
    return value is None or (isinstance(value, str) and value in django_setting("CACHES", {}))


EXPECTED: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "DEFAULT_OPTIONS": (lambda value: isinstance(value, Mapping), "a dict"),
    "PROVIDERS": (lambda value: isinstance(value, Mapping), "a dict"),
    "DIALECTS": (_paths, "a dict of dotted paths by name"),
    "RETRIES": (_count, "a whole number, 0 or more"),
    "FLUSH_INTERVAL": (_positive, "a positive number of seconds"),
    "POLL_INTERVAL": (_positive, "a positive number of seconds"),
    "LEASE": (_positive, "a positive number of seconds"),
    "SSE_RETRY": (_positive_int, "a positive whole number of milliseconds"),
    "SSE_HEARTBEAT": (_positive, "a positive number of seconds"),
    "SSE_MAX_SECONDS": (_positive, "a positive number of seconds"),
    "MAX_PROMPT_CHARS": (_positive_int, "a positive whole number"),
    "MAX_OUTPUT_CHARS": (_positive_int, "a positive whole number"),
    "MAX_LIVE_ANSWERS_PER_USER": (_limit, "None or a positive whole number"),
    "MAX_VIEWERS_PER_USER": (_limit, "None or a positive whole number"),
    "WHEN_BUSY": (lambda value: value in ("refuse", "interrupt"), "'refuse' or 'interrupt'"),
    "CLIENT_MODELS": (lambda value: value is None or _names(value), "None or a list of names"),
    "CLIENT_OPTIONS": (_names, "a list of names"),
    "ALLOWED_ORIGINS": (_origins, "a list of origins, such as 'https://chat.example.com', and never '*'"),
    "TICKET_SECONDS": (_positive, "a positive number of seconds"),
    "CHUNK_RETENTION": (_not_negative, "a number of seconds, 0 or more"),
    "PUBLIC_METADATA": (_names, "a list of names"),
    "CACHE": (_cache, "None or an alias in CACHES"),
    "GROUP_PREFIX": (_group, "at most 50 ASCII letters, digits, dots, hyphens and underscores"),
}
"""What a value must be, and how that is said. A setting that is not here has a check of its own, or takes anything."""


@register("converse_stream")
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Look at `CONVERSE_STREAM` itself, and only if it can be read at what it says."""
    given = django_setting("CONVERSE_STREAM", {})
    if not isinstance(given, Mapping):
        return [Error("CONVERSE_STREAM must be a dict.", id="converse_stream.E001")]
    wrong = list(_wrong_values(given))
    # What dialects and providers are made of must be right before they can be looked at.
    known = [] if wrong else [*_dialects(), *_providers()]
    return [*wrong, *_unknown_keys(given), *_runner(), *_broker(), *known]


def _unknown_keys(given: Mapping[str, Any]) -> Iterator[CheckMessage]:
    for key in given:
        if key not in DEFAULTS:
            close = get_close_matches(str(key).upper(), DEFAULTS, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"Known are {', '.join(DEFAULTS)}."
            yield Warning(f"CONVERSE_STREAM has no setting {key!r}.", hint=hint, id="converse_stream.W001")


def _wrong_values(given: Mapping[str, Any]) -> Iterator[CheckMessage]:
    for key, (is_right, expected) in EXPECTED.items():
        if key in given and not is_right(given[key]):
            yield Error(f"CONVERSE_STREAM[{key!r}] must be {expected}.", id="converse_stream.E003")


def _runner() -> Iterator[CheckMessage]:
    yield from _path("RUNNER", tuple(BUILT_IN), "Runner")


def _broker() -> Iterator[CheckMessage]:
    yield from _path("BROKER", ("local",), "Broker")


def _path(key: str, names: tuple[str, ...], kind: str) -> Iterator[CheckMessage]:
    value = getattr(settings, key)
    if value in names or _is_reachable(value):
        return
    said = {"msg": f"{key} is {value!r}.", "hint": f"Expected {', '.join(names)} or the dotted path of a {kind}."}
    if isinstance(value, str) and "." in value:
        # It may be there where the answers are generated, if not here.
        yield Warning(**said, id="converse_stream.W002")
    else:
        yield Error(**said, id="converse_stream.E002")


def _dialects() -> Iterator[CheckMessage]:
    for name, path in settings.DIALECTS.items():
        kind = import_string(path) if _is_reachable(path) else None
        if not (isinstance(kind, type) and issubclass(kind, Dialect)):
            said = f"DIALECTS[{name!r}] is {path!r}."
            yield Warning(said, hint="Expected the dotted path of a Dialect.", id="converse_stream.W002")


def _providers() -> Iterator[CheckMessage]:
    said = set()
    for model in (*settings.PROVIDERS, settings.DEFAULT_MODEL):
        try:
            registry.chain(model)
        except (ImproperlyConfigured, UnknownModel) as error:
            said.add(str(error))
    yield from (Warning(message, id="converse_stream.W002") for message in sorted(said))


def _is_reachable(path: object) -> bool:
    if not isinstance(path, str):
        return False
    try:
        import_string(path)
    except ImportError:
        return False
    return True


@register("converse_stream")
def check_surroundings(**kwargs: Any) -> list[CheckMessage]:
    """Look at what runs beside the package: the database, other processes, the kind of server."""
    if not isinstance(django_setting("CONVERSE_STREAM", {}), Mapping):
        return []
    return [*_sqlite(), *_local_broker(), *_lasting_connections(), *_monkeypatching()]


def _sqlite() -> Iterator[CheckMessage]:
    alias = router.db_for_write(Message)
    database = connections.settings[alias]
    if not database["ENGINE"].endswith("sqlite3"):
        return
    if _is_in_memory(str(database["NAME"])):
        if settings.RUNNER == "thread":
            hint = "Use a file (in tests: DATABASES['default']['TEST']['NAME']), or the inline runner."
            message = "In-memory SQLite locks up with the threads that write and follow answers."
            yield Warning(message, hint=hint, id="converse_stream.W006")
        return
    options = database.get("OPTIONS", {})
    is_wal = re.search(r"journal_mode\s*=\s*[\"']?wal", str(options.get("init_command", "")), re.IGNORECASE)
    is_immediate = str(options.get("transaction_mode", "")).upper() in ("IMMEDIATE", "EXCLUSIVE")
    if not (is_wal and is_immediate):
        hint = (
            f"Set DATABASES[{alias!r}]['OPTIONS'] to {{'transaction_mode': 'IMMEDIATE', 'timeout': 20, "
            "'init_command': 'PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;'}."
        )
        message = "SQLite without WAL and IMMEDIATE transactions answers 'database is locked' under load."
        yield Warning(message, hint=hint, id="converse_stream.W003")


def _is_in_memory(name: str) -> bool:
    return name == ":memory:" or "mode=memory" in name


def _local_broker() -> Iterator[CheckMessage]:
    """Warn where several processes are certain enough: asked for by number, or a layer that only they need."""
    if settings.BROKER != "local":
        return
    layers = django_setting("CHANNEL_LAYERS", {}) or {}
    shared = any("redis" in str(layer.get("BACKEND", "")).lower() for layer in layers.values())
    processes = os.environ.get("WEB_CONCURRENCY", "")
    if shared or (processes.isdigit() and int(processes) > 1):
        yield Warning(
            "The local broker tells other processes nothing, and there seem to be several.",
            hint=f"It costs latency only: answers written elsewhere are seen every {settings.POLL_INTERVAL} s "
            "(POLL_INTERVAL). Set BROKER to hear of them at once.",
            id="converse_stream.W004",
        )


def _lasting_connections() -> Iterator[CheckMessage]:
    if not django_setting("ASGI_APPLICATION"):
        return
    for alias in connections.settings:
        if connections.settings[alias].get("CONN_MAX_AGE", 0) != 0:
            yield Warning(
                f"CONN_MAX_AGE of the database {alias!r} leaves connections open that nobody uses again: "
                "under ASGI every request has a thread of its own.",
                hint="Set CONN_MAX_AGE to 0, or use the connection pool of psycopg.",
                id="converse_stream.W005",
            )


def _monkeypatching() -> Iterator[CheckMessage]:
    if settings.RUNNER != "thread":
        return
    for package, module, question in (
        ("gevent", "gevent.monkey", "is_module_patched"),
        ("eventlet", "eventlet.patcher", "is_monkey_patched"),
    ):
        loaded = sys.modules.get(module)
        if loaded is not None and getattr(loaded, question)("thread"):
            yield Warning(
                f"{package} has replaced threads by greenlets; the event loops of the package need real ones.",
                hint="Serve with threads or ASGI, or move generations to workers with RUNNER.",
                id="converse_stream.W007",
            )
