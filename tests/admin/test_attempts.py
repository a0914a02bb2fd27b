"""The calls of an answer on its page: who was asked, what came of it, what it cost."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from converse_stream.models import Attempt
from tests.records import answered, person

XSS = '<script>alert("x")</script>'


@pytest.fixture
def message(conversation):
    message = answered(conversation)
    message.attempts.create(provider="groq", model="fast", outcome="failed", error_code="overloaded", duration=0.5)
    message.attempts.create(
        provider="openai",
        model="slow",
        served_model=XSS,
        outcome="complete",
        cost=Decimal("0.00737500"),
        request_id="req-1",
    )
    type(message).objects.filter(pk=message.pk).update(cost=Decimal("0.00737500"))
    return message


def page_of(client, message):
    response = client.get(f"/admin/converse_stream/message/{message.pk}/change/")
    assert response.status_code == 200
    return response.content.decode()


def test_the_calls_are_on_the_page_of_their_message_in_order(admin_client, message):
    page = page_of(admin_client, message)

    assert page.index("groq") < page.index("req-1")
    for shown in ("overloaded", "fast", "openai", "slow", "0.00737500"):
        assert shown in page
    assert XSS not in page


def test_the_price_is_in_the_list(admin_client, message):
    page = admin_client.get("/admin/converse_stream/message/").content.decode()

    assert "0.00737500" in page


def test_who_may_look_may_not_change_the_calls(message):
    staff = person("staff", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_message"))
    client = Client()
    client.force_login(staff)

    page = page_of(client, message)

    assert "req-1" in page
    assert 'name="attempts-0-provider"' not in page


def test_a_page_costs_the_same_for_one_call_and_for_many(admin_client, message, query_count):
    page_of(admin_client, message)  # what is read once in a process
    few = query_count(lambda: page_of(admin_client, message))
    Attempt.objects.bulk_create(Attempt(message=message, provider="groq") for _ in range(20))

    assert query_count(lambda: page_of(admin_client, message)) == few
