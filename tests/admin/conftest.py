"""A superuser at the admin, and answers to look at."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from converse_stream.models import Conversation
from tests.records import person


@pytest.fixture
def owner(db):
    return person("owner")


@pytest.fixture
def conversation(owner):
    return Conversation.objects.create(owner=owner, title="Trip to Oslo", system_prompt="Be brief.")


@pytest.fixture
def query_count(db):
    def query_count(act):
        with CaptureQueriesContext(connection) as queries:
            act()
        return len(queries)

    return query_count
