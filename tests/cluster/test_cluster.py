"""`make cluster` and `make cluster-stop`."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.faults.postgres import lacks_binaries
from tests.servers import ROOT
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.redis, pytest.mark.timeout(420)]


def cluster(command: str, state: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.cluster", command],
        cwd=ROOT,
        env={**os.environ, "CLUSTER": str(state), "DJANGO_SETTINGS_MODULE": "example_project.settings"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def is_running(number: int) -> bool:
    """Tell whether there is such a process, and not only its place, which its parent has not taken back yet."""
    try:
        status = Path(f"/proc/{number}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_a_cluster_runs_starts_again_what_dies_and_leaves_nothing_behind(tmp_path: Path) -> None:
    if reason := lacks_binaries():
        (pytest.fail if os.environ.get("CONVERSE_REQUIRE_SERVICES") else pytest.skip)(reason)
    state = tmp_path / "cluster"
    try:
        told = cluster("start", state)
        url = (state / "url").read_text()
        worker = (state / "worker-1.pid").read_text()
        os.kill(int(worker), signal.SIGKILL)
        until(lambda: (state / "worker-1.pid").read_text() not in ("", worker), 60)
        processes = [int(file.read_text()) for file in state.glob("*.pid")]

        assert url in told
        assert cluster("start", state) == told
        assert httpx.get(f"{url}/accounts/login/", timeout=60).status_code == 200
        assert (
            httpx.get(f"{url}/static/converse_stream/client.js", timeout=60).headers["content-type"]
            == "text/javascript"
        )
    finally:
        cluster("stop", state)

    assert len(processes) == 7  # two of web and worker, the provider, Redis, and who looks after them
    until(lambda: not any(map(is_running, processes)), 60)
    assert not state.exists()
