"""Who is compared: the limit, this package, and others, each as a server of its own on a store of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

from benchmarks import stores
from benchmarks.processes import ELSEWHERE, ROOT, SERVER, Process, listening, running
from benchmarks.stores import Store

BENCHMARKS = ROOT / "benchmarks"
STORES = {"": stores.none, "sqlite": stores.sqlite, "postgres": stores.postgres, "redis": stores.redis}
DATABASES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}


@dataclass(frozen=True)
class Contender:
    """A site that asks the provider and lets the caller follow."""

    title: str
    site: str
    """A module with an ASGI application, or a program for Node."""
    store: str = ""
    needs: str = ""
    """A Django app, or a package for Node, that make bench installs."""
    ending: bytes = b""
    """What its stream says at its end, if it does not end the connection."""
    environment: dict[str, str] = field(default_factory=dict)
    is_profiled: bool = False

    @property
    def lacks(self) -> str:
        """Why it cannot run here, if so."""
        is_there = (
            (BENCHMARKS / "node_modules" / self.needs).is_dir() if self.runs_on_node else find_spec(self.needs or "os")
        )
        return stores.lacks(self.store) or ("" if is_there else f"{self.needs} is not installed")

    @property
    def runs_on_node(self) -> bool:
        return self.site.endswith(".mjs")


_SAVE, _KEEP_LOG = "benchmarks.peers.save_per_chunk", {"SQLITE_CHECKPOINT": "0"}
CONTENDERS = {
    "bare": Contender("limit: bytes passed through, nothing kept", "benchmarks.bare"),
    "sqlite": Contender("converse_stream, SQLite", "benchmarks.durable", "sqlite"),
    "postgres": Contender("converse_stream, PostgreSQL", "benchmarks.durable", "postgres"),
    "fanout": Contender("bare fan-out, nothing kept", "benchmarks.fanout"),
    "said-sqlite": Contender("a view that runs the same statements, SQLite", "benchmarks.statements", "sqlite"),
    "said-postgres": Contender("a view that runs the same statements, PostgreSQL", "benchmarks.statements", "postgres"),
    "save-sqlite": Contender("save per chunk, SQLite", _SAVE, "sqlite"),
    "save-postgres": Contender("save per chunk, PostgreSQL", _SAVE, "postgres"),
    "eventstream": Contender(
        "django-eventstream, SQLite",
        "benchmarks.peers.eventstream",
        "sqlite",
        needs="django_eventstream",
        ending=b'{"done": true}',
    ),
    "dj-llm": Contender("dj-llm, SQLite", "benchmarks.peers.dj_llm", "sqlite", needs="django_llm"),
    "ai": Contender("ai with resumable-stream, Redis", "resumable.mjs", "redis", needs="resumable-stream"),
    "logged-sqlite": Contender("converse_stream, SQLite", "benchmarks.durable", "sqlite", environment=_KEEP_LOG),
    "logged-save-sqlite": Contender("save per chunk, SQLite", _SAVE, "sqlite", environment=_KEEP_LOG),
}


CONTENDERS |= {f"profiled-{name}": replace(CONTENDERS[name], is_profiled=True) for name in DATABASES}


class Server:
    """A contender that runs."""

    def __init__(self, contender: Contender, process: Process, store: Store) -> None:
        self.contender = contender
        self.port = process.port
        self.store = store
        self._process = process

    @property
    def cpu(self) -> float:
        """Seconds of CPU used so far by the site and by its store."""
        return self._process.cpu + self.store.cpu


class Servers:
    """Start contenders when they are first asked for; all run until the end."""

    def __init__(self, folder: Path, upstream: Process, stack: ExitStack) -> None:
        self._folder = folder
        self._upstream = upstream
        self._stack = stack
        self._running: dict[str, Server] = {}

    def __getitem__(self, name: str) -> Server:
        if name not in self._running:
            folder = self._folder / name
            folder.mkdir()
            self._running[name] = self._stack.enter_context(serving(CONTENDERS[name], folder, self._upstream))
        return self._running[name]


@contextmanager
def serving(contender: Contender, folder: Path, upstream: Process) -> Iterator[Server]:
    with STORES[contender.store](folder) as store:
        environment = {
            "UPSTREAM": f"http://127.0.0.1:{upstream.port}",
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "SITE": contender.site,
            "DATABASE_URL": store.url,
            "REDIS_URL": store.url,
            "MORE_APPS": "" if contender.runs_on_node else contender.needs,
            **contender.environment,
        }
        if contender.store in DATABASES:
            migrate(environment)
        with listening(*command_of(contender), cores={SERVER}, environment=environment) as process:
            yield Server(contender, process, store)


def migrate(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "django", "migrate", "--run-syncdb", "--skip-checks", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=True)


def command_of(contender: Contender) -> list[str]:
    if contender.is_profiled:
        return [sys.executable, "-m", "benchmarks.profiled", "--serve", "{port}"]
    if contender.runs_on_node:
        return ["node", str(BENCHMARKS / "peers" / contender.site), "{port}"]
    options = ["--port", "{port}", "--log-level", "warning", "--no-access-log"]
    return [sys.executable, "-m", "uvicorn", f"{contender.site}:application", *options]


def go_first() -> None:
    """Let all that is measured run before whatever else the machine does, if we may.

    A provider that has to wait sends several deltas at once, and they cost the limit as much as one.
    """
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


@contextmanager
def all_servers(folder: Path) -> Iterator[Servers]:
    os.sched_setaffinity(0, ELSEWHERE)
    go_first()
    with ExitStack() as stack:
        upstream = stack.enter_context(running("benchmarks.upstream", "{port}", cores=ELSEWHERE))
        yield Servers(folder, upstream, stack)
