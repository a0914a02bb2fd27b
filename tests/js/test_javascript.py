"""The JavaScript: its own tests with Node's runner, its types, its size."""

import gzip
import re
import subprocess
from pathlib import Path
from shutil import which

import pytest

from tests.pages import PAGES, ROOT, blocks

STATIC = ROOT / "converse_stream" / "static" / "converse_stream"
TSC = ROOT / "node_modules" / ".bin" / "tsc"
CLIENT_BYTES = 12 * 1024


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def imported(module: Path) -> set[Path]:
    """Return a module and all that it imports, directly or not."""
    found = {module}
    for name in re.findall(r'^(?:import|export)\b.*?"(\./[^"]+|\.\./[^"]+)";$', module.read_text(), re.MULTILINE):
        found |= imported((module.parent / name).resolve())
    return found


@pytest.mark.skipif(not which("node"), reason="needs node")
@pytest.mark.parametrize("tests", sorted(Path(__file__).parent.glob("*.test.mjs")), ids=lambda path: path.stem)
def test_nodes_own_runner_is_content(tests: Path) -> None:
    run("node", "--disable-warning=MODULE_TYPELESS_PACKAGE_JSON", "--test", str(tests))


@pytest.mark.skipif(not TSC.exists(), reason="needs typescript: make js")
def test_the_types_in_the_comments_hold() -> None:
    run(str(TSC), "--project", ".")


def test_the_client_stays_small() -> None:
    modules = imported(STATIC / "client.js")

    assert {path.name for path in modules} >= {"client.js", "follow.js", "connection.js", "sse.js"}
    assert len(gzip.compress(b"".join(path.read_bytes() for path in sorted(modules)), 9)) <= CLIENT_BYTES


EXAMPLES = [block for page in PAGES for block in blocks(page, "js")]


@pytest.mark.skipif(not which("node"), reason="needs node")
@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_is_javascript_and_imports_what_is_there(example, tmp_path: Path) -> None:
    (tmp_path / "example.mjs").write_text(example.source)

    run("node", "--check", str(tmp_path / "example.mjs"))

    for names, module in re.findall(r'import \{ ([^}]+) \} from "/static/converse_stream/([^"]+)"', example.source):
        exported = (STATIC / module).read_text()
        for name in names.split(", "):
            assert re.search(rf"^export .*\b{name}\b", exported, re.MULTILINE), name
