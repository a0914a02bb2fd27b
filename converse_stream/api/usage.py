"""What a user's answers have used: tokens, cost and counts, by model and by day."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from converse_stream.api.base import OwnerView
from converse_stream.conf import django_setting
from converse_stream.models import Message, Role, Status

TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
COUNTS = ("answers", "failed", "cancelled")
MAX_DAYS = 366
DEFAULT_DAYS = 30
FIRST, LAST = datetime.date(2000, 1, 1), datetime.date(2999, 12, 31)


class RangeSerializer(serializers.Serializer[Any]):
    """From which day to which, both included; the last 30 days unless they are named."""

    since = serializers.DateField(required=False)
    until = serializers.DateField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return both days. Raise ValidationError for a range that is none, or longer than a year."""
        until = attrs.get("until") or timezone.localdate()
        if "since" in attrs and "until" not in attrs and FIRST <= attrs["since"] <= LAST:
            a_year_later = attrs["since"] + datetime.timedelta(days=MAX_DAYS - 1)
            until = min(max(until, attrs["since"]), a_year_later)
        if not FIRST <= until <= LAST:
            raise serializers.ValidationError({"until": [_("This day is out of range.")]})
        since = attrs.get("since") or until - datetime.timedelta(days=DEFAULT_DAYS - 1)
        if not until - datetime.timedelta(days=MAX_DAYS) < since <= until:
            raise serializers.ValidationError({"since": [_("Name a range of 1 to 366 days.")]})
        return {"since": since, "until": until}


class Usage(OwnerView):
    """GET tells what the user's answers have used from `?since=` to `?until=`, in deleted conversations too."""

    def get(self, request: Request) -> Response:
        """Return the figures, from one query."""
        wanted = RangeSerializer(data=request.query_params.dict())
        wanted.is_valid(raise_exception=True)
        since, until = wanted.validated_data["since"], wanted.validated_data["until"]
        rows = list(_rows(request.user, since, until))
        by_model, by_day = _grouped(rows, ("provider", "model")), _grouped(rows, ("day",))
        total = _grouped(rows, ())
        return Response(
            {
                "since": since,
                "until": until,
                "total": total[0] if total else _sums([]),
                "models": by_model,
                "days": by_day,
            }
        )


def _rows(user: Any, since: datetime.date, until: datetime.date) -> Iterable[dict[str, Any]]:
    """Return the sums of each model on each day, days as the current time zone has them."""
    begin, end = _midnight(since), _midnight(until + datetime.timedelta(days=1))
    answers = Message.objects.filter(
        conversation__owner=user, role=Role.ASSISTANT, created_at__gte=begin, created_at__lt=end
    )
    figures = {
        "answers": Count("pk"),
        "failed": Count("pk", filter=Q(status=Status.FAILED)),
        "cancelled": Count("pk", filter=Q(status=Status.CANCELLED)),
        **{f"sum_{name}": Sum(name) for name in (*TOKENS, "cost")},
    }
    by = answers.annotate(day=TruncDate("created_at")).values("day", "provider", "model")
    rows = by.annotate(**figures).order_by("day", "provider", "model")
    return ({name.removeprefix("sum_"): value for name, value in row.items()} for row in rows)


def _midnight(day: datetime.date) -> datetime.datetime:
    at = datetime.datetime.combine(day, datetime.time.min)
    return timezone.make_aware(at) if django_setting("USE_TZ") else at


def _grouped(rows: Iterable[Mapping[str, Any]], keys: tuple[str, ...]) -> list[dict[str, Any]]:
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return [dict(zip(keys, of, strict=True)) | _sums(group) for of, group in groups.items()]


def _sums(rows: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Add the figures up; what nobody has counted is null, not 0."""
    sums: dict[str, Any] = {name: sum(row[name] for row in rows) for name in COUNTS}
    for name in (*TOKENS, "cost"):
        known = [row[name] for row in rows if row[name] is not None]
        sums[name] = sum(known) if known else None
    if isinstance(sums["cost"], Decimal):
        # SQLite adds decimals up as floats: to the places that the column has.
        sums["cost"] = f"{sums['cost']:.8f}"
    return sums
