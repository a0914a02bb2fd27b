"""Where the CPU of durable, followed answers goes.

    make bench-profile
    make bench-profile BENCH_ARGS="--load burst --database postgres"

The server counts each call in each of its threads, which costs several times what it does: trust the shares, not the
times. What a library does for somebody counts as the library's.
"""

import argparse
import os
import pstats
import signal
import tempfile
from collections import Counter
from importlib import import_module
from pathlib import Path

import uvicorn
import yappi

from benchmarks.comparisons import LIMITS
from benchmarks.contenders import DATABASES, all_servers
from benchmarks.rounds import take_turn

GROUPS = {
    "receiving: httpx, httpcore, h11, anyio": ("/httpx/", "/httpcore/", "/h11/", "/anyio/"),
    "decoding: providers, json": ("converse_stream/providers/", "/json/"),
    "generation and writer": ("converse_stream/generation/", "converse_stream/writer/"),
    "recorder": ("converse_stream/recorder/",),
    "feed, dialects, responses": ("converse_stream/feed/", "converse_stream/dialects/", "converse_stream/responses/"),
    "Django, asgiref and the database's driver": ("/django/", "/asgiref/", "/psycopg"),
    "loops and threads: asyncio, selectors": ("/asyncio/", "/selectors.py", "/threading.py", "/concurrent/"),
    "serving: uvicorn": ("/uvicorn/",),
    "the rest of converse_stream": ("converse_stream/",),
}
TURNS, SHOWN = 5, 20
SERVE = "PROFILE_TO"
"""The variable that tells the server where its profile goes."""


def serve(port: int, path: str) -> None:
    """Serve the durable site, and count its calls."""
    site = import_module("benchmarks.durable")
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn ends at it, and raises it once more
    yappi.set_clock_type("cpu")
    yappi.start(builtins=False)
    uvicorn.run(site.application, port=port, log_level="warning", access_log=False)
    yappi.stop()
    yappi.get_func_stats().save(path, type="pstat")


def main() -> None:
    options = read_options()
    load = LIMITS[options.load][0]
    with tempfile.TemporaryDirectory(prefix="converse-bench-") as folder:
        path = Path(folder, "profile")
        os.environ[SERVE] = str(path)
        with all_servers(Path(folder)) as servers:
            server = servers[f"profiled-{options.database}"]
            for _ in range(TURNS):
                take_turn(server, load)
        print(load)
        show(pstats.Stats(str(path)))


def show(profile: pstats.Stats) -> None:
    own: Counter[str] = Counter()
    functions = []
    for (file, line, name), (_, calls, itself, within, _) in profile.stats.items():  # type: ignore[attr-defined]
        own[group_of(file)] += itself
        functions.append((itself, within, calls, f"{'/'.join(Path(file).parts[-3:])}:{line} {name}"))
    total = own.total()
    for group, seconds in own.most_common():
        print(f"{seconds / total:7.1%}  {group}")
    print("\n itself  within   calls")
    for itself, within, calls, where in sorted(functions, reverse=True)[:SHOWN]:
        print(f"{itself / total:7.1%} {within / total:7.1%} {calls:7}  {where}")


def group_of(file: str) -> str:
    found = (group for group, parts in GROUPS.items() if any(part in file for part in parts))
    return next(found, "the rest of Python")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--load", choices=LIMITS, default="10x500")
    parser.add_argument("--database", choices=DATABASES, default="sqlite")
    parser.add_argument("--serve", type=int, metavar="PORT", help="be the server")
    return parser.parse_args()


if __name__ == "__main__":
    if port := read_options().serve:
        serve(port, os.environ[SERVE])
    else:
        main()
