"""Two web processes behind nginx, two Celery workers, PostgreSQL, Redis and a provider: all private, on free ports."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.brokers.redis import Redis, own_redis
from tests.cluster.process import Process
from tests.faults.postgres import Postgres, own_postgres
from tests.proxies import nginx
from tests.servers import ROOT, free_port

WEB = "uvicorn --host 127.0.0.1 --port {port} --timeout-graceful-shutdown 5 example_project.asgi:application"
WORKER = "celery -A example_project worker --pool threads -c 100 --disable-prefetch -n {name}@%h -l info"
PREPARE = ("migrate -v 0", "create_demo_user", "load_wiki -v 0", "collectstatic -v 0 --noinput")
NGINX = "map $http_upgrade $connection_upgrade { default upgrade; '' ''; }"
LOCATION = """
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $connection_upgrade;
    proxy_set_header Host $http_host;
    proxy_buffering off;
    proxy_read_timeout 1h;
}}
location /static/ {{
    alias {static}/;
    types {{ text/css css; text/javascript js; image/svg+xml svg; }}
"""

SERVER = "-c fsync=off -c max_connections=300"
"""The example has no pool: each request that is under way holds a connection, and hundreds may come back at once."""
Wire = Callable[[str, str], str]


def direct(_name: str, url: str) -> str:
    """Put nothing between the processes and a service."""
    return url


@dataclass
class Cluster:
    """A site that runs. Its pages know the user demo, password demo."""

    url: str
    postgres: Postgres
    redis: Redis
    processes: Mapping[str, Process]
    """Two each of web and worker, and the provider, by name."""
    calls: Path
    """What the provider was asked, a line each."""
    environment: Mapping[str, str]
    """What the processes find in theirs."""

    def manage(self, command: str) -> str:
        """Run a management command. Return what it prints."""
        return _manage(command, self.environment)


@contextmanager
def running(directory: Path, *, wire: Wire = direct, **more: str) -> Iterator[Cluster]:
    """Start everything; `directory` gets logs and process ids. Whatever happens, it has ended afterwards.

    `wire` returns the address under which processes find `postgres`, `redis` or `provider`, and is told its own.
    """
    with ExitStack() as stack:
        postgres, redis = stack.enter_context(own_postgres(SERVER)), stack.enter_context(own_redis())
        (directory / "redis.pid").write_text(str(redis.pid))
        port, calls = free_port(), directory / "calls.jsonl"
        environment = _environment(directory) | {
            "DATABASE_URL": wire("postgres", postgres.url),
            "REDIS_URL": wire("redis", redis.url),
            "OPENAI_BASE_URL": wire("provider", f"http://127.0.0.1:{port}/v1"),
            **more,
        }
        for command in PREPARE:
            _manage(command, environment)
        provider = f"tests.cluster.provider {port} {calls}"
        processes = {"provider": Process(directory, "provider", provider, environment, port)}
        ports = {"web-1": free_port(), "web-2": free_port()}
        for name, number in ports.items():
            processes[name] = Process(directory, name, WEB.format(port=number), environment, number)
        for name in ("worker-1", "worker-2"):
            processes[name] = Process(directory, name, WORKER.format(name=name), environment | {"MEMBER": name})
        for process in processes.values():
            stack.callback(process.end)
            process.start()
        servers = [f"http://127.0.0.1:{number}" for number in ports.values()]
        location = LOCATION.format(static=environment["STATIC_ROOT"])
        url = stack.enter_context(nginx(directory, *servers, more=NGINX, location=location))
        yield Cluster(url, postgres, redis, processes, calls, environment)


def _environment(directory: Path) -> dict[str, str]:
    # Nobody's .env and nobody's services.
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {
        "ENV_FILE": os.devnull,
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "example_project.settings",
        "CONVERSE_RUNNER": "celery",
        "CONVERSE_MODEL": "openai:replay",
        "OPENAI_API_KEY": "none",
        "STATIC_ROOT": str(directory / "static"),
    }


def _manage(command: str, environment: Mapping[str, str]) -> str:
    line = [sys.executable, "manage.py", *command.split()]
    # A user with a known password is for the demo's settings only.
    env = {**environment, "DJANGO_SETTINGS_MODULE": "example_project.settings"}
    done = subprocess.run(line, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"manage.py {command} failed:\n{done.stderr}")
    return done.stdout
