"""A provider's key is nowhere but in the request, whatever a server says of it: a canary is looked for everywhere."""

import json
import logging
import traceback

import pytest
from django.apps import apps
from django.core.checks import run_checks

from converse_stream.exceptions import ProviderError
from converse_stream.providers.catalogue import CATALOGUE
from converse_stream.registry import BUILT_IN, provider
from converse_stream.testing import Follower, Refusal, ReplayServer

KEY = "sk-canary-0123456789-abcdefghijklmnop"
HEADER = "canary-in-a-header-0123456789"
NAMES = [name for name in BUILT_IN if name != "demo"]
JSON, SSE, HTML = ({"content-type": kind} for kind in ("application/json", "text/event-stream", "text/html"))
REFUSED = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}}).encode()
CUT = json.dumps({"error": {"message": f"{'x' * 480} {KEY}"}}).encode()
HTTP = [
    Refusal(401, REFUSED, JSON),
    Refusal(403, CUT, JSON),
    Refusal(400, json.dumps({"error": f"the header {HEADER} or the key {KEY}"}).encode(), JSON),
    Refusal(422, json.dumps({"detail": [{"msg": f"Bearer {KEY} is no key"}]}).encode(), JSON),
    Refusal(502, f"<html><title>Bad</title>{KEY}</html>".encode(), HTML),
    Refusal(500, b"{}", JSON | {"x-request-id": f"req-{KEY}"}),
    Refusal(302, b"", {"location": f"http://127.0.0.1/?key={KEY}"}),
    Refusal(200, REFUSED, JSON),
    Refusal(200, b"hello", {"content-type": f"text/html; x={KEY}"}),
]
STREAMED = [
    Refusal(200, b"event: error\ndata: " + REFUSED + b"\n\n", SSE),
    Refusal(200, b"data: " + CUT + b"\n\n", SSE),
    Refusal(200, f"data: {KEY} is no JSON\n\n".encode(), SSE),
    Refusal(200, REFUSED, SSE),
]
LINES = [
    Refusal(200, json.dumps({"error": f"bad key {KEY}"}).encode() + b"\n", {"content-type": "application/x-ndjson"}),
    Refusal(200, f"{KEY} is no JSON\n".encode(), {"content-type": "application/x-ndjson"}),
]
TURNS = [*HTTP, *STREAMED, *LINES]

every_provider = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def configured(settings, monkeypatch):
    """Give a provider its key in one of the ways there are."""

    def configure(name: str, url: str, source: str) -> None:
        entry = {"base_url": url, "headers": {"x-gateway-key": HEADER}}
        monkeypatch.delenv(CATALOGUE[name].key_environment, raising=False)
        if source == "environment":
            monkeypatch.setenv(CATALOGUE[name].key_environment, KEY)
        else:
            entry["api_key"] = KEY if source == "setting" else lambda: KEY
        settings.CONVERSE_STREAM = {"RUNNER": "inline", "RETRIES": 0, "PROVIDERS": {name: entry}}

    return configure


def rows() -> str:
    return repr([list(model.objects.values()) for model in apps.get_app_config("converse_stream").get_models()])


def shown(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


@every_provider
@pytest.mark.parametrize("source", ["setting", "callable", "environment"])
@pytest.mark.django_db
def test_no_row_log_event_or_page_holds_it(name, source, configured, conversation, admin_client, caplog):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpcore").setLevel(logging.INFO)  # it logs headers as they come, those of a server as well
    seen, messages = [], []
    with ReplayServer(b"") as server:
        configured(name, server.url, source)
        for turn in TURNS if source == "setting" else (HTTP[0], STREAMED[0], LINES[0]):
            server.faults = turn
            message = conversation.ask("go", model=f"{name}:m")
            messages.append(message)
            follower = Follower().read(message.stream_response())
            seen.append(repr(follower.events) + json.dumps(message.to_dict()))
    pages = [
        admin_client.get(f"/admin/converse_stream/{path}").content.decode()
        for path in ["message/", "conversation/", f"conversation/{conversation.pk}/change/"]
        + [f"message/{message.pk}/change/" for message in messages]
    ]

    assert all(KEY in repr(request.headers) for request in server.requests)
    assert not any(KEY in request.path for request in server.requests)
    assert {message.status for message in messages} == {"failed"}
    found = "\n".join([rows(), caplog.text, *seen, *pages])
    assert "[key]" in found
    assert "canary" not in found


@every_provider
def test_no_exception_repr_or_address_holds_it(name, configured):
    told = []
    with ReplayServer(b"") as server:
        configured(name, server.url, "setting")
        asked = provider(f"{name}:m")
        for turn in TURNS:
            server.faults = turn
            with pytest.raises(ProviderError) as caught:
                list(asked.stream([{"role": "user", "content": "hi"}]))
            told.append(shown(caught.value))
        told.append(
            repr(asked)
            + repr(asked.prompt([]))
            + repr(asked.request(asked.prompt([{"role": "user", "content": "hi"}])))
        )

    assert "canary" not in "\n".join(told)


@every_provider
@pytest.mark.parametrize(
    "entry",
    [
        {"api_key": KEY, "base_url": "no address"},
        {"api_key": KEY, "base_url": f"https://{KEY}@host/v1"},
        {"api_key": KEY, "headers": {"x-key": f"{KEY}\n"}},
        {"api_key": KEY, "timeouts": {"idle": "long"}},
        {"apikey": KEY},
        {"api_key": KEY, "options": KEY},
    ],
)
def test_no_check_of_a_setting_that_cannot_work_quotes_it(name, entry, settings):
    settings.CONVERSE_STREAM = {"DEFAULT_MODEL": name, "PROVIDERS": {name: entry}}

    warnings = [check for check in run_checks() if check.id == "converse_stream.W002"]

    assert warnings
    assert "canary" not in repr(warnings) + "".join(map(str, warnings))
