"""The benchmarks run: a few words only, to see that every server still answers and that all is written down."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks.comparisons import LIMITS
from tests.pages import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_the_comparison_measures_everybody_and_writes_it_down(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    command = [sys.executable, "-m", "benchmarks.passthrough", "--rounds", "1", "--deltas", "10", "--to", str(tmp_path)]

    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=580)

    results = json.loads((tmp_path / "results.json").read_text())
    measured = {(row["load"], row["contender"]) for row in results["rows"]}
    ours = {load for load, contender in measured if contender == "converse_stream, SQLite"}
    assert ours == {*LIMITS, "10x500, long", "500 deltas", "16,000 deltas", "100 viewers", "first text"}
    assert {load for load, contender in measured if contender.startswith("limit")} == {*LIMITS, "first text"}
    assert all(row["cost"]["median"] > 0 for row in results["rows"] if row["unit"] == "µs of CPU a delta")
    assert any(point["name"].startswith("import of the app") for point in results["points"])
    assert "| converse_stream, SQLite |" in (tmp_path / "results.md").read_text()
    assert "converse_stream, SQLite</text>" in (tmp_path / "results.svg").read_text()
