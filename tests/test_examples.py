"""Every example of the documentation runs: Python blocks, requests with their responses, events, the tutorial."""

import inspect
import json
import re
import unittest
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.shortcuts import get_object_or_404
from django.test import RequestFactory, override_settings
from django.urls.resolvers import RegexPattern, URLResolver

from converse_stream.dialects import payload
from converse_stream.models import Conversation
from converse_stream.testing import Follower, ScriptedProvider
from tests.pages import PAGES, ROOT, blocks, run, run_tests
from tests.teams import Team

API, EVENTS = (ROOT / "docs" / "reference" / name for name in ("api.md", "events.md"))
WITH_EXAMPLES = [page for page in PAGES if blocks(page, "python")]
NAMES = [str(page.relative_to(ROOT)) for page in WITH_EXAMPLES]


def my_llm(history):
    assert history[-1].role == "user"
    yield from ("Once ", "upon ", "a time")


async def my_async_llm(history):
    for text in my_llm(history):
        yield text


def scripted(*texts, name="demo"):
    return ScriptedProvider(list(texts) or ["A long, ", "narrow inlet ", "of the sea."], name)


@pytest.fixture
def user(transactional_db):
    return get_user_model().objects.create_user("ann")


@pytest.fixture(params=["inline", "thread"])
def site(request):
    providers = {name: scripted(name=name) for name in ("demo", "openai", "anthropic")}
    with override_settings(CONVERSE_STREAM={"RUNNER": request.param, "PROVIDERS": providers, "POLL_INTERVAL": 0.05}):
        yield


def surroundings(user):
    """Return the names that a site has where an example is used."""
    conversation = Conversation.objects.create(owner=user)
    conversation.add_user_message("What is a fjord?")
    message = Conversation.objects.create(owner=user).ask("What is a fjord?").wait(60)
    request = RequestFactory().post("/", {"message": "What is a fjord?"})
    request.user = user
    return {
        "conversation": conversation,
        "message": message,
        "request": request,
        "user": user,
        "my_llm": my_llm,
        "my_async_llm": my_async_llm,
        "get_object_or_404": get_object_or_404,
        "Conversation": Conversation,
        "BASE_DIR": ROOT,
        "Team": Team,
    }


def answer(view, names):
    """Call a view as a server would, and read its response to the end."""
    response = view(names["request"], pk=names["conversation"].pk)
    body = b"".join(response)
    assert response.status_code == 200
    assert b"event: complete" in body


def use(bound, names):
    """Do with what an example has defined what a site does with it."""
    settings = {name: value for name, value in bound.items() if name.isupper()}
    if settings:
        with override_settings(**{name: value for name, value in settings.items() if name != "DATABASES"}):
            assert [str(check) for check in run_checks() if "'mysite" not in check.msg] == []
    if "urlpatterns" in bound:
        assert URLResolver(RegexPattern(r"^/"), bound["urlpatterns"]).reverse_dict is not None
    for value in bound.values():
        if inspect.isclass(value) and issubclass(value, unittest.TestCase) and value.__module__ == "example":
            run_tests(value)
        elif inspect.isfunction(value) and next(iter(inspect.signature(value).parameters), "") == "request":
            answer(value, names)


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=NAMES)
def test_every_python_example_runs(page, user, site):
    known = {}
    for block in blocks(page, "python"):
        if "title" in block.tags:
            continue  # a file of the tutorial's site, which has a test of its own
        names = {**known, **surroundings(user)}

        bound = run(block, names)

        use(bound, names)
        known.update(bound)


class Site:
    """The URLs of a site, as the page about the API mounts them."""

    urlpatterns = run(blocks(API, "python")[0], {})["urlpatterns"]


