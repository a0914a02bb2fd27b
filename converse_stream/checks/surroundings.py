"""System checks of what runs beside the package: the database, other processes, the kind of server."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import connections, router

from converse_stream.checks.given import given
from converse_stream.conf import django_setting
from converse_stream.models import Message


@register("converse_stream")
def check_surroundings(**kwargs: Any) -> list[CheckMessage]:
    """Look at the database, other processes, and the kind of server."""
    return [*_sqlite(), *_local_broker(), *_lasting_connections(), *_monkeypatching()]


@register("converse_stream", Tags.security, deploy=True)
def check_deployment(**kwargs: Any) -> list[CheckMessage]:
    """Look at what keeps other sites' pages out."""
    return [*_every_host()]


def _every_host() -> Iterator[CheckMessage]:
    if "*" in django_setting("ALLOWED_HOSTS", ()) and find_spec("channels") is not None:
        yield Warning(
            "ALLOWED_HOSTS has '*', so the pages of every site may open WebSockets with their visitors' sessions.",
            hint="Name the hosts that your own pages come from.",
            id="converse_stream.W008",
        )


def _sqlite() -> Iterator[CheckMessage]:
    alias = router.db_for_write(Message)
    database = connections.settings[alias]
    if not database["ENGINE"].endswith("sqlite3"):
        return
    if _is_in_memory(str(database["NAME"])):
        if given("RUNNER") == "thread":
            hint = "Use a file (in tests: DATABASES['default']['TEST']['NAME']), or the inline runner."
            message = "In-memory SQLite locks up with the threads that write and follow answers."
            yield Warning(message, hint=hint, id="converse_stream.W006")
        return
    options = database.get("OPTIONS") or {}
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
    if given("BROKER") != "local":
        return
    processes = os.environ.get("WEB_CONCURRENCY", "")
    if _has_redis() or re.fullmatch(r"0*([2-9]|[1-9][0-9]+)", processes):
        yield Warning(
            "The local broker tells other processes nothing, and there seem to be several.",
            hint=f"It costs latency only: answers written elsewhere are seen every {given('POLL_INTERVAL')} s "
            "(POLL_INTERVAL). Set BROKER to hear of them at once.",
            id="converse_stream.W004",
        )


def _has_redis() -> bool:
    layers = django_setting("CHANNEL_LAYERS")
    backends = [layer.get("BACKEND") for layer in layers.values() if isinstance(layer, Mapping)] if layers else []
    return any("redis" in str(backend).lower() for backend in backends)


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
    if given("RUNNER") != "thread":
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
