"""The format of a stream, by the address and by what the client accepts."""

import pytest


@pytest.mark.parametrize("path", ["/api/messages/{}/stream/", "/converse/messages/{}/stream/"])
def test_a_terminal_that_accepts_plain_text_is_sent_the_text_alone(client, conversation, path):
    with conversation.start_stream() as stream:
        stream.reasoning("Hm.").append("Hello, ").append("wörld")

    response = client.get(path.format(stream.message.pk), headers={"Accept": "text/plain"})

    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert b"".join(response).decode() == "Hello, wörld"


@pytest.mark.parametrize("path", ["/api/messages/{}/stream/", "/converse/messages/{}/stream/"])
def test_a_format_that_does_not_exist_is_said_before_the_first_byte(client, conversation, path):
    with conversation.start_stream() as stream:
        stream.append("Hello")

    response = client.get(f"{path.format(stream.message.pk)}?dialect=klingon", headers={"Accept": "text/event-stream"})

    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_dialect")


def test_a_question_is_answered_in_the_format_that_is_asked_for(client, conversation):
    url = f"/api/conversations/{conversation.pk}/messages/?dialect=lightpack"

    response = client.post(url, {"content": "Hello."}, format="json", headers={"Accept": "text/event-stream"})

    assert b'data: {"content":"Hello. "}' in b"".join(response)
