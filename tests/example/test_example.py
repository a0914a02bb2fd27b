"""The example's own pages, and the three kinds of view that stream an answer."""

import json
import re

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client, TestCase
from django.urls import reverse
from rest_framework.authtoken.models import Token

from converse_stream.models import Conversation, Message

pytestmark = pytest.mark.django_db

KINDS = ["sync", "async", "drf"]
STRANGE = "<b>&\u2028\n  two"


def events(response) -> list[dict[str, object]]:
    """Return what an event stream says, one mapping for each event."""
    blocks = b"".join(response).decode().split("\n\n")
    fields = [dict(line.split(": ", 1) for line in block.splitlines() if ": " in line) for block in blocks]
    return [{"type": field["event"], **json.loads(field["data"])} for field in fields if "data" in field]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_view_streams_the_answer_that_is_recorded(kind, ada, conversation) -> None:
    client = Client()
    client.force_login(ada)

    response = client.post(reverse(f"demo-{kind}", args=[conversation.pk]), {"message": "/long 5"})

    seen = events(response)
    assert response["Content-Type"].startswith("text/event-stream")
    assert seen[-1]["type"] == "complete"
    answer = Message.objects.get(conversation=conversation, role="assistant")
    assert "".join(str(event["text"]) for event in seen if event["type"] == "text") == answer.content != ""


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_view_hides_what_belongs_to_others(kind, conversation) -> None:
    client = Client()
    client.force_login(get_user_model().objects.create_user("eve"))

    response = client.post(reverse(f"demo-{kind}", args=[conversation.pk]), {"message": "hello"})

    assert response.status_code == 404
    assert not conversation.messages.exists()


@pytest.mark.parametrize(("kind", "status"), [("sync", 302), ("async", 302), ("drf", 401)])
def test_each_kind_of_view_wants_somebody_signed_in(kind, status, conversation) -> None:
    response = Client().post(reverse(f"demo-{kind}", args=[conversation.pk]), {"message": "hello"})

    assert response.status_code == status
    assert not conversation.messages.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_view_refuses_an_empty_message_as_json(kind, ada, conversation) -> None:
    client = Client()
    client.force_login(ada)

    response = client.post(reverse(f"demo-{kind}", args=[conversation.pk]))

    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid"


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_view_refuses_what_is_too_long_as_json(kind, ada, conversation, settings) -> None:
    settings.CONVERSE_STREAM = {"RUNNER": "inline", "MAX_PROMPT_CHARS": 3}
    client = Client()
    client.force_login(ada)

    response = client.post(reverse(f"demo-{kind}", args=[conversation.pk]), {"message": "four"})

    assert response.status_code == 413
    assert response.json()["error"]["code"] == "too_large"


def test_the_drf_view_takes_a_token_and_streams_to_who_accepts_only_streams(ada, conversation) -> None:
    token = Token.objects.create(user=ada)
    headers = {"Authorization": f"Token {token.key}", "Accept": "text/event-stream"}

    response = Client().post(reverse("demo-drf", args=[conversation.pk]), {"message": "/long 5"}, headers=headers)

    assert events(response)[-1]["type"] == "complete"


def test_signing_in_leads_to_the_page_that_was_asked_for(ada, conversation) -> None:
    client = Client()
    address = reverse("bare-conversation", args=[conversation.pk])
    sign_in = client.get(address, follow=True)
    assert sign_in.redirect_chain == [(f"{reverse('login')}?next={address}", 302)]

    response = client.post(sign_in.redirect_chain[0][0], {"username": "ada", "password": "analytical"})

    assert response["Location"] == address
    assert client.get(address).status_code == 200


def test_a_wrong_password_is_told(ada) -> None:
    response = Client().post(reverse("login"), {"username": "ada", "password": "wrong"})

    assert response.status_code == 200
    assert b'role="alert"' in response.content


def test_the_page_shows_what_is_recorded_and_nothing_as_markup(ada, conversation) -> None:
    conversation.add_user_message(STRANGE)
    conversation.add_assistant_message("fine")
    client = Client()
    client.force_login(ada)

    page = client.get(reverse("bare-conversation", args=[conversation.pk]))

    assert '<div class="text" data-kind="text">&lt;b&gt;&amp;\u2028\n  two</div>' in page.text
    assert ">fine</div>" in page.text
    assert "<b>" not in page.text


