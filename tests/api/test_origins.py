"""Pages of other origins: they read nothing, unless the site has named them."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from rest_framework.test import APIClient

ORIGIN = "https://chat.example.com"
PATH = "/api/conversations/"
ASKED = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "idempotency-key"}


@pytest.fixture
def allowed(settings):
    settings.CONVERSE_STREAM |= {"ALLOWED_ORIGINS": [ORIGIN]}


def cors(response):
    return {name for name in response.headers if name.startswith("Access-Control")}


def test_by_default_nothing_is_said(client):
    responses = [client.get(PATH, headers={"Origin": ORIGIN}), client.options(PATH, headers=ASKED)]

    assert [cors(response) for response in responses] == [set(), set()]


def test_a_named_origin_may_ask_with_the_session_and_read(client, conversation, allowed):
    for response in (
        client.get(PATH, headers={"Origin": ORIGIN}),
        client.get(f"{PATH}{conversation.pk}/stream/", headers={"Origin": ORIGIN}),
        client.get(f"{PATH}nonsense/", headers={"Origin": ORIGIN}),
        APIClient().get(PATH, headers={"Origin": ORIGIN}),
    ):
        if response.status_code == 404:
            continue  # no view of ours
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
        assert "Idempotent-Replayed" in response.headers["Access-Control-Expose-Headers"]
        assert "Origin" in response.headers["Vary"]


def test_a_browser_is_told_before_anybody_signs_in(allowed):
    response = APIClient().options(PATH, headers=ASKED)

    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert "Idempotency-Key" in response.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "*", "", "https://chat.example.com.evil.example", "HTTPS://CHAT.EXAMPLE.COM"],
)
def test_any_other_origin_is_told_nothing(client, allowed, origin):
    responses = [client.get(PATH, headers={"Origin": origin}), client.options(PATH, headers=ASKED | {"Origin": origin})]

    assert [cors(response) for response in responses] == [set(), set()]
    assert all("Origin" in response.headers["Vary"] for response in responses)


def test_a_star_in_the_setting_opens_nothing(client, settings):
    settings.CONVERSE_STREAM |= {"ALLOWED_ORIGINS": ["*"]}

    try:
        said = cors(client.get(PATH, headers={"Origin": ORIGIN}))
    except ImproperlyConfigured as refusal:
        said = set()
        assert "never '*'" in str(refusal)

    assert said == set()
