"""What was measured, written down: JSON, tables in Markdown, and a chart."""

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.chart import chart
from benchmarks.rounds import Row, Spread, figure


@dataclass(frozen=True)
class Point:
    """A figure that has a target."""

    name: str
    value: Spread
    target: float | None
    """None where a figure is only told."""
    at_most: bool = True
    unit: str = "times"

    @property
    def is_reached(self) -> bool | None:
        if self.target is None:
            return None
        return self.value.median <= self.target if self.at_most else self.value.median >= self.target

    @property
    def bound(self) -> str:
        return "" if self.target is None else f"at {'most' if self.at_most else 'least'} {self.target:g}"

    @property
    def verdict(self) -> str:
        return {None: "", True: "reached", False: "missed"}[self.is_reached]

    def __str__(self) -> str:
        return ", ".join(filter(None, (f"{self.name}: {self.value} {self.unit}", self.bound, self.verdict)))


@dataclass
class Report:
    """Everything that one run has measured, printed as it comes."""

    machine: str
    rows: list[Row] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)

    def add(self, row: Row) -> None:
        self.rows.append(row)
        print(f"  {row.contender:<48} {row.cost} {row.unit}", flush=True)

    def judge(self, point: Point) -> None:
        self.points.append(point)
        print(f"  -> {point}", flush=True)

    def miss(self, what: str) -> None:
        if what not in self.absent:
            self.absent.append(what)
            print(f"  not measured: {what}", flush=True)

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        points = [asdict(point) | {"is_reached": point.is_reached} for point in self.points]
        everything = asdict(self) | {"points": points}
        (folder / "results.json").write_text(json.dumps(everything, indent=1, ensure_ascii=False) + "\n")
        (folder / "results.md").write_text(self.markdown())
        (folder / "results.svg").write_text(chart(self.rows))

    def markdown(self) -> str:
        lines = [self.machine, "", "| measured | median | from | to | target | |", "|---|---|---|---|---|---|"]
        for point in self.points:
            cells = _cells(point.value)
            lines.append(f"| {point.name}, {point.unit} | {cells} | {point.bound} | {point.verdict} |")
        lines += ["", "| load | server | median | from | to | |", "|---|---|---|---|---|---|"]
        lines += [f"| {row.load} | {row.contender} | {_cells(row.cost)} | {row.unit} |" for row in self.rows]
        lines += ["", *(f"Not measured: {what}." for what in self.absent)]
        return "\n".join(lines).rstrip() + "\n"


def _cells(spread: Spread) -> str:
    return " | ".join(figure(value) for value in (spread.median, spread.least, spread.most))


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
    versions = []
    for package in ("django", "uvicorn", "httpx", "uvloop", "httptools", "psycopg"):
        try:
            versions.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            versions.append(f"no {package}")
    return (
        f"{processor}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
        f"{platform.system()} {platform.release()}; Python {platform.python_version()}, {', '.join(versions)}"
    )