def test_the_page_says_where_a_live_answer_goes_on(ada, conversation) -> None:
    conversation.add_user_message("hello")
    with conversation.start_stream() as stream:
        stream.append("so far")
        client = Client()
        client.force_login(ada)

        page = client.get(reverse("bare-conversation", args=[conversation.pk])).text

    assert f'data-message="{stream.message.pk}" data-after="6" aria-busy="true"' in page
    assert ">so far</div>" in page


def test_the_page_folds_what_is_not_text_and_says_how_an_answer_ended(ada, conversation) -> None:
    with conversation.start_stream() as stream:
        stream.reasoning("hm")
        stream.tool_call("1", "look", {"at": "it"})
        stream.cancel()
    client = Client()
    client.force_login(ada)

    page = client.get(reverse("bare-conversation", args=[conversation.pk])).text

    assert "<summary>Thinking</summary>" in page
    assert "<summary>Tool call: look</summary>" in page
    assert "Stopped." in page


def test_the_list_shows_the_users_own_conversations_by_their_first_question(ada, conversation) -> None:
    conversation.add_user_message("What is a cursor?")
    Conversation.objects.create(owner=get_user_model().objects.create_user("eve"), title="Hers")
    client = Client()
    client.force_login(ada)

    page = client.get(reverse("bare")).text

    assert "What is a cursor?" in page
    assert "Hers" not in page


def test_the_page_reads_any_number_of_messages_in_the_same_number_of_queries(
    ada, conversation, django_assert_max_num_queries
) -> None:
    for number in range(20):
        conversation.add_user_message(f"question {number}")
    client = Client()
    client.force_login(ada)

    with django_assert_max_num_queries(6):
        client.get(reverse("bare-conversation", args=[conversation.pk]))


def test_without_the_script_the_form_asks_and_leads_to_the_answer(ada) -> None:
    client = Client()
    client.force_login(ada)

    with TestCase.captureOnCommitCallbacks(execute=True):
        asked = client.post(reverse("bare"), {"content": "/long 5"})

    assert "1 2 3 4 5" in client.get(asked["Location"]).text


def test_without_the_script_a_refusal_keeps_the_question_and_begins_nothing(ada, settings) -> None:
    settings.CONVERSE_STREAM = {"MAX_PROMPT_CHARS": 3}
    client = Client()
    client.force_login(ada)

    page = client.post(reverse("bare"), {"content": "\nfour"}).text

    assert "This message is too long." in page
    assert "autofocus>\n\nfour</textarea>" in page
    assert not Conversation.objects.exists()


def test_someone_elses_page_does_not_exist(conversation) -> None:
    client = Client()
    client.force_login(get_user_model().objects.create_user("eve"))

    assert client.get(reverse("bare-conversation", args=[conversation.pk])).status_code == 404


@pytest.mark.parametrize(
    "name", ["home", "login", "component", "bare", "vue", "htmx", "ai-sdk", "converse_pages:list", "converse_pages:new"]
)
def test_the_pages_have_nothing_inline_and_nothing_from_elsewhere(name, ada) -> None:
    client = Client()
    if name != "login":
        client.force_login(ada)

    page = client.get(reverse(name)).text

    assert "style=" not in page
    assert "<style" not in page
    assert "://" not in page
    scripts = re.findall(
        r"<script(?! id=)[^>]*>([^<]*)", re.sub(r'<script[^>]*type="application/json".*?</script>', "", page)
    )
    assert scripts == [""] * len(scripts)


def test_the_demo_user_is_made_once_and_set_right_again(settings) -> None:
    settings.DEBUG = True
    call_command("create_demo_user", verbosity=0)
    get_user_model().objects.update(is_active=False)
    get_user_model().objects.get().set_password("other")

    call_command("create_demo_user", verbosity=0)

    assert get_user_model().objects.count() == 1
    assert Client().login(username="demo", password="demo")


def test_there_is_no_demo_user_in_production() -> None:
    with pytest.raises(CommandError, match="DEBUG is off"):
        call_command("create_demo_user")
