"""The shape of the package: short files and functions, names that mean one thing, doors that keep their word."""

import ast
import importlib
import re
from pathlib import Path

import pytest

import converse_stream
from tests.sources import tree

ROOT = Path(converse_stream.__file__).parent
MODULES = sorted(path for path in ROOT.rglob("*.py") if "migrations" not in path.parts)
NAMES = [str(path.relative_to(ROOT)) for path in MODULES]
FORBIDDEN = re.compile("manager|helper|util|handler|processor|service|info|misc|common", re.IGNORECASE)
FIXED_BY_DJANGO = {"management"}

every_module = pytest.mark.parametrize("path", MODULES, ids=NAMES)


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@every_module
def test_a_module_fits_on_four_pages(path):
    lines = path.read_text(encoding="utf-8").count("\n")

    assert lines <= 250


@every_module
def test_a_function_fits_on_a_screen(path):
    functions = [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    long = {function.name: function.end_lineno - function.lineno + 1 for function in functions}

    assert {name: lines for name, lines in long.items() if lines > 50} == {}


@every_module
def test_a_module_says_what_it_is_for(path):
    module = tree(path)

    assert ast.get_docstring(module) or not module.body


@every_module
def test_names_come_from_the_glossary(path):
    classes = [node.name for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef)]
    modules = [part for part in path.relative_to(ROOT).with_suffix("").parts if part not in FIXED_BY_DJANGO]

    assert [name for name in [*modules, *classes] if FORBIDDEN.search(name)] == []


def exports(path: Path) -> list[str] | None:
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


DOORS = [path for path in MODULES if exports(path) is not None]


def test_the_package_has_doors():
    assert "converse_stream" in {dotted(path) for path in DOORS}


@pytest.mark.parametrize("path", DOORS, ids=dotted)
def test_what_a_door_promises_is_there_and_in_order(path):
    names = exports(path)
    module = importlib.import_module(dotted(path))

    # Constants, classes, functions, each in alphabetical order: the order ruff sorts in.
    assert names == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert [name for name in names if not hasattr(module, name)] == []
