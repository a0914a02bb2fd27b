"""Answers of real workers, followed in real web processes: `make load` does the same at any size."""

import subprocess
import sys

import pytest

from tests.faults.postgres import lacks_binaries
from tests.servers import ROOT

SMALL = "--answers 20 --viewers 40 --length 10 --seconds 15 --check"


@pytest.mark.slow
@pytest.mark.redis
@pytest.mark.timeout(500)
@pytest.mark.skipif(bool(lacks_binaries()), reason=lacks_binaries())
def test_every_viewer_reads_what_the_provider_says_and_the_database_bears_what_the_model_allows() -> None:
    command = [sys.executable, "-m", "benchmarks.load", *SMALL.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=480, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 wrong" in done.stdout
