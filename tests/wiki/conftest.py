"""The wiki inside the test process, with three small pages."""

from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client

from converse_stream.testing import ScriptedProvider
from example_project.wiki.models import Page

PAGES = {
    "harbours": """# Harbours

Ships rest here.

## Lighthouses

A lighthouse shows ships the way at night.
See [the fjords](land/fjords.md#depth), [the tides](tides.md) and [elsewhere](https://example.com/).

## Fees

Mooring costs nine crowns a day.
""",
    "land/fjords": """# Fjords

## Depth

A fjord may be a thousand metres deep.
Back to the [harbours](../harbours.md).
""",
    "README": "# Welcome\n\nNothing but [fjords](land/fjords.md) here.\n",
}


class Counting(ScriptedProvider):
    """Knows how often it was called."""

    calls = 0

    async def deltas(self, prompt):
        type(self).calls += 1
        async for delta in super().deltas(prompt):
            yield delta


@pytest.fixture(autouse=True)
def example_site(settings) -> None:
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "example_project"]
    settings.ROOT_URLCONF = "example_project.urls"
    settings.LOGIN_URL = "login"
    settings.CONVERSE_STREAM = {"RUNNER": "inline", "PROVIDERS": {"demo": {"pace": 0}}}


@pytest.fixture
def counting(settings):
    """A model that answers with a citation, and is counted."""
    Counting.calls = 0
    provider = Counting(["Ships see the light ", "[1].", " Not [9]."], "counting")
    settings.CONVERSE_STREAM = {"DEFAULT_MODEL": "counting", "PROVIDERS": {"counting": provider}}
    return Counting


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for slug, source in PAGES.items():
        file = tmp_path / f"{slug}.md"
        file.parent.mkdir(exist_ok=True)
        file.write_text(source, "utf-8")
    return tmp_path


@pytest.fixture
def harbours(db, directory) -> Page:
    """The page that is asked about; the others are there, too."""
    call_command("load_wiki", directory, verbosity=0)
    return Page.objects.get(slug="harbours")


def reader(name: str = "ada") -> Client:
    """Return the client of somebody who has signed in."""
    client = Client()
    client.force_login(get_user_model().objects.get_or_create(username=name)[0])
    return client
