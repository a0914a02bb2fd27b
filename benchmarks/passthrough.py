"""What a durable, followed answer costs beside a bare pass-through and beside others, measured in turns.

    make bench                                          everything
    make bench QUICK=1                                  a minute, to see that it works
    make bench BENCH_ARGS="--part limit --load 10x500"  one part of it, under one load

All servers ask the same provider and are read by the same viewers; each has a store of its own. CPU is that of the
server's process and of its store's processes.
"""

import argparse
import tempfile
from pathlib import Path

from benchmarks.comparisons import LIMITS, PARTS, Bench
from benchmarks.contenders import DATABASES, all_servers
from benchmarks.processes import ROOT
from benchmarks.report import Report, machine


def main() -> None:
    options = read_options()
    report = Report(machine())
    print(report.machine, flush=True)
    with tempfile.TemporaryDirectory(prefix="converse-bench-") as folder, all_servers(Path(folder)) as servers:
        bench = Bench(servers, report, options)
        for part in options.part or PARTS:
            PARTS[part](bench)
    report.write(options.to)
    print(f"\nWritten to {options.to}")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", action="append", choices=PARTS, help="may be given more than once; all by default")
    parser.add_argument("--load", action="append", choices=LIMITS, help="of the part `limit`; as above")
    parser.add_argument("--database", action="append", choices=DATABASES, help="as above")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--deltas", type=int, default=100_000, help="cut longer answers")
    parser.add_argument("--to", type=Path, default=ROOT / "benchmarks" / "results", help="the folder for the results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
