"""manage.py converse_export: everything recorded of one user, as JSON."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from converse_stream.retention import export


class Command(BaseCommand):
    """Write a user's conversations."""

    help = "Writes all conversations of a user, deleted ones too, with their messages: one line of JSON for each."

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what can be given."""
        parser.add_argument("user", help="the name that the user signs in with")

    def handle(self, **given: Any) -> None:
        """Write line by line."""
        for conversation in export(find_user(given["user"])):
            self.stdout.write(json.dumps(conversation, ensure_ascii=False))


def find_user(name: str) -> Any:
    """Return the user of this name. Raise CommandError."""
    users = get_user_model()
    try:
        return users._default_manager.get_by_natural_key(name)
    except users.DoesNotExist as error:
        raise CommandError(f"there is no user {name!r}") from error
