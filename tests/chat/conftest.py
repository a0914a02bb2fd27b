"""Two people, one conversation, and a page for each of them to look at. Answers are written inline."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from converse_stream.models import Conversation
from tests.records import Echo, person


@pytest.fixture(autouse=True)
def site(settings):
    settings.ROOT_URLCONF = "tests.chat.urls"
    settings.LOGIN_URL = "admin:login"
    settings.CONVERSE_STREAM = {"RUNNER": "inline", "DEFAULT_MODEL": "echo", "PROVIDERS": {"echo": Echo("echo")}}


@pytest.fixture
def owner(db):
    return person("owner")


@pytest.fixture
def stranger(db):
    return person("stranger")


@pytest.fixture
def conversation(owner):
    return Conversation.objects.create(owner=owner)


class Form(dict[str, str]):
    """What a browser would send of a form, and where to."""

    action = ""


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._area = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = dict(attrs)
        if tag == "form":
            self.forms.append(Form())
            self.forms[-1].action = given.get("action", "")
        elif tag == "textarea":
            self._area = given.get("name", "")
            if self._area:
                self.forms[-1][self._area] = ""
        elif tag == "input" and "name" in given:
            self.forms[-1][given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._area:
            # The first line break in a text area is no part of its value.
            self.forms[-1][self._area] = self.forms[-1][self._area].removeprefix("\n")
            self._area = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.forms[-1][self._area] += data


class Person:
    """Somebody with a browser that runs no script: opens pages, fills in forms, follows where they lead."""

    def __init__(self, user: Any) -> None:
        self.client = Client(enforce_csrf_checks=True)
        self.client.force_login(user)
        self.page: Any = None

    def open(self, name: str, *args: object, query: str = "") -> str:
        self.page = self.client.get(reverse(f"converse_pages:{name}", args=args) + query, follow=True)
        return self.text

    def form(self, action: str) -> Form:
        parser = _Forms()
        parser.feed(self.text)
        return next(form for form in parser.forms if re.search(action, form.action))

    def send(self, form: Form, **fields: str) -> str:
        action = form.action or self.page.request["PATH_INFO"]
        self.page = self.client.post(action, {**form, **fields}, follow=True)
        return self.text

    @property
    def text(self) -> str:
        text: str = self.page.content.decode()
        return text

    @property
    def said(self) -> list[str]:
        """What the page shows of the conversation, one text for each message."""
        texts = re.findall(r'<article.*?<div class="converse-text" dir="auto">(.*?)</div>', self.text, re.DOTALL)
        return [text.strip() for text in texts]


@pytest.fixture
def someone(owner):
    return Person(owner)
