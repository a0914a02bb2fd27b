"""Conversations over REST."""

import pytest

from converse_stream.models import Conversation

PATH = "/api/conversations/"


def test_opening_one_answers_with_what_its_owner_may_know(client, owner):
    """Seeds: V-02."""
    response = client.post(PATH, {"title": "Trip", "model": "echo", "metadata": {"tab": 3}}, format="json")

    opened = Conversation.objects.get()
    assert response.status_code == 201
    assert response.json() == {
        "id": str(opened.pk),
        "title": "Trip",
        "model": "echo",
        "options": {},
        "metadata": {},
        "created_at": response.json()["created_at"],
        "updated_at": response.json()["updated_at"],
    }
    assert (opened.owner, opened.metadata) == (owner, {"tab": 3})


def test_nothing_needs_to_be_said_to_open_one(client):
    assert client.post(PATH).status_code == 201
    assert client.post(PATH, {}, format="json").status_code == 201


def test_metadata_is_shown_as_far_as_the_site_allows(client, settings):
    settings.CONVERSE_STREAM |= {"PUBLIC_METADATA": ["tab"]}

    response = client.post(PATH, {"metadata": {"tab": 3, "secret": 4}}, format="json")

    assert response.json()["metadata"] == {"tab": 3}


def test_a_system_prompt_is_kept_and_never_sent_back(client):
    response = client.post(PATH, {"system_prompt": "  Be brief.\n"}, format="json")
    detail = client.get(f"{PATH}{response.json()['id']}/")
    listed = client.get(PATH)

    assert Conversation.objects.get().system_prompt == "  Be brief.\n"
    assert all(b"brief" not in answer.content for answer in (response, detail, listed))


@pytest.mark.parametrize(
    "field", ["owner", "owner_id", "role", "id", "created_at", "deleted_at", "last_number", "x" * 500]
)
def test_a_field_that_clients_cannot_set_is_refused_by_name(client, field):
    response = client.post(PATH, {field: "1"}, format="json")

    assert response.status_code == 400
    assert response.json() == {field[:64]: ["Unknown field."]}
    assert not Conversation.objects.exists()


def test_a_plain_form_may_carry_its_token(client):
    response = client.post(PATH, {"title": "Form", "csrfmiddlewaretoken": "abc"}, format="multipart")

    assert response.status_code == 201


def test_an_unknown_model_is_refused_before_anything_is_written(client):
    response = client.post(PATH, {"model": "nobody:x"}, format="json")

    assert response.status_code == 400
    assert response.json() == {"error": {"code": "unknown_model", "message": "This model is not available."}}
    assert not Conversation.objects.exists()


def test_a_system_prompt_has_the_limit_of_every_prompt(client, settings):
    settings.CONVERSE_STREAM |= {"MAX_PROMPT_CHARS": 10}

    response = client.post(PATH, {"system_prompt": "x" * 11}, format="json")

    assert response.status_code == 400
    assert list(response.json()) == ["system_prompt"]


def test_the_newest_come_first_and_pages_miss_nothing(client, owner):
    made = [str(Conversation.objects.create(owner=owner).pk) for _ in range(25)]

    seen, url = [], f"{PATH}?page_size=10"
    while url:
        page = client.get(url).json()
        seen += [row["id"] for row in page["results"]]
        url = page["next"]

    assert seen == made[::-1]


def test_a_list_costs_the_same_for_one_and_for_thirty(client, owner, query_count):
    Conversation.objects.create(owner=owner)
    one = query_count(lambda: client.get(PATH))
    for _ in range(29):
        Conversation.objects.create(owner=owner)

    assert query_count(lambda: client.get(PATH)) == one


def test_answers_are_kept_by_no_cache(client, conversation):
    responses = [client.get(PATH), client.get(f"{PATH}{conversation.pk}/"), client.post(PATH, {"x": 1}, format="json")]

    assert [response.headers["Cache-Control"] for response in responses] == ["no-store"] * 3
