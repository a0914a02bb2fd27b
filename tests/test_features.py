"""The table of features: every id once, and what it names exists."""

import ast
import re
from functools import cache
from pkgutil import resolve_name

import pytest

from converse_stream import conf
from converse_stream.dialects import get_dialect
from tests.pages import ROOT, rows
from tests.sources import tree

HOW_MANY = {"C": 23, "V": 30, "P": 10, "W": 13, "L": 11, "B": 11, "F": 13, "T": 17, "A": 20}
"""The ids there are: C-01 to C-23, and so on."""
IDS = [f"{letter}-{number:02}" for letter, count in HOW_MANY.items() for number in range(1, count + 1)]
TABLE = [row for row in rows(ROOT / "docs" / "reference" / "features.md") if row[0] != "id"]
SHOWN = [row for row in TABLE if not row[2].startswith("none: ")]


@cache
def docstrings(file: str) -> dict[str, str]:
    """Return the docstrings of a file's tests by what follows `::` in their ids."""
    found = {}
    for node in tree(ROOT / file).body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        for each in inner:
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{node.name}::{each.name}" if isinstance(node, ast.ClassDef) else each.name
                found[name] = ast.get_docstring(each) or ""
    return found


def spans(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_id_is_there_once():
    assert sorted(row[0] for row in TABLE) == sorted(IDS)


@pytest.mark.parametrize("row", SHOWN, ids=lambda row: row[0])
def test_the_tests_of_a_row_exist_and_cite_it(row):
    named = spans(row[2])

    assert named
    for each in named:
        file, _, name = each.partition("::")
        assert name.rpartition("::")[2].startswith("test_")
        assert name in docstrings(file), each
        assert re.search(rf"Seeds: [^.]*\b{row[0]}\b", docstrings(file)[name]), f"{each} does not cite {row[0]}"


@pytest.mark.parametrize("row", SHOWN, ids=lambda row: row[0])
def test_the_names_of_a_row_exist(row):
    named = spans(row[3])

    assert named
    for each in named:
        if dialect := re.fullmatch(r'dialect="(.+)"', each):
            get_dialect(dialect[1])
        elif each.isupper():
            assert each in conf.DEFAULTS
        else:
            resolve_name(each if each.startswith("example_project.") else f"converse_stream.{each}")


def test_a_row_without_a_test_has_a_reason():
    assert [row for row in TABLE if row not in SHOWN and (len(row[2]) < 30 or row[3])] == []
