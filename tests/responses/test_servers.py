"""Nothing between the recorder and the viewer holds an answer back, whatever serves it."""

from pathlib import Path

import httpx
import pytest

from converse_stream.models import Message, Status
from converse_stream.testing import Follower
from tests.servers import serve
from tests.streaming import WORDS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.mark.parametrize("server", ["daphne", "uvicorn", "runserver", "gunicorn"])
def test_the_first_words_arrive_before_the_source_has_said_the_third(server: str, tmp_path: Path) -> None:
    with serve(server) as url:
        for view in ("sync", "async", "drf"):
            gate = tmp_path / view
            follower = Follower()
            with httpx.stream("POST", f"{url}/streaming/{view}/", params={"gate": str(gate)}, timeout=60) as response:
                assert response.status_code == 200
                for data in response.iter_raw():
                    follower.feed(data)
                    if follower.text and not gate.exists():
                        assert "three" not in follower.text
                        gate.touch()

            assert (follower.text, follower.ending) == ("".join(WORDS), "complete")


@pytest.mark.parametrize("server", ["uvicorn", "gunicorn"])
def test_an_answer_goes_on_when_its_viewer_leaves(server: str, tmp_path: Path) -> None:
    """Seeds: C-17, L-08, A-02."""
    gate = tmp_path / "gate"
    with serve(server) as url:
        with httpx.stream("POST", f"{url}/streaming/sync/", params={"gate": str(gate)}, timeout=60) as response:
            follower = Follower().read(response.iter_raw(), until=2)
        gate.touch()

        message = Message.objects.get(pk=follower.message_id).wait(60)

    assert (message.status, message.content) == (Status.COMPLETE, "".join(WORDS))
