"""The REST stream and the plain view under every kind of server, while the answer is written in another process."""

import httpx
import pytest
from rest_framework.authtoken.models import Token

from converse_stream.models import Message
from converse_stream.testing import Follower
from tests.servers import serve, session_cookie
from tests.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

SETTINGS = {
    "POLL_INTERVAL": 0.05,
    "SSE_HEARTBEAT": 0.1,
    "MAX_VIEWERS_PER_USER": 2,
    "PROVIDERS": {"demo": {"pace": 0.02}},
}
PATHS = ["/api/messages/{}/stream/", "/converse/messages/{}/stream/"]


@pytest.fixture(autouse=True)
def inline(settings):
    """Undo the folder's inline runner: here two processes work at once."""
    settings.CONVERSE_STREAM = {}


@pytest.fixture(params=["daphne", "uvicorn", "runserver", "gunicorn"])
def site(request, transactional_db):
    pytest.importorskip(request.param if request.param != "runserver" else "django")
    with serve(request.param, settings=SETTINGS) as url:
        yield url


def test_text_arrives_as_it_is_committed(site, owner, conversation):
    headers = {"Cookie": session_cookie(owner)}
    for path in PATHS:
        stream = conversation.start_stream()
        follower = Follower()

        with httpx.stream("GET", site + path.format(stream.message.pk), headers=headers, timeout=60) as response:
            arrived = response.iter_bytes()
            for word in ("one ", "two ", "three"):
                stream.append(word)
                while not follower.text.endswith(word):
                    follower.read([next(arrived)])
            stream.complete()
            follower.read(arrived)

        assert response.status_code == 200
        assert follower.text == "one two three"


def test_a_question_is_answered_on_the_connection_it_was_asked_on(site, owner, conversation):
    headers = {"Authorization": f"Token {Token.objects.create(user=owner).key}", "Accept": "text/event-stream"}
    path = f"{site}/api/conversations/{conversation.pk}/messages/"
    follower = Follower()

    with httpx.stream("POST", path, headers=headers, json={"content": "Hello"}, timeout=60) as response:
        arrived = response.iter_bytes()
        while not follower.text:
            follower.read([next(arrived)])
        was_live = Message.objects.get(role="assistant").is_live
        follower.read(arrived)

    answer = Message.objects.get(role="assistant")
    assert was_live
    assert (answer.status, answer.content) == ("complete", follower.text)


def test_a_viewer_that_went_away_makes_room(site, owner, conversation):
    """Also where only a write notices that nobody is there any more. Seeds: A-18."""
    stream = conversation.start_stream()
    url, headers = site + PATHS[0].format(stream.message.pk), {"Cookie": session_cookie(owner)}

    def status():
        with httpx.stream("GET", url, headers=headers, timeout=60) as response:
            return response.status_code

    with httpx.stream("GET", url, headers=headers, timeout=60), httpx.stream("GET", url, headers=headers, timeout=60):
        assert status() == 429
    until(lambda: status() == 200)
    stream.complete()
