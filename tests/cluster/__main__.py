"""`python -m tests.cluster start` runs the cluster in the background and prints its address; `stop` ends it.

It is kept in `.cluster`, with a log and a process id for each process; one that dies is started again.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example_project.settings")
django.setup()

from tests.cluster.cluster import running  # noqa: E402 - it imports models
from tests.servers import ROOT  # noqa: E402 - as above
from tests.waiting import until  # noqa: E402 - as above

STATE = Path(os.environ.get("CLUSTER", ROOT / ".cluster"))
URL, KEEPER = STATE / "url", STATE / "keeper.pid"
STARTS_WITHIN = ENDS_WITHIN = 120.0


def start() -> None:
    """Start a keeper in the background, and wait until it has started everything else."""
    if not _keeper():
        shutil.rmtree(STATE, ignore_errors=True)
        STATE.mkdir()
        with (STATE / "keeper.log").open("w") as log:
            command = [sys.executable, "-m", "tests.cluster", "keep"]
            keeper = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        KEEPER.write_text(str(keeper.pid))
        until(lambda: URL.exists() or keeper.poll() is not None, STARTS_WITHIN)
        if not URL.exists():
            sys.exit((STATE / "keeper.log").read_text())
    sys.stdout.write(f"{URL.read_text()} (demo / demo). Logs and process ids: {STATE.name}/. End: make cluster-stop\n")


def stop() -> None:
    """Tell the keeper to end everything, and wait until it has."""
    if keeper := _keeper():
        os.kill(keeper, signal.SIGTERM)
        until(lambda: not _keeper(), ENDS_WITHIN)
    shutil.rmtree(STATE, ignore_errors=True)


def keep() -> None:
    """Run the cluster until a signal comes."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    with running(STATE) as cluster:
        (STATE / "url.new").write_text(cluster.url)
        (STATE / "url.new").rename(URL)  # whoever waits for it finds all of it
        while not told.wait(1):
            for process in cluster.processes.values():
                if not process.is_running:
                    process.start()


def _keeper() -> int:
    """Return the id of the keeper that runs, or 0."""
    try:
        number = int(KEEPER.read_text())
        command = Path(f"/proc/{number}/cmdline").read_bytes()
    except (OSError, ValueError):
        return 0
    return number if b"tests.cluster" in command else 0


if __name__ == "__main__":
    {"start": start, "stop": stop, "keep": keep}[sys.argv[1]]()
