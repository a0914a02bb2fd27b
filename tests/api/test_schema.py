"""The OpenAPI document: complete, true, and held against the API by schemathesis with all its checks."""

import json
import logging
import os
import re
import subprocess
import sys
from uuid import UUID

import pytest
import schemathesis
from django.db import connection
from django.urls import get_resolver
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status
from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished

from converse_stream.api import urls
from converse_stream.api.base import OwnerView
from converse_stream.api.schema_operations import OPERATIONS
from converse_stream.models import Conversation
from tests.pages import ROOT, rows
from tests.records import Echo, person
from tests.servers import serve

logger = logging.getLogger(__name__)
EXAMPLES = int(os.environ.get("EXAMPLES", "10"))
PATH = "/api/schema/"
FOR_OTHER_CLIENTS = {"chat", "chat-stream", "chat-stop", "openai-chat-completions", "openai-models", None}
"""Formats of others, which are described where they come from."""


@pytest.fixture
def document(db, client):
    return client.get(f"{PATH}?format=json").json()


def test_it_needs_no_setting_and_warns_of_nothing(document, capfd):
    assert document["openapi"].startswith("3.")
    assert capfd.readouterr().err == ""


def test_every_path_and_method_is_described(document):
    ours = [route for route in get_resolver(urls.__name__).url_patterns if route.name not in FOR_OTHER_CLIENTS]
    methods = {
        (str(route.pattern).replace("<uuid:pk>", "{id}"), method.lower())
        for route in ours
        if issubclass(route.callback.cls, OwnerView)
        for method in route.callback.cls().allowed_methods
        if method not in ("OPTIONS", "HEAD")
    }

    described = {(path.removeprefix("/api/"), method) for path, item in document["paths"].items() for method in item}

    assert described == methods
    assert len(OPERATIONS) == len(methods)


def test_every_operation_has_a_name_a_summary_and_says_what_may_come_back(document):
    operations = [operation for item in document["paths"].values() for operation in item.values()]

    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        assert {"401", "403", "429"} < set(operation["responses"])


def test_streams_are_described(document):
    followed = document["paths"]["/api/messages/{id}/stream/"]["get"]["responses"]
    asked = document["paths"]["/api/conversations/{id}/messages/"]["post"]["responses"]

    assert "text/event-stream" in followed["200"]["content"]
    assert "text/event-stream" in asked["200"]["content"]
    assert set(asked["202"]["headers"]) == {"Idempotent-Replayed", "Location"}
    assert "content" not in followed["204"]


def test_the_updates_of_a_conversation_are_described(document):
    watched = document["paths"]["/api/conversations/{id}/events/"]["get"]
    in_the_documentation = rows(ROOT / "docs" / "reference" / "events.md")

    described = watched["responses"]["200"]["content"]["text/event-stream"]["schema"]["properties"]
    known = {word for first, *_ in in_the_documentation for word in re.findall(r"`(\w+)`", first)}

    assert "title" in watched["description"]
    assert "204" not in watched["responses"]
    assert {"conversation", "message", "text", "complete", "reset", "gone"} < set(described["event"]["enum"]) < known


def test_what_is_shown_is_described_as_it_is(document, conversation, client):
    schemas = document["components"]["schemas"]
    shown = client.get(f"/api/conversations/{conversation.pk}/").json()

    assert set(schemas["Message"]["properties"]) == set(conversation.add_user_message("Hi").to_dict())
    assert set(schemas["Conversation"]["properties"]) == set(shown)


def test_what_a_site_allows_is_what_is_described(client, settings):
    settings.CONVERSE_STREAM |= {
        "CLIENT_MODELS": ["echo:small"],
        "CLIENT_OPTIONS": ["seed"],
        "PUBLIC_METADATA": ["tab"],
        "MAX_PROMPT_CHARS": 7,
    }

    schemas = client.get(f"{PATH}?format=json").json()["components"]["schemas"]

    question = schemas["QuestionRequest"]["properties"]
    assert '"enum": ["echo:small"]' in json.dumps(schemas)
    assert "pattern" not in json.dumps(question["model"])
    assert set(question["options"]["properties"]) == {"seed"}
    assert question["content"]["maxLength"] == 7
    assert set(schemas["PatchedConversationRequest"]["properties"]["metadata"]["properties"]) == {"tab"}


def test_anybody_may_read_it_as_yaml_or_json(db):
    client = APIClient()

    assert client.get(PATH).headers["Content-Type"] == "application/vnd.oai.openapi; charset=utf-8"
    assert client.get(PATH, HTTP_ACCEPT="application/json").json()["info"]["title"] == "converse_stream"


RULES = {
    # No cursor that is made up is one of the message, and not any two days make a range.
    ("conversations_follow", "conversations_watch", "messages_follow", "usage"): ["2xx", "400", "401", "403", "404"],
    # A key may have come before, with another body.
    ("messages_ask", "messages_retry", "messages_regenerate", "messages_edit"): ["2xx", "401", "403", "404", "422"],
}
"""The statuses of what is right by the document and refused by a rule that it cannot express."""
CONFIG = {
    "generation": {"max-examples": EXAMPLES, "deterministic": EXAMPLES <= 10},
    "operations": [
        {"include-operation-id": name, "checks": {"positive_data_acceptance": {"expected-statuses": statuses}}}
        for names, statuses in RULES.items()
        for name in names
    ],
}


