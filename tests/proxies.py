"""nginx in front of the tests' servers, as it is configured by default but for what a test wants."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.servers import free_port, wait_until_it_listens

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CONFIGURATION = """
daemon off;
master_process off;
pid {directory}/pid;
error_log stderr;
worker_rlimit_nofile 4096;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    {more}
    upstream app {{ {servers} }}
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://app; {location} }}
    }}
}}
"""


@contextmanager
def nginx(directory: Path, *urls: str, more: str = "", location: str = "") -> Iterator[str]:
    """Put nginx in front of sites. Yield its address."""
    if NGINX is None:
        (pytest.fail if os.environ.get("CONVERSE_REQUIRE_SERVICES") else pytest.skip)("nginx is not installed")
    port = free_port()
    # Without max_fails=0 a process that was away for a moment is left out for ten seconds, and the other one may go.
    servers = " ".join(f"server {urlsplit(url).netloc} max_fails=0;" for url in urls)
    configuration = directory / "nginx.conf"
    configuration.write_text(
        CONFIGURATION.format(directory=directory, port=port, servers=servers, more=more, location=location)
    )
    with (directory / "log").open("w+") as log:
        command = [NGINX, "-e", "stderr", "-c", str(configuration)]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until_it_listens(process, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(60)
