"""Values as the admin shows them: always escaped, never longer than a page can take."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Model
from django.db.models.functions import Substr
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from converse_stream.models import Chunk, Message

TEXT_LIMIT = 100_000
CELL_LIMIT = 200
CHUNK_COUNT = 20
EMPTY = "-"


def text_block(text: str) -> SafeString | str:
    """Return text as it was written, in any direction, cut after `TEXT_LIMIT` characters."""
    if not text:
        return EMPTY
    rest = len(text) - TEXT_LIMIT
    more = _("… and %(count)d more characters") % {"count": rest} if rest > 0 else ""
    return format_html('<pre class="converse-text" dir="auto">{}</pre>{}', text[:TEXT_LIMIT], more)


def json_block(value: Any) -> SafeString | str:
    """Return a JSON value, indented."""
    return text_block(json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)) if value else EMPTY


def cut(text: str) -> str:
    """Return the first `CELL_LIMIT` characters."""
    return text if len(text) <= CELL_LIMIT else f"{text[:CELL_LIMIT]}…"


def link(row: Model | None, text: str) -> SafeString | str:
    """Return a link to a row's own page, or only its text where the admin has no such page."""
    if row is None:
        return EMPTY
    page = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    try:
        return format_html('<a href="{}">{}</a>', reverse(page, args=[row.pk]), text)
    except NoReverseMatch:
        return text


def username(user: Any) -> str:
    """Return how a user is called; the user model's own `__str__` might run a query for each row."""
    return str(user.get_username()) if user is not None else EMPTY


def username_lookup(path: str) -> str:
    """Return the lookup that searches the name of the user at `path`."""
    return f"{path}__{get_user_model().USERNAME_FIELD}"


def last_chunks(message: Message) -> SafeString | str:
    """Return the newest chunks as a table, oldest first. One query that reads no long column whole."""
    newest = Chunk.objects.filter(message=message).order_by("-start")[:CHUNK_COUNT]
    rows = list(newest.values_list("start", "end", "kind", "created_at", Substr("data", 1, CELL_LIMIT + 1)))
    if not rows:
        return EMPTY
    body = format_html_join(
        "\n",
        '<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class="converse-text" dir="auto">{}</td></tr>',
        ((start, end, kind, at.isoformat(), cut(data)) for start, end, kind, at, data in reversed(rows)),
    )
    titles = (_("start"), _("end"), _("kind"), _("committed"), _("data"))
    head = format_html_join("", "<th>{}</th>", ((title,) for title in titles))
    return format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", head, body)
