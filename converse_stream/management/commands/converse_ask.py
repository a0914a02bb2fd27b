"""manage.py converse_ask: ask a model, and print its answer as it comes."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from converse_stream.exceptions import ConverseError
from converse_stream.models import Conversation, Message

INTERRUPTED = 130
"""What shells expect of a program that Ctrl+C has ended."""


class Command(BaseCommand):
    """Ask a question in a conversation of its own."""

    help = "Asks a model and prints its answer as it comes. Ctrl+C stops the answer; its text so far is kept."

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what can be given."""
        parser.add_argument("question")
        parser.add_argument(
            "--model",
            action="append",
            dest="models",
            metavar="PROVIDER:MODEL",
            help="who is to answer, DEFAULT_MODEL if not given; given again, who is asked next",
        )
        parser.add_argument("--no-stream", action="store_true", help="ask for the whole answer at once")
        parser.add_argument("--system", default="", metavar="TEXT", help="what the model is told before the question")
        parser.add_argument("--user", metavar="NAME", help="whose conversation it is to be; nobody's if not given")

    def handle(self, **given: Any) -> None:
        """Ask, print and tell how it went."""
        message = _ask(given)
        interrupted = False
        try:
            self._show(message)
        except KeyboardInterrupt:
            interrupted = True
            message.cancel()
            self._show(message, after=self._cursor)
        message.wait()
        self._tell(message)
        error = message.public_error()
        if error:
            raise CommandError(f"{error['message']} ({error['code']})")
        if interrupted:
            raise SystemExit(INTERRUPTED)

    def _show(self, message: Message, after: int | str = 0) -> None:
        self._cursor = after
        for event in message.follow(after=after):
            self.stdout.write(event.text, ending="\n" if event.is_ending else "")
            self.stdout.flush()
            self._cursor = event.id

    def _tell(self, message: Message) -> None:
        facts = [f"{message.provider}:{message.model}", message.status]
        if message.input_tokens is not None or message.output_tokens is not None:
            facts.append(f"{_known(message.input_tokens)} tokens in, {_known(message.output_tokens)} out")
        if message.first_delta_at and message.started_at:
            facts.append(f"first token after {(message.first_delta_at - message.started_at).total_seconds():.2f} s")
        if message.duration is not None:
            facts.append(f"{message.duration:.2f} s")
        if message.cost is not None:
            facts.append(f"${message.cost:.6f}")
        self.stderr.write(" · ".join([*facts, f"message {message.pk}"]), style_func=str)


def _ask(given: dict[str, Any]) -> Message:
    owner = _user(given["user"]) if given["user"] else None
    conversation = Conversation.objects.create(owner=owner, system_prompt=given["system"])
    options = {"stream": False} if given["no_stream"] else None
    try:
        return conversation.ask(given["question"], model=given["models"], options=options)
    except (ConverseError, ImproperlyConfigured) as error:
        conversation.delete()
        raise CommandError(str(error)) from error


def _user(name: str) -> Any:
    users = get_user_model()
    try:
        return users._default_manager.get_by_natural_key(name)
    except users.DoesNotExist as error:
        raise CommandError(f"there is no user {name!r}") from error


def _known(count: int | None) -> str:
    return "?" if count is None else str(count)
