"""The list of conversations: search, pages, another name, deleted and taken back."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from converse_stream.models import Conversation
from converse_stream.pages import lists

pytestmark = pytest.mark.django_db


def names(page):
    return [name.strip() for name in re.findall(r'converse-name" href="[^"]+">\s*<bdi>(.*?)</bdi>', page, re.DOTALL)]


@pytest.fixture
def many(owner):
    """Seven conversations, the last one newest, three of them changed at the same moment."""
    rows = [Conversation.objects.create(owner=owner, title=f"c{number}") for number in range(7)]
    now = timezone.now()
    for number, row in enumerate(rows):
        Conversation.objects.filter(pk=row.pk).update(updated_at=now + timedelta(seconds=max(number, 3)))
    return rows


def test_the_list_shows_titles_or_first_words_and_nobody_elses(someone, conversation, stranger):
    conversation.ask("What is a cursor?")
    Conversation.objects.create(owner=stranger, title="Hers")
    Conversation.objects.create(owner=conversation.owner, title="Mine")
    Conversation.objects.create(owner=conversation.owner)

    assert names(someone.open("list")) == ["Nothing said yet", "Mine", "What is a cursor?"]


def test_pages_show_each_conversation_once_though_one_changes_meanwhile(someone, many, monkeypatch):
    monkeypatch.setattr(lists, "SHOWN_CONVERSATIONS", 2)
    seen, address = [], "?q="

    while address:
        page = someone.open("list", query=address)
        seen += names(page)
        link = re.search(r'href="(\?after=[^"]+)" rel="next"', page)
        address = link and link[1]
        Conversation.objects.filter(pk=many[0].pk).update(updated_at=timezone.now() + timedelta(hours=1))

    assert sorted(seen) == sorted({each.title for each in many} - ({"c0"} - set(seen)))
    assert len(seen) == len(set(seen)) >= 6


@pytest.mark.parametrize(
    "place", ["x", "1", "1.x", f"{10**17}.{'0' * 32}", f"1.{'0' * 31}", "", "٣.00000000000000000000000000000000"]
)
def test_a_cursor_that_is_none_of_ours_is_not_found(someone, place):
    someone.open("list", query=f"?after={place}")

    assert someone.page.status_code == 404


def test_a_search_finds_titles_and_messages_and_keeps_its_words_on_the_way(someone, many, monkeypatch):
    monkeypatch.setattr(lists, "SHOWN_CONVERSATIONS", 1)
    many[0].ask("needle")
    many[1].ask("Needle & thread")

    page = someone.open("list", query="?q=needle")

    assert names(page) == ["c1"]
    assert 'value="needle"' in page
    link = re.search(r'href="(\?after=[^"]+)" rel="next"', page)[1].replace("&amp;", "&")
    assert names(someone.open("list", query=link)) == ["c0"]


def test_a_search_for_anything_breaks_nothing(someone, conversation):
    for words in ("%00", "%ED%A0%80", "%25_", "x" * 5_000, "%E2%80%AE"):
        someone.open("list", query=f"?q={words}")
        assert someone.page.status_code == 200
        assert "No conversation has" in someone.text


def test_another_name_is_stored_and_watchers_are_told(someone, conversation):
    someone.open("rename", conversation.pk)

    someone.send(someone.form("^$"), title="  Cats & dogs ")

    before, after = conversation.revision, Conversation.objects.get(pk=conversation.pk)
    assert (after.title, after.revision) == ("Cats & dogs", before + 1)
    assert "Cats &amp; dogs" in someone.text


def test_a_name_that_is_too_long_is_told_and_not_lost(someone, conversation):
    someone.open("rename", conversation.pk)

    someone.send(someone.form("^$"), title="x" * 201)

    assert someone.page.status_code == 400
    assert 'aria-invalid="true"' in someone.text
    assert someone.form("^$")["title"] == "x" * 201
    conversation.refresh_from_db()
    assert conversation.title == ""


def test_what_is_deleted_is_gone_until_that_is_undone(someone, conversation):
    conversation.ask("Hello")
    someone.open("list")

    someone.send(someone.form("delete/"))

    assert names(someone.text) == []
    assert "Deleted:" in someone.text
    assert someone.client.get(f"/chat/{conversation.pk}/").status_code == 404
    someone.send(someone.form("restore/"))
    assert someone.said == ["Hello", "Hello"]


def test_undo_offers_only_what_one_has_deleted_oneself(someone, stranger, conversation):
    hers = Conversation.objects.create(owner=stranger, title="Hers")
    hers.soft_delete()

    for pk in (hers.pk, conversation.pk, "x"):
        assert "Deleted:" not in someone.open("list", query=f"?deleted={pk}")


def test_the_list_costs_the_same_however_long_it_is(someone, many, django_assert_max_num_queries):
    with django_assert_max_num_queries(3):
        someone.open("list")
