"""Querysets of messages."""

import pytest

from converse_stream.models import Message, Role, Status
from converse_stream.testing import MessageFactory

pytestmark = pytest.mark.django_db


def test_scopes_find_messages_by_role_and_status(conversation):
    """Seeds: V-15."""
    MessageFactory(conversation=conversation, user=True)
    for state in ("complete", "failed", "cancelled", "streaming"):
        MessageFactory(conversation=conversation, **{state: True})
    messages = conversation.messages

    assert [message.role for message in messages.user()] == [Role.USER]
    assert messages.assistant().count() == messages.by_role("assistant").count() == 4
    assert not messages.system().exists()
    assert not messages.tool().exists()
    answers = messages.assistant()
    assert [answer.status for answer in answers.complete()] == [Status.COMPLETE]
    assert [answer.status for answer in answers.failed()] == [Status.FAILED]
    assert [answer.status for answer in answers.cancelled()] == [Status.CANCELLED]
    assert list(answers.streaming()) == list(answers.live()) == [answers.get(status=Status.STREAMING)]
    assert Message.objects.for_user(conversation.owner).failed().assistant().count() == 1
