"""The chat component as a person sees it. Nothing is evaluated in the page that its strict policy would refuse."""

from collections.abc import Callable
from time import monotonic
from typing import Any

MESSAGES = "document.querySelector('converse-chat').messages"


class Component:
    """One tab with the component in it."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.address = address
        self.box = page.get_by_label("Message", exact=True)
        self.stop = page.get_by_role("button", name="Stop")
        self.answers = page.locator("article.assistant")

    def begin(self) -> None:
        """Open the page that begins a conversation."""
        self.page.goto(f"{self.address}/chat-page/")

    def ask(self, question: str) -> None:
        """Type a question and send it. Return when it is on the page."""
        before = len(self.messages())
        self.box.fill(question)
        self.box.press("Enter")
        self.until(lambda: len(self.messages()) >= before + 2)

    def messages(self) -> list[dict[str, str]]:
        messages: list[dict[str, str]] = self.page.evaluate(MESSAGES)
        return messages

    @property
    def text(self) -> str:
        """The newest answer as the model has written it."""
        return next((message["text"] for message in reversed(self.messages()) if message["role"] == "assistant"), "")

    @property
    def is_growing(self) -> bool:
        return bool(self.page.locator("[aria-busy]").count())

    def until(self, condition: Callable[[], object], seconds: float = 30) -> None:
        """Wait until a condition holds, while the page goes on."""
        over = monotonic() + seconds
        while not condition():
            if monotonic() > over:
                raise AssertionError(f"it was not so within {seconds} s")
            self.page.wait_for_timeout(60)

    def grown(self, at_least: int) -> str:
        """Wait until the newest answer has so many characters and return it."""
        self.until(lambda: len(self.text) >= at_least)
        return self.text

    def ended(self) -> str:
        """Wait until the newest answer has ended and is shown whole, and return it."""
        self.until(lambda: self.messages() and self.messages()[-1]["status"] in ("complete", "failed", "cancelled"))
        self.until(lambda: not self.is_growing)
        return self.text
