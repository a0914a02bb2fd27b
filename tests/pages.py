"""The pages of the documentation: their blocks, tables and links, and how an example is run."""

import ast
import inspect
import re
import textwrap
import types
import unittest
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asgiref.sync import async_to_sync

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>\S.*)\n(?P<source>(?s:.*?))^(?P=indent)```$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    tags: dict[str, str]
    source: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path, language: str | None = None) -> list[Block]:
    found = []
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        word, *tags = match["info"].split()
        line = text.count("\n", 0, match.start("source")) + 1
        values = {tag.partition("=")[0]: tag.partition("=")[2] for tag in tags}
        found.append(Block(page, line, word, values, textwrap.dedent(match["source"])))
    return [block for block in found if language in (None, block.language)]


def prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def rows(page: Path) -> list[list[str]]:
    """Return the cells of every table row of a page, without the lines under the headings."""
    lines = [line for line in prose(page).splitlines() if line.startswith("|") and not line.startswith("|---")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def run(block: Block, names: dict[str, Any]) -> dict[str, Any]:
    """Execute a Python block among `names`. Return the names it has bound."""
    module = types.ModuleType("example")
    before = dict(names)
    module.__dict__.update(before)
    tree = ast.parse("\n" * (block.line - 1) + block.source, str(block.page))
    code = compile(tree, str(block.page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:

        async def main() -> None:
            await eval(code, module.__dict__)

        async_to_sync(main)()
    else:
        exec(code, module.__dict__)
    return {name: value for name, value in vars(module).items() if name not in before or before[name] is not value}


def run_tests(case: type[unittest.TestCase]) -> None:
    """Run the tests of an example's test case."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    problems = [trace for _test, trace in [*result.errors, *result.failures]]
    assert result.testsRun, f"{case.__name__} has no tests"
    assert not problems, "\n".join(problems)
