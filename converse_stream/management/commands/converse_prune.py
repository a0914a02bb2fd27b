"""manage.py converse_prune: delete what is past its retention."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from converse_stream.retention import prune


class Command(BaseCommand):
    """Delete old chunk rows, and conversations that their owners deleted long ago."""

    help = "Deletes chunk rows past CHUNK_RETENTION, and deleted conversations past DELETED_RETENTION_DAYS."

    def handle(self, **given: Any) -> None:
        """Prune and tell."""
        pruned = prune()
        self.stdout.write(
            f"{pruned.messages} messages lost their chunks, {pruned.conversations} conversations are gone"
        )
