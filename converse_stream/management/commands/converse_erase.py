"""manage.py converse_erase: delete everything recorded of one user, for good."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from converse_stream.management.commands.converse_export import find_user
from converse_stream.models import Conversation
from converse_stream.retention import erase


class Command(BaseCommand):
    """Erase a user's conversations; the user stays."""

    help = "Deletes all conversations of a user for good, answers under way included. The user's account stays."

    def add_arguments(self, parser: CommandParser) -> None:
        """Say what can be given."""
        parser.add_argument("user", help="the name that the user signs in with")
        parser.add_argument("--yes", action="store_true", help="do it")

    def handle(self, **given: Any) -> None:
        """Erase, if that is certain."""
        user = find_user(given["user"])
        if not given["yes"]:
            count = Conversation.objects.owned_by(user).count()
            raise CommandError(f"{count} conversations would be deleted for good; add --yes to do it")
        self.stdout.write(f"{erase(user)} conversations are gone")