class Exchange:
    """The requests and responses of a page, and which id of the page stands for which row."""

    def __init__(self, client):
        self.client = client
        self.ids = {}

    def ask(self, text):
        head, _, body = text.partition("\n\n")
        method, path = head.split()
        path = re.sub(r"[0-9a-f-]{36}", lambda match: str(self.ids[match[0]]), path)
        return self.client.generic(method, path, body, content_type="application/json")

    def compare(self, shown, real, *, shortened):
        if isinstance(shown, dict):
            assert isinstance(real, dict)
            assert set(shown) <= set(real) if shortened else set(shown) == set(real)
            for key, value in shown.items():
                self.compare(value, real[key], shortened=shortened)
        elif isinstance(shown, list):
            for value, other in zip(shown, real, strict=True):
                self.compare(value, other, shortened=shortened)
        elif is_id(shown):
            assert self.ids.setdefault(shown, real) == real
        elif isinstance(shown, str) and re.search(r"[0-9a-f-]{36}", shown):
            assert re.sub(r"[0-9a-f-]{36}", lambda match: self.ids[match[0]], shown) == real
        elif shown is not None:
            assert isinstance(real, type(shown)) or real is None


def is_id(value):
    try:
        return isinstance(value, str) and bool(UUID(value))
    except ValueError:
        return False


def test_every_response_of_the_api_looks_as_shown(user, client):
    client.force_login(user)
    exchange = Exchange(client)
    shown = blocks(API, "http")

    with override_settings(ROOT_URLCONF=Site, CONVERSE_STREAM={"RUNNER": "inline", "PROVIDERS": {"demo": scripted()}}):
        for request, response in zip(shown[::2], shown[1::2], strict=True):
            head, _, body = response.source.partition("\n\n")

            real = exchange.ask(request.source)

            assert head.split()[0] == str(real.status_code), f"{request}: {real.content!r}"
            exchange.compare(json.loads(body), real.json(), shortened="shortened" in response.tags)


def every_event(user):
    """Return events of every kind as they are sent, by kind."""
    sent = []
    for ending in ("complete", "failed", "cancelled"):
        conversation = Conversation.objects.create(owner=user)
        with conversation.start_stream(model="scripted") as stream:
            stream.reasoning("Let me see.").append("Hello,")
            stream.tool_call("call_1", "weather", {"city": "Oslo"}, '{"city":"Oslo"}')
            stream.tool_result("call_1", "weather", {"celsius": -3}).data("progress", {"step": 1, "of": 3})
            {"complete": stream.complete, "failed": lambda: stream.fail("late"), "cancelled": stream.cancel}[ending]()
        for after in (0, 10_000):
            sent += stream.message.follow(after=after)
    return sent


def test_every_event_has_the_keys_that_are_shown(user):
    """Seeds: V-22, P-02."""
    shown = {}
    for block in blocks(EVENTS, "json"):
        for kind in filter(None, block.tags.get("event", "").split(",")):
            shown[kind] = json.loads(block.source)

    with override_settings(CONVERSE_STREAM={"RUNNER": "inline"}):
        sent = every_event(user)

    assert {event.kind for event in sent} == set(shown)
    for event in sent:
        assert set(payload(event)) == set(shown[event.kind]), event.kind
        if "message" in shown[event.kind]:
            assert set(shown[event.kind]["message"]) <= set(payload(event)["message"])


def test_the_stream_shown_is_what_is_sent(user):
    shown = blocks(EVENTS, "text")[0].source
    conversation = Conversation.objects.create(owner=user)

    with override_settings(CONVERSE_STREAM={"RUNNER": "inline", "PROVIDERS": {"demo": scripted("Hello,")}}):
        body = b"".join(conversation.stream_response("Hi!")).decode()

    fields = [re.findall(r"^(\w+):", part, re.MULTILINE) for part in (shown, body)]
    assert fields[1][: len(fields[0])] == fields[0]
    assert [line for line in shown.splitlines() if line.startswith("event")] == ["event: start", "event: text"]
    assert all(block.startswith(("retry", "id")) for block in body.strip().split("\n\n"))


def test_a_browser_that_reconnects_continues_behind_its_last_event_whatever_its_address_says(user, client):
    client.force_login(user)
    with override_settings(ROOT_URLCONF=Site, CONVERSE_STREAM={"RUNNER": "inline", "PROVIDERS": {"demo": scripted()}}):
        message = Conversation.objects.create(owner=user).ask("What is a fjord?")
        address = f"/api/messages/{message.pk}/stream/?after=2"

        seen = Follower(f"{message.pk}.6").read(client.get(address, headers={"Last-Event-ID": f"{message.pk}.6"}))

        assert seen.text == message.content[6:]
