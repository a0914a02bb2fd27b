"""The tutorial, followed to the letter: its files make a site whose answers survive reloads and stop when told to."""

import os
import re
import socket
import subprocess
import sys
from contextlib import closing

import httpx
import pytest

from tests.browser.page import chromium
from tests.pages import ROOT, blocks

PAGE = ROOT / "docs" / "tutorial.md"
NAME, PASSWORD = "ann", "a long enough password"


def write_files(project):
    """Write every file of the tutorial; what it adds to a file that Django has made goes to the end."""
    for block in blocks(PAGE):
        if "title" in block.tags:
            path = project / block.tags["title"]
            path.parent.mkdir(exist_ok=True)
            before = path.read_text() if path.name == "settings.py" else ""
            path.write_text(before + block.source)


def free_port():
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def manage(*command):
    return [sys.executable, "-W", "error", "manage.py", *command]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Yield the address of the tutorial's site, served by its own runserver."""
    directory = tmp_path_factory.mktemp("tutorial")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO", "DATABASE"))}
    env |= {"DJANGO_SUPERUSER_USERNAME": NAME, "DJANGO_SUPERUSER_PASSWORD": PASSWORD, "PYTHONPATH": str(ROOT)}
    env |= {"DJANGO_SUPERUSER_EMAIL": "ann@example.com", "PYTHONUNBUFFERED": "1"}
    subprocess.run([sys.executable, "-m", "django", "startproject", "mysite"], cwd=directory, env=env, check=True)
    project = directory / "mysite"
    write_files(project)
    for command in (["check", "--fail-level", "WARNING"], ["migrate", "-v0"], ["createsuperuser", "--noinput", "-v0"]):
        subprocess.run(manage(*command), cwd=project, env=env, check=True)
    address = f"127.0.0.1:{free_port()}"
    server = subprocess.Popen(
        manage("runserver", "--noreload", address), cwd=project, env=env, stdout=subprocess.PIPE, text=True
    )
    try:
        for line in server.stdout or ():
            if "Quit the server" in line:
                break
        yield f"http://{address}"
    finally:
        server.terminate()
        server.communicate(timeout=60)


@pytest.fixture
def person(site):
    """A client that has signed in, as the tutorial's reader does."""
    with httpx.Client(base_url=site, follow_redirects=True, timeout=60) as client:
        form = client.get("/")
        assert "/admin/login/" in str(form.url)
        fields = {
            "username": NAME,
            "password": PASSWORD,
            "next": "/",
            "csrfmiddlewaretoken": client.cookies["csrftoken"],
        }
        page = client.post(form.url, data=fields, headers={"Referer": str(form.url)})
        assert "<main>" in page.text
        yield client


def token(client):
    return {"X-CSRFToken": client.cookies["csrftoken"]}


def ask(client, question):
    action = re.search(r'form action="([^"]+)"', client.get("/").text)[1]
    return client.stream("POST", action, data={"message": question}, headers=token(client))


def numbers(text):
    return [int(number) for number in re.findall(r'"text":"(\d+) ', text)]


def test_a_reload_in_the_middle_of_an_answer_carries_on(person):
    with ask(person, "/long 60") as response:
        assert response.status_code == 200
        lines = response.iter_lines()
        early = next(line for line in lines if '"text"' in line)

    page = person.get("/").text
    live = re.search(r'data-live="([^"]+)"', page)[1]
    whole = person.get(f"/converse/messages/{live}/stream/").text

    assert '"1 ' in early
    assert "event: complete" in whole
    assert "60 " in person.get("/").text
    assert "data-live=" not in person.get("/").text


def test_a_stopped_answer_keeps_its_text(person):
    with ask(person, "/long 5000") as response:
        lines = response.iter_lines()
        cursor = next(line for line in lines if line.startswith("id: "))
        next(line for line in lines if '"text"' in line)
        message_id = cursor.removeprefix("id: ").partition(".")[0]

        stopped = person.post(f"/converse/messages/{message_id}/cancel/", headers=token(person))

        assert any(line == "event: cancelled" for line in lines)
    assert stopped.json()["status"] == "cancelled"
    assert stopped.json()["content"].startswith("1 ")
    assert stopped.json()["content"] in person.get("/").text


@pytest.mark.browser
def test_the_page_shows_words_carries_on_after_a_reload_and_stops(site):
    with chromium() as browser:
        tabs = browser.new_context()
        page, second = tabs.new_page(), tabs.new_page()
        page.goto(site)
        page.fill("[name=username]", NAME)
        page.fill("[name=password]", PASSWORD)
        page.press("[name=password]", "Enter")
        grows = "min => document.querySelector('main p:last-child').textContent.length > min"

        page.fill("[name=message]", "/long 2000")
        page.press("[name=message]", "Enter")
        page.wait_for_function(grows, arg=20)
        page.reload()
        page.wait_for_function(grows, arg=40)
        page.wait_for_function(grows, arg=60)
        with page.expect_event("requestfinished", lambda request: "/stream/" in request.url):
            page.get_by_text("Stop").press("Enter")  # it moves while the answer grows
        second.goto(site)
        text = second.locator("main p").last.text_content()

        assert text.startswith("1 2 3 ")
        page.wait_for_function("text => document.querySelector('main p:last-child').textContent === text", arg=text)
