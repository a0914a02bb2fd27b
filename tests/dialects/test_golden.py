"""Every byte of every dialect, as it was read by somebody. `WRITE_GOLDEN=1` writes the files anew: read them."""

import os
from pathlib import Path

import pytest

from converse_stream.dialects import BUILT_IN
from tests.dialects.answers import told

GOLDEN = Path(__file__).with_name("golden")


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_dialect_says_exactly_what_its_golden_file_says(name: str) -> None:
    """Seeds: C-08, L-03, B-02, B-08, B-09, F-06."""
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("WRITE_GOLDEN"):
        golden.write_bytes(told(name))

    assert told(name) == golden.read_bytes()


def test_there_is_a_golden_file_for_each_dialect_and_no_other() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(BUILT_IN)
