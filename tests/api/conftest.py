"""Two people, one conversation, and a client for each of them. Answers are written inline."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from converse_stream.models import Conversation
from tests.records import Echo, person


@pytest.fixture(autouse=True)
def inline(settings):
    settings.CONVERSE_STREAM = {"RUNNER": "inline", "DEFAULT_MODEL": "echo", "PROVIDERS": {"echo": Echo("echo")}}


@pytest.fixture
def owner(db):
    return person("owner")


@pytest.fixture
def stranger(db):
    return person("stranger")


@pytest.fixture
def conversation(owner):
    return Conversation.objects.create(owner=owner, title="Mine")


@pytest.fixture
def client(owner):
    client = APIClient()
    client.force_login(owner)
    return client


@pytest.fixture
def query_count(db):
    def query_count(act):
        with CaptureQueriesContext(connection) as queries:
            act()
        return len(queries)

    return query_count
