"""The REST stream and the plain view under every kind of server, while the answer is written in another process."""

import httpx
import pytest

from converse_stream.testing import Follower
from tests.servers import serve, session_cookie

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

PATHS = ["/api/messages/{}/stream/", "/converse/messages/{}/stream/"]


@pytest.fixture(autouse=True)
def inline(settings):
    """Undo the folder's inline runner: here two processes work at once."""
    settings.CONVERSE_STREAM = {}


@pytest.fixture(params=["daphne", "uvicorn", "runserver", "gunicorn"])
def site(request, transactional_db):
    pytest.importorskip(request.param if request.param != "runserver" else "django")
    with serve(request.param, settings={"POLL_INTERVAL": 0.05}) as url:
        yield url


def test_text_arrives_as_it_is_committed(site, owner, conversation):
    headers = {"Cookie": session_cookie(owner)}
    for path in PATHS:
        stream = conversation.start_stream()
        follower = Follower()

        with httpx.stream("GET", site + path.format(stream.message.pk), headers=headers, timeout=20) as response:
            arrived = response.iter_bytes()
            for word in ("one ", "two ", "three"):
                stream.append(word)
                while not follower.text.endswith(word):
                    follower.read([next(arrived)])
            stream.complete()
            follower.read(arrived)

        assert response.status_code == 200
        assert follower.text == "one two three"
