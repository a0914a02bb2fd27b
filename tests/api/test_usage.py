"""Usage: the user's own figures, added up by model and by day."""

import datetime
from decimal import Decimal

import pytest
from django.utils import timezone

from converse_stream.models import Conversation, Message

PATH = "/api/usage/"
DAY = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)


@pytest.fixture(autouse=True)
def utc(settings):
    settings.TIME_ZONE = "UTC"


@pytest.fixture
def used(owner):
    """Return what makes an answer with figures."""
    numbers = iter(range(1, 100))
    mine = Conversation.objects.create(owner=owner)

    def used(at=DAY, conversation=mine, **fields):
        values = {"role": "assistant", "provider": "openai", "model": "luna", **fields}
        message = Message.objects.create(conversation=conversation, number=next(numbers), **values)
        Message.objects.filter(pk=message.pk).update(created_at=at)

    return used


def get(client, **query):
    return client.get(PATH, {"since": "2026-11-19", "until": "2026-11-21", **query}).json()


def test_figures_are_added_up_by_model_and_by_day(client, used):
    """Seeds: V-26, F-12."""
    used(input_tokens=10, output_tokens=5, cost=Decimal("0.10"))
    used(input_tokens=1, output_tokens=2, cost=Decimal("0.00000001"), status="failed")
    used(DAY + datetime.timedelta(days=1), model="sol", output_tokens=7, status="cancelled")

    usage = get(client)

    assert usage["total"] == {
        "answers": 3,
        "failed": 1,
        "cancelled": 1,
        "input_tokens": 11,
        "output_tokens": 14,
        "cached_tokens": None,
        "reasoning_tokens": None,
        "cost": "0.10000001",
    }
    assert [(row["provider"], row["model"], row["output_tokens"]) for row in usage["models"]] == [
        ("openai", "luna", 7),
        ("openai", "sol", 7),
    ]
    assert [(row["day"], row["answers"]) for row in usage["days"]] == [("2026-11-20", 2), ("2026-11-21", 1)]


def test_questions_do_not_count_and_neither_does_anybody_else(client, used, stranger):
    """Seeds: F-12."""
    used(role="user", input_tokens=1)
    used(conversation=Conversation.objects.create(owner=stranger), input_tokens=1)
    used(conversation=Conversation.objects.create(), input_tokens=1)

    assert get(client)["total"]["answers"] == 0


def test_what_was_deleted_was_paid_for(client, used, owner):
    used(conversation=Conversation.objects.create(owner=owner, deleted_at=timezone.now()), input_tokens=1)

    assert get(client)["total"]["input_tokens"] == 1


def test_both_days_are_included_and_none_besides(client, used):
    for hour in (-25, -24, 23, 24):
        used(DAY.replace(hour=0) + datetime.timedelta(hours=hour), input_tokens=1)

    usage = get(client, since="2026-11-19", until="2026-11-20")

    assert [row["day"] for row in usage["days"]] == ["2026-11-19", "2026-11-20"]
    assert usage["total"]["answers"] == 2


def test_days_are_those_of_the_sites_time_zone(client, used, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    used(datetime.datetime(2026, 11, 20, 16, tzinfo=datetime.UTC), input_tokens=1)

    assert [row["day"] for row in get(client)["days"]] == ["2026-11-21"]


def test_without_days_it_is_the_last_thirty(client, used):
    used(timezone.now(), input_tokens=1)

    usage = client.get(PATH).json()

    until = datetime.date.fromisoformat(usage["until"])
    assert until - datetime.date.fromisoformat(usage["since"]) == datetime.timedelta(days=29)
    assert usage["total"]["answers"] == 1


@pytest.mark.parametrize(
    "query",
    [
        {"since": "2026-11-22"},
        {"since": "2025-11-20"},
        {"until": "0001-01-01", "since": "0001-01-01"},
        {"until": "9999-12-31", "since": "9999-12-31"},
        {"since": "yesterday"},
        {"until": "\x00"},
    ],
    ids=str,
)
def test_a_range_that_is_none_is_refused(client, query):
    response = client.get(PATH, {"since": "2026-11-19", "until": "2026-11-21", **query})

    assert response.status_code == 400


def test_a_year_is_a_range(client):
    assert client.get(PATH, {"since": "2024-01-01", "until": "2024-12-31"}).status_code == 200


def test_a_day_without_the_other_is_a_range_too(client):
    assert client.get(PATH, {"until": "2026-02-01"}).json()["since"] == "2026-01-03"
    assert client.get(PATH, {"since": "2999-12-31"}).json()["until"] == "2999-12-31"
    assert client.get(PATH, {"since": "2000-01-01"}).json()["until"] == "2000-12-31"


def test_it_costs_the_same_however_much_there_is(client, used, query_count):
    used(input_tokens=1)
    one = query_count(lambda: get(client))
    for number in range(20):
        used(DAY, model=str(number), input_tokens=1)

    assert query_count(lambda: get(client)) == one
