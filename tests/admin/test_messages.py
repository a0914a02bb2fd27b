"""The messages page: what staff see of an answer, finished or live, and that they can change nothing."""

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from converse_stream.models import Conversation, Message
from tests.records import answered, person

LIST = "/admin/converse_stream/message/"
XSS = '<script>alert("x")</script>'


def page_of(message):
    return f"{LIST}{message.pk}/change/"


def html(response):
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def failed(conversation):
    stream = conversation.start_stream(model="scripted")
    stream.append("Half an ans")
    return stream.fail("upstream said <no>")


def test_the_list_shows_how_each_answer_went(admin_client, conversation, failed):
    answered(conversation)
    Message.objects.filter(status="complete").update(provider="openai", input_tokens=12, output_tokens=34)

    page = html(admin_client.get(LIST))

    for shown in (
        "complete",
        "failed",
        "owner",
        "openai",
        "scripted",
        "12 / 34",
        "internal",
        "Trip to Oslo",
        " s</td>",
    ):
        assert shown in page
    assert "field-delta_count" in page
    assert "field-committed_length" in page


def test_the_list_reads_no_long_column(admin_client, conversation):
    answered(conversation, "A long answer. " * 1000)

    with CaptureQueriesContext(connection) as queries:
        page = html(admin_client.get(LIST))

    [rows] = [query["sql"] for query in queries if 'AS "committed"' in query["sql"]]
    assert "A long answer" not in page
    for column in ("content", "parts", "metadata", "timeline", "error_message", "system_prompt"):
        assert f'"{column}"' not in rows


def test_the_list_costs_the_same_for_one_and_for_thirty(admin_client, owner, query_count):
    def converse():
        answered(Conversation.objects.create(owner=person(f"user{Message.objects.count()}"), title="x"))

    converse()
    one = query_count(lambda: admin_client.get(LIST))
    for _ in range(28):
        converse()
    with Conversation.objects.create(owner=owner).start_stream() as stream:
        stream.data("progress", 1)
        thirty = query_count(lambda: admin_client.get(LIST))

    assert thirty == one
    assert one <= 15


def test_a_live_answer_has_its_committed_length_in_the_list(admin_client, conversation):
    with conversation.start_stream() as stream:
        stream.append("x" * 4321).data("progress", 1)

        assert '<td class="field-committed_length">4322</td>' in html(admin_client.get(LIST))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status__exact=failed", 1),
        ("status__exact=complete", 1),
        ("error_code=internal", 1),
        ("error_code=timeout", 0),
        ("model=scripted", 2),
        ("model=other", 0),
        ("provider=openai", 0),
        ("created_at__gte=2020-01-01+00:00:00%2B00:00&created_at__lt=2099-01-01+00:00:00%2B00:00", 2),
        ("q=Oslo", 2),
        ("q=owner", 2),
        ("q=Bergen", 0),
    ],
)
def test_filters_and_search_find_what_they_say(admin_client, conversation, failed, query, found):
    answered(conversation)

    page = html(admin_client.get(f"{LIST}?{query}"))

    assert page.count('class="field-status"') == found


def test_the_filters_offer_what_was_used_lately(admin_client, conversation):
    answered(conversation)

    page = html(admin_client.get(LIST))

    assert "?model=scripted" in page
    assert "?error_code=worker_lost" in page


def test_an_id_finds_a_message_and_a_conversations_messages(admin_client, conversation):
    message = answered(conversation)
    answered(Conversation.objects.create(title="Other"))

    for wanted in (str(message.pk), message.pk.hex, f" {conversation.pk} "):
        page = html(admin_client.get(LIST, {"q": wanted}))
        assert page.count('class="field-status"') == 1
        assert str(message.pk) in page


@pytest.mark.parametrize("term", ["%00", "'", "100%", "_", "🚀", "x" * 300, '"unclosed'])
def test_no_search_term_breaks_the_list(admin_client, conversation, term):
    answered(conversation)

    assert admin_client.get(f"{LIST}?q={term}").status_code in (200, 302)


def test_the_page_of_a_finished_answer_has_everything(admin_client, conversation):
    conversation.add_user_message("Hi")
    with conversation.start_stream(metadata={"ticket": "T-99"}) as stream:
        stream.append("The text.").tool_call("call_1", "weather", {"city": "Oslo"})

    page = html(admin_client.get(page_of(stream.message)))

    for shown in ("The text.", "call_1", "Oslo", "T-99", "Trip to Oslo", str(stream.message.parent_id)):
        assert shown in page


