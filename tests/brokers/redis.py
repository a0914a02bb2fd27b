"""A Redis server of a test's own, that it may stop, freeze, fill and empty as it likes."""

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"
CORE = "channels_redis.core.RedisChannelLayer"


class Redis:
    """A server that can be started again at the same address."""

    def __init__(self, directory: str, port: int) -> None:
        self.port = port
        self.url = f"redis://127.0.0.1:{port}/0"
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def layers(self, backend: str = PUBSUB) -> dict[str, Any]:
        """Return CHANNEL_LAYERS on this server."""
        return {"default": {"BACKEND": backend, "CONFIG": {"hosts": [self.url]}}}

    def start(self) -> None:
        options = ["--port", str(self.port), "--save", "", "--appendonly", "no", "--dir", self._directory]
        self._process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        with closing(redis.Redis(port=self.port, retry=Retry(ConstantBackoff(0.05), 600))) as client:
            client.ping()

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Let it accept and never answer."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def command(self, *words: str) -> Any:
        with closing(redis.Redis(port=self.port)) as client:
            return client.execute_command(*words)


@contextmanager
def own_redis() -> Iterator[Redis]:
    """Start a server on a free port."""
    assert shutil.which("redis-server")
    with tempfile.TemporaryDirectory(prefix="converse-redis-") as directory:
        server = Redis(directory, free_port())
        server.start()
        try:
            yield server
        finally:
            server.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
