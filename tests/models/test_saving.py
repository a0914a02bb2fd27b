"""A conversation that is saved as any model is, while it goes on elsewhere."""

import pytest
from django.db import DatabaseError, transaction

from converse_stream.models import Conversation

pytestmark = pytest.mark.django_db


def test_saving_turns_no_counter_back(conversation):
    elsewhere = Conversation.objects.get(pk=conversation.pk)
    elsewhere.add_user_message("Hi")
    elsewhere.add_user_message("Ho")

    conversation.title = "Greetings"
    conversation.save()

    assert conversation.add_user_message("And?").number == 3
    assert Conversation.objects.get().title == "Greetings"


@pytest.mark.parametrize("options", [{}, {"update_fields": ["title"]}], ids=["all", "the title"])
def test_who_watches_learns_that_it_was_saved(conversation, options):
    conversation.title = "Greetings"
    conversation.save(**options)

    changed = Conversation.objects.get()
    assert (changed.title, changed.revision) == ("Greetings", conversation.revision + 1)


def test_only_what_was_loaded_is_saved(conversation, django_assert_num_queries):
    Conversation.objects.update(system_prompt="Be brief.")
    loaded = Conversation.objects.only("title").get()
    loaded.title = "Greetings"

    with django_assert_num_queries(2):
        loaded.save()

    stored = Conversation.objects.get()
    assert (stored.title, stored.system_prompt, stored.owner) == ("Greetings", "Be brief.", conversation.owner)


def test_a_new_one_is_inserted_and_one_that_was_deleted_does_not_come_back(conversation):
    copy = Conversation(owner=conversation.owner, title="Another")
    copy.save()
    Conversation.objects.filter(pk=conversation.pk).delete()

    with pytest.raises(DatabaseError), transaction.atomic():
        conversation.save()

    assert Conversation.objects.get() == copy


async def test_it_is_saved_from_async_code_too(transactional_db, conversation):
    conversation.title = "Greetings"

    await conversation.asave()

    assert (await Conversation.objects.aget()).title == "Greetings"
