"""Take the README's picture of the running page: `make screenshot`."""

import sys
import tempfile
from pathlib import Path

from tests.browser.page import ChatPage, chromium
from tests.browser.server import example_site


def main(target: str, scheme: str = "light", width: str = "1200") -> None:
    """Save the page with a finished answer and a growing one."""
    with tempfile.TemporaryDirectory() as directory, example_site(Path(directory)) as site, chromium() as browser:
        view = {"width": int(width), "height": 960}
        page = browser.new_page(viewport=view, color_scheme=scheme, reduced_motion="reduce")
        chat = ChatPage(page, site)
        chat.sign_in()
        for earlier in ("How do I test my site?", "Which providers are there?"):
            chat.ask(earlier)
            chat.wait_for_ending()
            page.goto(site)
        chat.ask("What is converse_stream?")
        chat.wait_for_ending()
        chat.ask("What statuses has a message?")
        chat.wait_for_text(250)
        page.screenshot(path=target)


if __name__ == "__main__":
    main(*sys.argv[1:])
