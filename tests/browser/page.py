"""The page of the bare client as a person sees it: what can be done on it and what can be read."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from shutil import which
from typing import Any

ANSWER = "article.assistant"
LAST_TEXT = f"[...document.querySelectorAll('{ANSWER}')].at(-1)?.querySelector('.body').textContent ?? ''"


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield a headless Chromium."""
    # Playwright is there only where the browser suite is to run.
    with import_module("playwright.sync_api").sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=which("chromium"), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class ChatPage:
    """One tab. `page` is Playwright's, for what has no name here."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.address = f"{address}/bare/"
        self._before = 0

    def sign_in(self) -> None:
        self.page.goto(self.address)
        self.page.get_by_label("User").fill("demo")
        self.page.get_by_label("Password").fill("demo")
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(self.address)

    def second(self) -> "ChatPage":
        """Return another tab of the same person."""
        return ChatPage(self.page.context.new_page(), self.address.removesuffix("/bare/"))

    def ask(self, question: str) -> None:
        self._before = self.page.locator(ANSWER).count()
        self.page.get_by_label("Message", exact=True).fill(question)
        self.page.get_by_label("Message", exact=True).press("Enter")

    def wait_for_text(self, at_least: int = 1) -> str:
        """Wait until the answer to what was asked has some characters and return them."""
        self.page.wait_for_function(f"{self._is_there} && ({LAST_TEXT}).length >= {at_least}")
        return self.text()

    def wait_for_ending(self) -> str:
        """Wait until that answer has ended and return its text."""
        self.page.wait_for_function(f"{self._is_there} && !document.querySelector('[aria-busy]')")
        return self.text()

    @property
    def _is_there(self) -> str:
        return f"document.querySelectorAll('{ANSWER}').length > {self._before}"

    def text(self) -> str:
        text: str = self.page.evaluate(LAST_TEXT)
        return text

    def is_growing(self) -> bool:
        return bool(self.page.locator("[aria-busy]").count())

    def note(self) -> str:
        text: str = self.page.locator(f"{ANSWER} .note").last.inner_text()
        return text
