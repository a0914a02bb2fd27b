"""The page about dialects shows what is sent."""

import pytest

from converse_stream.dialects import BUILT_IN
from converse_stream.events import Text
from tests.dialects.answers import content, dialect, ending, parts_of, start
from tests.pages import ROOT, blocks, rows

PAGE = ROOT / "docs" / "reference" / "dialects.md"
SHOWN = {block.tags["dialect"]: block.source for block in blocks(PAGE, "text") if "dialect" in block.tags}


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_table_says_whether_it_resumes(name: str) -> None:
    [row] = [row for row in rows(PAGE) if row[0] == f"`{name}`" and len(row) == 5 and "`finish` with" not in row[3]][:1]

    assert row[3].startswith("yes") == BUILT_IN[name].has_cursors


@pytest.mark.parametrize("name", sorted(set(BUILT_IN) - {"native"}))
def test_the_example_is_what_is_sent(name: str) -> None:
    said = content([Text("Hello, "), Text("wörld")])
    told = dialect(name).encoder().encode([start(), *said, ending(parts_of(said))]).decode()

    shown = SHOWN[name].rstrip("\n").split("\n")
    lines = told.rstrip("\n").split("\n")

    for line, real in zip(shown, lines, strict=True):
        before, cut, _ = line.partition("…")
        assert real.startswith(before) if cut else real == line


def test_no_example_is_of_a_dialect_that_does_not_exist() -> None:
    assert set(SHOWN) == set(BUILT_IN) - {"native"}
