"""AI SDK itself, versions 6 and 7, against the example site: what a page does that loses its connection, or reloads."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import Site

pytestmark = [pytest.mark.clients, pytest.mark.slow, pytest.mark.timeout(120)]

SCRIPT = Path(__file__).parents[3] / "shared" / "acceptance" / "aisdk_client.mjs"
SCENARIOS = ["send", "resume-idle", "drop", "eof", "reload", "watch", "stop", "detach"]


@pytest.fixture(scope="module", autouse=True)
def _script() -> None:
    if not SCRIPT.is_file():
        reason = f"the acceptance client is not there: {SCRIPT}"
        (pytest.fail if os.environ.get("CONVERSE_REQUIRE_SERVICES") else pytest.skip)(reason)


@pytest.mark.parametrize("version", ["ai6", "ai7"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_page_has_the_whole_answer_once(example: Site, version: str, scenario: str) -> None:
    """Seeds: P-04."""
    header = f"Authorization: Token {example.token}"
    options = ["--header", header, "--text", "/long 60", "--after", "12", "--cut", "900", "--quiet"]
    command = ["node", str(SCRIPT), f"{example.url}/api/chat", scenario, *options]

    done = subprocess.run(
        command, env=os.environ | {"AI_SDK_DIR": str(Path(__file__).parent / version)}, capture_output=True, text=True
    )

    report = json.loads(done.stdout)
    assert report["problems"] == []
    assert (done.returncode, report["ai"].split(".")[0]) == (0, version[-1])
    if scenario not in ("resume-idle", "stop"):
        assert report["text"] == "".join(f"{number} " for number in range(1, 61))