def test_without_drf_spectacular_everything_else_works():
    program = """
import importlib.util, sys
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "drf_spectacular" else real(name, *rest)
import django
django.setup()
from converse_stream.api.urls import urlpatterns
names = {route.name for route in urlpatterns}
assert "message-list" in names and "schema" not in names
assert "drf_spectacular" not in sys.modules
"""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}

    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)


SETTINGS = {
    "RUNNER": "inline",
    "DEFAULT_MODEL": "echo",
    "PROVIDERS": {"echo": {"class": "tests.records.Echo"}},
    "PUBLIC_METADATA": ["tab"],
    "CLIENT_MODELS": ["echo", "echo:small"],
    "WHEN_BUSY": "interrupt",
    "MAX_PROMPT_CHARS": 500,
    "SSE_MAX_SECONDS": 0.01,
    "SSE_HEARTBEAT": 0.01,
}


@pytest.fixture
def api(transactional_db, settings):
    """The document of a site where somebody with a token has a conversation, and somebody else, too."""
    settings.CONVERSE_STREAM = {**SETTINGS, "PROVIDERS": {"echo": Echo("echo")}}
    owner = person("reader")
    token = Token.objects.create(user=owner)
    Conversation.objects.create(owner=person("other")).ask("Theirs")
    rows = Rows(owner)
    # The server's own limits of a request's line and headers are not what is tried here.
    unlimited = "--graceful-timeout 2 --limit-request-line 0 --limit-request-field_size 0"
    with serve("gunicorn", settings=SETTINGS, GUNICORN_CMD_ARGS=unlimited) as url:
        config = SchemathesisConfig.from_dict(CONFIG)
        schema = schemathesis.openapi.from_url(f"{url}{PATH}?format=json", config=config)

        @schema.hook
        def map_path_parameters(context, path_parameters):
            """Name a row there is, more often than one there is not."""
            pk = (path_parameters or {}).get("id")
            if not _is_uuid(pk) or UUID(pk).int % 4 == 0:
                return path_parameters
            return {"id": str(rows.named_in(context.operation.path, context.operation.method))}

        @schema.auth()
        class TokenAuth:
            def get(self, case, context):
                return token.key

            def set(self, case, data, context):
                case.headers["Authorization"] = f"Token {data}"

        yield schema


class Rows:
    """A conversation with a question and an answer: another one now and then, so that none grows for ever."""

    RENEWED_AFTER = 50

    def __init__(self, owner):
        self.owner = owner
        self.asked = 0
        self.renew()

    def renew(self):
        self.conversation = Conversation.objects.create(owner=self.owner, title="Mine")
        self.answer = self.conversation.ask("Hello there")

    def named_in(self, path, method):
        """Return the id of a row for a path. Called in a thread that nobody cleans up behind."""
        try:
            self.asked += 1
            if method == "delete" or not self.asked % self.RENEWED_AFTER:
                self.renew()
            if "/conversations/" in path:
                return self.conversation.pk
            return self.answer.parent_id if path.endswith("/edit/") else self.answer.pk
        finally:
            connection.close()


def _is_uuid(text):
    try:
        return bool(UUID(text))
    except (ValueError, TypeError, AttributeError):
        return False


@pytest.mark.schema
@pytest.mark.slow
@pytest.mark.timeout(0)
def test_the_api_does_what_the_document_says(api):
    failures, calls = {}, 0
    for event in schemathesis.engine.from_schema(api).execute():
        if isinstance(event, NonFatalError | FatalError):
            pytest.fail(
                f"{getattr(event, 'label', '')}: {event.value if hasattr(event, 'value') else event.exception!r}"
            )
        if isinstance(event, ScenarioFinished):
            made = len(event.recorder.interactions)
            calls += made
            if made:
                logger.info("%s %s: %d requests", event.phase.value, event.label or "", made)
            for name, failure in failed(event):
                failures.setdefault((event.label, name), failure)

    assert calls > len(OPERATIONS)
    assert not failures, "\n\n".join(f"{label}: {name}\n{failure}" for (label, name), failure in failures.items())


def failed(event):
    """Yield the checks that failed, each with what was sent and what came back."""
    for case_id, checks in event.recorder.checks.items():
        sent, came_back = event.recorder.interactions[case_id].request, event.recorder.interactions[case_id].response
        for check in checks:
            if check.name == "use_after_free" and was_restored(sent.uri, event.recorder.interactions.values()):
                continue
            if check.status == Status.FAILURE:
                about = check.failure_info
                yield check.name, f"{about.failure}\n{about.code_sample}\n{came_back.status_code} {came_back.content}"


def was_restored(uri, interactions):
    """Tell whether the conversation of an address was given back after its deletion, which schemathesis cannot know."""
    restored = [re.search(r"(/conversations/[^/]+/)restore/", interaction.request.uri) for interaction in interactions]
    return any(found and found[1] in uri for found in restored)


def test_a_conversation_is_known_to_be_restored():
    class Interaction:
        def __init__(self, uri):
            self.request = type("Request", (), {"uri": uri})

    calls = [Interaction(f"http://host/api/conversations/{uri}") for uri in ("1/", "2/restore/", "2/messages/?a=b")]

    assert not was_restored("http://host/api/conversations/1/messages/", calls)
    assert was_restored("http://host/api/conversations/2/messages/", calls)
