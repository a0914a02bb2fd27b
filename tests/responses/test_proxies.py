"""Nothing on the way to the viewer holds an answer back: not nginx as it comes, and no compression."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from converse_stream.testing import Follower
from tests.servers import serve, wait_until_it_listens
from tests.streaming import WORDS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
COMPRESSION = "gzip on; gzip_min_length 1; gzip_proxied any; gzip_types text/event-stream text/plain;"
CONFIGURATION = """
daemon off;
master_process off;
pid {directory}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    {more}
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass {url}; }}
    }}
}}
"""


@contextmanager
def nginx(url: str, directory: Path, more: str) -> Iterator[str]:
    """Put nginx in front of a site, as it is configured by default but for `more`. Yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = directory / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(directory=directory, port=port, url=url, more=more))
    with (directory / "log").open("w+") as log:
        command = [NGINX, "-e", "stderr", "-c", str(configuration)]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until_it_listens(process, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(10)


def check_first_words(url: str, gate: Path) -> None:
    """Ask, and let the source go on only when its first words are here."""
    for view in ("sync", "async"):
        opened, follower = gate / view, Follower()
        headers, query = {"Accept-Encoding": "gzip"}, {"gate": str(opened)}
        with httpx.stream("POST", f"{url}/streaming/{view}/", params=query, headers=headers, timeout=20) as response:
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
    if NGINX is None:
        (pytest.fail if os.environ.get("CONVERSE_REQUIRE_SERVICES") else pytest.skip)("nginx is not installed")
    with serve(server) as site, nginx(site, tmp_path, more) as url:
        check_first_words(url, tmp_path)


@pytest.mark.parametrize("server", ["gunicorn", "gunicorn-asgi"])
def test_the_gzip_middleware_passes_the_first_words_on_before_the_third_is_said(server: str, tmp_path: Path) -> None:
    with serve(server, DJANGO_SETTINGS_MODULE="tests.responses.gzip_settings") as url:
        assert httpx.get(f"{url}/admin/login/").headers["Content-Encoding"] == "gzip"
        check_first_words(url, tmp_path)
