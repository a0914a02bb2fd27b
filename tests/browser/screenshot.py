"""Take the README's picture of the running page: `make screenshot`."""

import sys
import tempfile
from pathlib import Path

from tests.browser.component import Component
from tests.browser.page import chromium
from tests.browser.server import example_site


def main(target: str, scheme: str = "light", width: str = "1200", height: str = "900") -> None:
    """Save the page with a finished answer and a growing one."""
    with tempfile.TemporaryDirectory() as directory, example_site(Path(directory)) as site, chromium() as browser:
        view = {"width": int(width), "height": int(height)}
        page = browser.new_page(viewport=view, color_scheme=scheme, reduced_motion="reduce")
        page.goto(f"{site}/accounts/login/")
        page.get_by_label("User").fill("demo")
        page.get_by_label("Password").fill("demo")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_load_state()
        for question in ("How do I test my site?", "Which providers are there?", "What is converse_stream?"):
            page.goto(f"{site}/chat/new/")
            page.get_by_label("Message", exact=True).fill(question)
            page.get_by_role("button", name="Send").click()
            page.locator("converse-chat").wait_for()
            chat = Component(page, site)
            chat.ended()
        chat.ask("What statuses has a message?")
        chat.grown(250)
        page.wait_for_timeout(200)
        page.screenshot(path=target)


if __name__ == "__main__":
    main(*sys.argv[1:])
