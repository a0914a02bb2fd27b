"""The component through nginx, on each ASGI server, while the server behind it is stopped and started again."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.browser.component import Component
from tests.proxies import nginx
from tests.servers import ROOT, free_port, launch

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def surroundings(tmp_path: Path) -> dict[str, str]:
    """What a server of the example site is given: a database of its own, with the demo's user in it."""
    given = {
        "DJANGO_SETTINGS_MODULE": "tests.browser.component_settings",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "ENV_FILE": os.devnull,
    }
    for command in (["migrate", "--verbosity", "0"], ["create_demo_user"]):
        subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=os.environ | given, check=True)
    return given


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
def test_a_restart_behind_nginx_is_waited_out(
    browser: Any, kind: str, surroundings: dict[str, str], tmp_path: Path
) -> None:
    port = free_port()
    with nginx(tmp_path, f"http://127.0.0.1:{port}", location="proxy_set_header Host $http_host;") as address:
        context = browser.new_context()
        chat = Component(context.new_page(), address)
        with launch(kind, port=port, **surroundings):
            sign_in(chat)
            chat.begin()
            chat.ask("/long 3")
            assert chat.ended().split() == ["1", "2", "3"]
            chat.ask("/long 5000")
            early = chat.grown(60)
        chat.page.get_by_text("Connection lost").wait_for()
        assert chat.text.startswith(early)

        with launch(kind, port=port, **surroundings):
            text = chat.ended()

            assert text.startswith(early)
            assert chat.messages()[-1]["status"] == "failed"
            assert chat.page.get_by_text("Connection lost").count() == 0
            chat.answers.last.get_by_role("button", name="Try again").click()
            chat.until(lambda: chat.is_growing)
            chat.grown(10)
            chat.stop.click()
            chat.ended()
            assert chat.messages()[-1]["status"] == "cancelled"
            context.close()


def sign_in(chat: Component) -> None:
    """Sign in as the demo's user, on the site's own page."""
    page = chat.page
    page.goto(f"{chat.address}/accounts/login/")
    page.get_by_label("User").fill("demo")
    page.get_by_label("Password").fill("demo")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_load_state()