def test_the_page_of_a_live_answer_shows_what_is_committed(admin_client, conversation):
    with conversation.start_stream() as stream:
        stream.append("So far").data("progress", 1)

        first = html(admin_client.get(page_of(stream.message)))
        stream.append(" and on").data("progress", 2)
        second = html(admin_client.get(page_of(stream.message)))

    assert "So far</pre>" in first
    assert "So far and on</pre>" in second


def test_the_page_costs_the_same_for_one_and_for_a_thousand_chunks(admin_client, conversation, query_count):
    with conversation.start_stream() as stream:
        stream.append("x").data("progress", 1)
        admin_client.get(page_of(stream.message))  # what is read once in a process
        one = query_count(lambda: admin_client.get(page_of(stream.message)))
        for number in range(200):
            stream.append("x").data("progress", number)
        many = query_count(lambda: admin_client.get(page_of(stream.message)))

    assert one == many
    assert one <= 10


def test_only_the_last_twenty_chunks_are_shown_each_cut(admin_client, conversation):
    with conversation.start_stream() as stream:
        for number in range(30):
            stream.data(f"name{number:02}", "y" * 5000)

        page = html(admin_client.get(page_of(stream.message)))
        table = page[page.index("<thead>") :].split("</table>")[0]

    assert table.count("<tr>") == 21
    assert "name29" in table
    assert "name09" not in table
    assert "y" * 201 not in table


def test_text_is_cut_where_a_page_would_become_too_heavy(admin_client, conversation):
    message = answered(conversation, "z" * 150_000)

    page = html(admin_client.get(page_of(message)))

    assert "… and 50000 more characters" in page
    assert len(page) < 400_000


def test_nothing_that_anybody_wrote_becomes_markup(admin_client, conversation):
    Conversation.objects.filter(pk=conversation.pk).update(title=XSS)
    stream = conversation.start_stream(model=XSS, metadata={XSS: XSS})
    stream.append(XSS).tool_call(XSS, XSS, {XSS: XSS})
    live = html(admin_client.get(page_of(stream.message)))
    message = stream.fail(XSS)
    Message.objects.filter(pk=message.pk).update(provider=XSS[:60])

    pages = [live, html(admin_client.get(page_of(message))), html(admin_client.get(LIST))]

    assert all("<script>alert" not in page for page in pages)
    assert "&lt;script&gt;" in pages[1]


def test_staff_see_the_error_in_the_words_meant_for_them(admin_client, failed):
    assert "upstream said &lt;no&gt;" in html(admin_client.get(page_of(failed)))


def test_the_lease_holders_token_and_a_providers_state_stay_hidden(admin_client, conversation):
    with conversation.start_stream() as stream:
        stream.data("progress", 1)
        message = Message.objects.get()

        page = html(admin_client.get(page_of(message)))

    assert message.lease_holder
    assert message.lease_holder not in page
    Message.objects.update(parts=[{"type": "reasoning", "text": "Hm", "state": "opaque-blob"}])
    assert "opaque-blob" not in html(admin_client.get(page_of(message)))


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("view", ["add/", "{pk}/delete/"])
def test_messages_can_be_neither_added_nor_deleted_one_by_one(admin_client, conversation, method, view):
    message = answered(conversation)

    response = getattr(admin_client, method)(f"{LIST}{view.format(pk=message.pk)}", {"post": "yes"})

    assert response.status_code == 403
    assert Message.objects.filter(pk=message.pk).exists()


def test_a_message_cannot_be_changed(admin_client, conversation):
    message = answered(conversation)

    response = admin_client.post(page_of(message), {"content": "Never said", "status": "failed"})

    assert response.status_code == 403
    assert Message.objects.get(pk=message.pk).content == "Hello there."


def test_the_page_offers_no_button_that_does_not_work(admin_client, conversation):
    page = html(admin_client.get(page_of(answered(conversation))))

    assert "deletelink" not in page
    assert 'name="_save"' not in page


def test_staff_need_the_permission_to_look(conversation):
    message = answered(conversation)
    staff = person("staff", is_staff=True)
    client = Client()
    client.force_login(staff)

    refused = [client.get(LIST).status_code, client.get(page_of(message)).status_code]
    staff.user_permissions.add(Permission.objects.get(codename="view_message"))
    allowed = [client.get(LIST).status_code, client.get(page_of(message)).status_code]

    assert (refused, allowed) == ([403, 403], [200, 200])
