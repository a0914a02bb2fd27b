"""HasConversations: any model may own conversations, or be what they are about."""

import uuid

import pytest
from django.contrib.auth.models import Group

from converse_stream.models import Conversation
from tests.teams import Person, Team

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=[lambda: Team.objects.create(name="one"), lambda: Person.objects.create(username="one")])
def somebody(request):
    return request.param()


def test_conversations_are_started_and_listed(somebody):
    """Seeds: V-18"""
    first = somebody.start_conversation(title="First")
    second = somebody.start_conversation(title="Second", system_prompt="Be brief.")
    Conversation.objects.create(title="Nobody's")

    assert list(somebody.conversations) == [second, first]
    assert second.system_prompt == "Be brief."


def test_a_conversation_is_continued_by_those_it_belongs_to_only(somebody):
    """Seeds: V-18"""
    conversation = somebody.start_conversation()
    others = Conversation.objects.create()

    assert somebody.continue_conversation(conversation.pk) == conversation
    assert somebody.find_conversation(str(conversation.pk)) == conversation
    for pk in (others.pk, uuid.uuid4(), "no uuid", None, 7):
        assert somebody.find_conversation(pk) is None
        with pytest.raises(Conversation.DoesNotExist):
            somebody.continue_conversation(pk)


def test_a_deleted_conversation_is_nobodys(somebody):
    """Seeds: V-18, V-20"""
    conversation = somebody.start_conversation()
    conversation.soft_delete()

    assert somebody.find_conversation(conversation.pk) is None
    assert not somebody.conversations.exists()


def test_a_team_and_a_user_with_the_same_number_share_nothing():
    """Seeds: V-19"""
    team, person = Team.objects.create(pk=5, name="five"), Person.objects.create(pk=5, username="five")
    of_team, of_person = team.start_conversation(), person.start_conversation()

    assert (list(team.conversations), list(person.conversations)) == ([of_team], [of_person])
    of_team.refresh_from_db()
    assert (of_team.subject, of_team.owner) == (Group.objects.get(pk=5), None)
    assert of_person.owner_id == 5 and of_person.subject is None


def test_a_subject_may_have_an_owner_too(user):
    """Seeds: V-02, V-19."""
    conversation = Team.objects.create(name="one").start_conversation(owner=user)

    assert conversation in Conversation.objects.for_user(user)


def test_a_conversation_outlives_what_it_was_about():
    team = Team.objects.create(name="one")
    conversation = team.start_conversation()
    team.delete()

    conversation.refresh_from_db()
    assert conversation.subject is None


def test_who_is_not_saved_has_no_conversations():
    with pytest.raises(ValueError, match="saved"):
        Team(name="one").start_conversation()


async def test_async_code_may(db):
    team = await Team.objects.acreate(name="one")

    conversation = await team.astart_conversation(title="First")

    assert await team.afind_conversation(conversation.pk) == conversation
    assert await team.acontinue_conversation(conversation.pk) == conversation
