"""What is committed of messages that are still being written."""

from __future__ import annotations

from collections.abc import Iterable

from converse_stream.events import fold
from converse_stream.models.choices import LIVE_STATUSES
from converse_stream.models.chunk import read_many
from converse_stream.models.leases import end_lost
from converse_stream.models.message import Message


def load_committed(messages: Iterable[Message]) -> None:
    """Read what is committed of the live ones among `messages`, in three queries for all of them.

    One that has ended since it was read becomes what it is now; one whose writer is gone is ended.
    """
    live = {str(message.pk): message for message in messages if message.is_live}
    if not live:
        return
    end_lost(live)
    using = next(iter(live.values()))._state.db
    # Status before rows: a message that ends in between has its whole content in its own row.
    rows = Message.objects.using(using).filter(pk__in=live)
    ended = [pk for pk, status in rows.values_list("pk", "status") if status not in LIVE_STATUSES]
    for row in rows.filter(pk__in=ended) if ended else ():
        live.pop(str(row.pk)).__dict__.update(row.__dict__)
    events = read_many(live, using=using)
    for pk, message in live.items():
        message.__dict__["_committed"] = fold(events.get(pk, []))
