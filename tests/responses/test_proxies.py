"""Nothing on the way to the viewer holds an answer back: not nginx as it comes, and no compression."""

from pathlib import Path

import httpx
import pytest

from converse_stream.testing import Follower
from tests.proxies import nginx
from tests.servers import serve
from tests.streaming import WORDS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

COMPRESSION = "gzip on; gzip_min_length 1; gzip_proxied any; gzip_types text/event-stream text/plain;"


def check_first_words(url: str, gate: Path) -> None:
    """Ask, and let the source go on only when its first words are here."""
    for view in ("sync", "async"):
        opened, follower = gate / view, Follower()
        headers, query = {"Accept-Encoding": "gzip"}, {"gate": str(opened)}
        with httpx.stream("POST", f"{url}/streaming/{view}/", params=query, headers=headers, timeout=60) as response:
            assert response.status_code == 200
            for data in response.iter_bytes():
                follower.feed(data)
                if follower.text and not opened.exists():
                    assert "three" not in follower.text
                    opened.touch()

        assert (follower.text, follower.ending) == ("".join(WORDS), "complete")


@pytest.mark.parametrize("more", ["", COMPRESSION], ids=["buffering", "compressing"])
@pytest.mark.parametrize("server", ["gunicorn", "gunicorn-asgi"])
def test_nginx_passes_the_first_words_on_before_the_third_is_said(server: str, more: str, tmp_path: Path) -> None:
    """Seeds: A-17."""
    with serve(server) as site, nginx(tmp_path, site, more=more) as url:
        check_first_words(url, tmp_path)


@pytest.mark.parametrize("server", ["gunicorn", "gunicorn-asgi"])
def test_the_gzip_middleware_passes_the_first_words_on_before_the_third_is_said(server: str, tmp_path: Path) -> None:
    """Seeds: A-17."""
    with serve(server, DJANGO_SETTINGS_MODULE="tests.responses.gzip_settings") as url:
        assert httpx.get(f"{url}/admin/login/").headers["Content-Encoding"] == "gzip"
        check_first_words(url, tmp_path)
