"""The page of faults has every row, and each row names tests that there are."""

import ast
import re
from functools import cache

import pytest

from tests.pages import ROOT
from tests.sources import tree

PAGE = ROOT / "docs" / "reference" / "faults.md"
ROWS = 78


def rows() -> dict[int, tuple[str, list[str]]]:
    """Return each row's outcome and tests, by its number."""
    found = re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]+) \| ([^|]*) ?\|$", PAGE.read_text(), re.MULTILINE)
    assert len(found) == ROWS
    return {int(number): (outcome, re.findall(r"`([^`]+)`", tests)) for number, outcome, tests in found}


@cache
def names_in(path: str) -> set[str]:
    functions = ast.walk(tree(ROOT / "tests" / path))
    return {node.name for node in functions if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_row_is_there_once_and_in_order() -> None:
    assert list(rows()) == list(range(1, ROWS + 1))


@pytest.mark.parametrize("number", range(1, ROWS + 1))
def test_a_row_names_tests_that_there_are(number: int) -> None:
    outcome, tests = rows()[number]

    assert tests
    assert not outcome.startswith("not yet")
    for test in tests:
        path, _, name = test.partition("::")
        if path.endswith(".py"):
            assert name in names_in(path), test
        else:
            assert name in (ROOT / "tests" / path).read_text(), test
