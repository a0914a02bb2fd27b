"""What axe-core has against a page: https://github.com/dequelabs/axe-core. `make js` installs it."""

import os
from typing import Any

import pytest

from tests.browser.server import ROOT

SCRIPT = ROOT / "node_modules" / "axe-core" / "axe.min.js"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = f"axe.run(document, {{ runOnly: {TAGS}, resultTypes: ['violations'] }})"


def needs_axe() -> None:
    """Skip the test, or fail it where everything is required, if axe-core is not installed."""
    if not SCRIPT.exists():
        (pytest.fail if os.environ.get("CONVERSE_REQUIRE_SERVICES") else pytest.skip)("no axe-core: make js")


def violations(page: Any) -> list[str]:
    """Return what is wrong with a page as it now is, shadow trees included: the rule, and the element."""
    page.evaluate(SCRIPT.read_text("utf-8"))  # by way of the debugger, past any policy
    found = page.evaluate(RUN)["violations"]
    return [f"{rule['id']}: {node['html'][:200]} {node['any'][:1]}" for rule in found for node in rule["nodes"]]
