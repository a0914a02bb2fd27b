"""The conversations page: looking, searching, and the one thing that can be done, deleting."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from converse_stream.models import Chunk, Conversation, Message
from tests.records import answered, person

LIST = "/admin/converse_stream/conversation/"
XSS = '<script>alert("x")</script>'


def html(response):
    assert response.status_code == 200
    return response.content.decode()


def page_of(conversation):
    return f"{LIST}{conversation.pk}/change/"


@pytest.fixture
def written(conversation):
    conversation.add_user_message("Hi")
    answered(conversation)
    conversation.start_stream().append("So far").data("progress", 1)
    return conversation


def test_the_list_shows_who_talks_about_what(admin_client, written):
    page = html(admin_client.get(LIST))

    assert "Trip to Oslo" in page
    assert '<td class="field-owner_name">owner</td>' in page
    assert '<td class="field-last_number">3</td>' in page
    assert "Be brief." not in page


def test_the_list_costs_the_same_for_one_and_for_thirty(admin_client, conversation, query_count):
    one = query_count(lambda: admin_client.get(LIST))
    for number in range(29):
        Conversation.objects.create(owner=person(f"user{number}"))

    assert query_count(lambda: admin_client.get(LIST)) == one


@pytest.mark.parametrize(("term", "found"), [("oslo", 1), ("owner", 1), ("bergen", 0)])
def test_search_finds_title_and_owner(admin_client, conversation, term, found):
    Conversation.objects.create(title="Other")

    assert html(admin_client.get(LIST, {"q": term})).count("field-owner_name") == found


def test_search_finds_an_id(admin_client, conversation):
    Conversation.objects.create(title="Other")

    assert html(admin_client.get(LIST, {"q": str(conversation.pk)})).count("field-owner_name") == 1


def test_the_page_has_the_prompt_and_leads_to_the_messages(admin_client, written):
    page = html(admin_client.get(page_of(written)))
    messages = f"/admin/converse_stream/message/?conversation__id__exact={written.pk}"

    assert "Be brief." in page
    assert messages in page
    assert html(admin_client.get(messages)).count('class="field-status"') == 3


def test_nothing_that_anybody_wrote_becomes_markup(admin_client):
    conversation = Conversation.objects.create(
        title=XSS, system_prompt=XSS, model=XSS, options={XSS: XSS}, metadata={XSS: XSS}
    )

    for page in (page_of(conversation), LIST, f"{LIST}{conversation.pk}/delete/"):
        assert "<script>alert" not in html(admin_client.get(page))


def test_a_conversation_can_be_neither_added_nor_changed(admin_client, conversation):
    responses = [admin_client.get(f"{LIST}add/"), admin_client.post(page_of(conversation), {"title": "Other"})]

    assert [response.status_code for response in responses] == [403, 403]
    assert Conversation.objects.get().title == "Trip to Oslo"


def test_deleting_takes_messages_and_chunks_along(admin_client, written):
    """Seeds: V-01."""
    asked = html(admin_client.get(f"{LIST}{written.pk}/delete/"))
    response = admin_client.post(f"{LIST}{written.pk}/delete/", {"post": "yes"})

    assert "Messages: 3" in asked or "messages: 3" in asked
    assert response.status_code == 302
    assert not (Conversation.objects.exists() or Message.objects.exists() or Chunk.objects.exists())


def test_several_can_be_deleted_at_once(admin_client, written, owner):
    other = Conversation.objects.create(owner=owner)
    action = {"action": "delete_selected", "_selected_action": [written.pk, other.pk], "post": "yes"}

    response = admin_client.post(LIST, action)

    assert response.status_code == 302
    assert not (Conversation.objects.exists() or Message.objects.exists() or Chunk.objects.exists())


def test_asking_whether_to_delete_costs_the_same_for_any_length(admin_client, conversation, query_count):
    url = f"{LIST}{conversation.pk}/delete/"
    empty = query_count(lambda: admin_client.get(url))
    for number in range(30):
        conversation.add_user_message(str(number))

    assert query_count(lambda: admin_client.get(url)) == empty


def test_deleting_needs_its_permission(written):
    staff = person("staff", is_staff=True)
    staff.user_permissions.add(Permission.objects.get(codename="view_conversation"))
    client = Client()
    client.force_login(staff)

    refused = client.post(f"{LIST}{written.pk}/delete/", {"post": "yes"})

    assert refused.status_code == 403
    staff.user_permissions.add(Permission.objects.get(codename="delete_conversation"))
    assert client.post(f"{LIST}{written.pk}/delete/", {"post": "yes"}).status_code == 302


def test_a_user_with_conversations_can_be_deleted(admin_client, written, owner):
    response = admin_client.post(f"/admin/auth/user/{owner.pk}/delete/", {"post": "yes"})

    assert response.status_code == 302
    assert not (Conversation.objects.exists() or Message.objects.exists() or Chunk.objects.exists())
