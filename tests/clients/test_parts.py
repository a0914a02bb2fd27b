"""What AI SDK itself makes of every answer of the golden files, and what the documentation makes of it on a reload."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.dialects.answers import CONTENTS, TIMEOUT, answer, dialect
from tests.pages import ROOT, blocks

pytestmark = [pytest.mark.clients, pytest.mark.slow]

HERE = Path(__file__).parent
PAGE = ROOT / "docs" / "howto" / "ai-sdk.md"


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page's own way to turn a message of the API into one of AI SDK's."""
    [source] = [block.source for block in blocks(PAGE, "text") if block.tags.get("title") == "history.js"]
    path = tmp_path_factory.mktemp("page") / "history.mjs"
    path.write_text(source, encoding="utf-8")
    return path


def assemble(version: str, module: Path, title: str) -> dict[str, Any]:
    events = answer(title)
    body = dialect("ai-sdk").encoder().encode(events).decode()
    command = ["node", str(HERE / "assemble.mjs"), str(module)]
    given = json.dumps({"body": body, "message": events[-1].data["message"]})
    env = os.environ | {"AI_SDK_DIR": str(HERE / version)}
    done = subprocess.run(command, env=env, input=given, capture_output=True, text=True, check=True)
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def merged(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join neighbouring texts: in the record they are one part, in the script of the test they are not."""
    joined: list[dict[str, Any]] = []
    for part in parts:
        if joined and part["type"] in ("text", "reasoning") and joined[-1]["type"] == part["type"]:
            joined[-1] = part | {"text": joined[-1]["text"] + part["text"]}
        else:
            joined.append(part)
    return joined


@pytest.mark.parametrize("version", ["ai6", "ai7"])
@pytest.mark.parametrize("title", sorted(set(CONTENTS) - {"calls", "empty"}))
def test_the_page_shows_the_same_live_and_after_a_reload(version: str, title: str, module: Path) -> None:
    made = assemble(version, module, title)

    streamed = [part for part in made["streamed"]["parts"] if part["type"] != "step-start"]
    for part in streamed:
        part.pop("id", None)  # by which deltas found their part
    assert made["streamed"]["id"] == made["loaded"]["id"]
    assert streamed == merged(made["loaded"]["parts"])
    assert made["errors"] == ([TIMEOUT["message"]] if title == "failed" else [])
    assert made["streamed"].get("metadata") == ({"status": "cancelled"} if title == "cancelled" else None)


@pytest.mark.parametrize("version", ["ai6", "ai7"])
def test_calls_in_every_state_are_read(version: str, module: Path) -> None:
    made = assemble(version, module, "calls")

    states = [(part["type"], part.get("state")) for part in made["streamed"]["parts"]]
    assert made["errors"] == []
    assert states == [
        ("step-start", None),
        ("text", "done"),
        ("tool-map", "output-available"),
        ("step-start", None),
        ("text", "done"),
        ("tool-weather", "output-error"),
        ("tool-time", "input-available"),
        ("tool-map", "output-error"),
        ("step-start", None),
        ("tool-time", "output-error"),
    ]
