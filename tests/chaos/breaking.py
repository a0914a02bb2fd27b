"""The cluster as something that breaks: each fault of a plan done to whom it names, and undone."""

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

from converse_stream.testing import FaultProxy
from tests.chaos.plan import Fault
from tests.chaos.record import Blow
from tests.cluster.cluster import Cluster


class Wires:
    """A proxy before each service, through which all processes reach it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.proxies: dict[str, FaultProxy] = {}

    def __call__(self, name: str, url: str) -> str:
        self.proxies[name] = self._stack.enter_context(FaultProxy(url))
        return self.proxies[name].url


class Breaker:
    """Breaks a cluster. One thing at a time happens to a target."""

    def __init__(self, cluster: Cluster, wires: Wires) -> None:
        self._targets: dict[str, Any] = {**cluster.processes, "postgres": cluster.postgres, "redis": cluster.redis}
        self._wires = wires.proxies
        self._locks: dict[str, asyncio.Lock] = {}
        self.blows: list[Blow] = []

    async def strike(self, fault: Fault) -> None:
        """Break something, wait as long as the fault lasts, and mend it."""
        async with self._locks.setdefault(fault.target, asyncio.Lock()):
            blow = Blow(fault.target, fault.deed, began=time.time())
            self.blows.append(blow)
            breaks, mends = self._deed(fault)
            await asyncio.to_thread(breaks)
            try:
                await asyncio.sleep(fault.lasts)
            finally:
                await asyncio.to_thread(mends)
            blow.ended = time.time()

    def _deed(self, fault: Fault) -> tuple[Callable[[], object], Callable[[], object]]:
        if fault.target.endswith(" wire"):
            return self._spoiled(self._wires[fault.target.removesuffix(" wire")], fault.deed)
        target = self._targets[fault.target]
        if fault.deed.startswith("freeze"):
            return target.freeze, target.thaw
        if fault.target == "postgres":
            return partial(target.stop, {"kill": "immediate", "restart": "fast"}[fault.deed]), target.start
        return (target.kill if fault.deed == "kill" else target.end), target.start

    @staticmethod
    def _spoiled(wire: FaultProxy, deed: str) -> tuple[Callable[[], object], Callable[[], object]]:
        if deed == "blackhole":
            return partial(setattr, wire, "blackhole", True), partial(setattr, wire, "blackhole", False)
        return getattr(wire, deed), lambda: None
