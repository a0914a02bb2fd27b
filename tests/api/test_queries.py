"""What each path costs in queries: the same however much there is."""

import pytest

from converse_stream.models import Conversation

SESSION_AND_USER = 2


@pytest.fixture
def paths(owner, conversation):
    """Fill a conversation with so many turns; return the calls of every path and what they cost beside signing in."""

    def paths(turns):
        for number in range(turns):
            Conversation.objects.create(owner=owner, title=f"Other {number}")
            answer = conversation.ask(f"Question {number}")
        about, message, question = conversation.pk, answer.pk, answer.parent_id
        return {
            ("GET", "/api/conversations/"): 1,
            ("GET", "/api/conversations/?search=other"): 1,
            ("POST", "/api/conversations/"): 1,
            ("GET", f"/api/conversations/{about}/"): 1,
            ("GET", f"/api/conversations/{about}/messages/"): 2,
            ("GET", f"/api/conversations/{about}/stream/"): 2,
            ("GET", f"/api/messages/{message}/"): 1,
            ("GET", f"/api/messages/{message}/stream/?after={message}.end"): 1,
            ("POST", f"/api/messages/{message}/cancel/"): 3,
            ("POST", f"/api/messages/{message}/ticket/"): 1,
            ("GET", "/api/usage/"): 1,
            ("POST", f"/api/conversations/{about}/restore/"): 3,
        }, {
            "ask": (f"/api/conversations/{about}/messages/", {"content": "Hi"}),
            "retry": (f"/api/messages/{message}/retry/", {}),
            "regenerate": (f"/api/messages/{message}/regenerate/", {}),
            "edit": (f"/api/messages/{question}/edit/", {"content": "Hi"}),
        }

    return paths


@pytest.mark.parametrize("turns", [1, 12])
def test_each_path_costs_what_it_costs(client, paths, query_count, turns):
    costs, _asking = paths(turns)

    counted = {call: query_count(lambda call=call: client.generic(*call)) - SESSION_AND_USER for call in costs}

    assert counted == costs


def test_what_starts_an_answer_costs_the_same_in_a_short_and_a_long_conversation(client, paths, query_count):
    counted = []
    for turns in (2, 12):  # at the very beginning there is no history to read
        _costs, asking = paths(turns)
        counted.append(
            {
                name: query_count(lambda path=path, body=body: client.post(path, body, format="json"))
                for name, (path, body) in asking.items()
            }
        )

    assert counted[0] == counted[1]
    # With the inline runner the whole answer is in these.
    assert max(counted[0].values()) < 60


def test_changing_and_deleting_cost_the_same_however_much_there_is(client, owner, query_count):
    counted = []
    for turns in (1, 12):
        one = Conversation.objects.create(owner=owner)
        for number in range(turns):
            one.ask(f"Question {number}")
        url = f"/api/conversations/{one.pk}/"
        counted.append(
            [
                query_count(lambda url=url: client.patch(url, {"title": "x"}, format="json")),
                query_count(lambda url=url: client.delete(url)),
            ]
        )

    assert counted[0] == counted[1]
