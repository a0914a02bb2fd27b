"""Whatever a site sets: the checks say so and raise nothing, and whoever asks is told before anything is written."""

import math
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from converse_stream.brokers import Broker
from converse_stream.checks import check_deployment, check_settings, check_surroundings
from converse_stream.conf import DEFAULTS
from converse_stream.exceptions import InvalidOptions, UnknownModel
from converse_stream.models import Conversation
from converse_stream.providers.options import COMMON, OF_THE_CALL, SAMPLING
from converse_stream.registry import BUILT_IN, provider
from tests.records import Echo

HUGE = (1e30, 10**30, 10**400, math.inf, -math.inf, math.nan)
WRONG = (None, True, False, 0, -1, 5, 1.5, *HUGE, "", "x", "a.b", "..", ".x", "\0.x", b"demo", 1j, object(), int, len)
NESTED = ([], [None], [5], ["x"], {}, {"x": 1}, {5: 5}, {None: None}, {"": ""}, (), ("x", 5), {1, 2}, [[]], [{}])
PATHS = ("os.path.join", "os.path", "math.pi", "int", "builtins.dict", "converse_stream.runners.Runner", "this.is.none")
KEYS = ("class", "model", "options", "api", "api_key", "base_url", "headers", "timeouts", "organization", "pace")
NESTED_KEYS = (("timeouts", "idle"), ("timeouts", "idel"), ("headers", "x"), ("options", "stop"))
TELLING = (ImproperlyConfigured, InvalidOptions, UnknownModel)

pytestmark = pytest.mark.django_db


def found() -> list[str]:
    messages = [*check_settings(), *check_surroundings(), *check_deployment()]
    return [message.id.removeprefix("converse_stream.") for message in messages if "W008" not in message.id]


@pytest.mark.parametrize("key", DEFAULTS)
def test_any_value_of_any_setting_is_spoken_of_or_works(settings, user, key):
    """Seeds: V-23."""
    for value in (*WRONG, *NESTED, *PATHS):
        settings.CONVERSE_STREAM = {"RUNNER": "inline", "DEFAULT_MODEL": Echo("echo"), key: value}
        said, conversation = found(), Conversation.objects.create(owner=user)
        try:
            conversation.ask("Hi")
        except TELLING as error:
            assert str(error)
            assert set(said) & {"E002", "E003", "W002"}, (value, error)
            assert not conversation.messages.exists()
        else:
            assert conversation.messages.get(number=2).content == "Hi "
            # What is not used to ask may be wrong.
            assert said == [] or key in ("DIALECTS", "PROVIDERS", "CACHE"), value


@pytest.mark.parametrize("value", [None, [], "thread", 5, math.inf], ids=repr)
def test_settings_that_are_no_dict_are_told_to_whoever_asks(settings, conversation, value):
    settings.CONVERSE_STREAM = value

    with pytest.raises(ImproperlyConfigured, match="CONVERSE_STREAM must be a dict"):
        conversation.ask("Hi")
    with pytest.raises(ImproperlyConfigured, match="CONVERSE_STREAM must be a dict"):
        conversation.start_stream()

    assert not conversation.messages.exists()


@pytest.mark.parametrize("keys", [*((key,) for key in KEYS), *NESTED_KEYS], ids=".".join)
@pytest.mark.parametrize("name", ["demo", "openai", "ollama", "mine"])
def test_any_value_in_an_entry_of_a_provider_is_spoken_of_or_works(settings, name, keys):
    for value in (*WRONG, *NESTED, *PATHS):
        outer, *inner = keys
        settings.CONVERSE_STREAM = {"PROVIDERS": {name: {outer: {inner[0]: value} if inner else value}}}
        said = found()
        try:
            provider(name)
        except TELLING as error:
            assert said == ["W002"], (value, error)
        else:
            assert said == [], value


@pytest.mark.parametrize("option", [*sorted(SAMPLING | COMMON | OF_THE_CALL), "temprature", 5])
@pytest.mark.parametrize("name", ["demo", "openai", "anthropic"])
def test_any_value_of_any_option_is_spoken_of_or_taken(settings, name, option):
    for value in (*WRONG, *NESTED):
        settings.CONVERSE_STREAM = {"PROVIDERS": {name: {"options": {option: value}}}}
        said = found()
        try:
            provider(name)
        except InvalidOptions:
            assert said == ["W002"], value
        else:
            assert said == [], value


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize(
    "options", [{"temprature": 1}, {"temperature": "hot"}, *({"temperature": each} for each in HUGE[2:])], ids=repr
)
def test_no_provider_takes_an_option_that_nobody_has_or_that_is_no_finite_number(name, options):
    with pytest.raises(InvalidOptions):
        provider(name, **options)


def test_the_demo_makes_nothing_of_options_that_others_have():
    options = {"temperature": 0.5, "seed": 5, "max_tokens": 10, "stop": "x", "reasoning": "low", "tools": []}

    assert provider("demo", **options).text([{"role": "user", "content": "Hi"}]).startswith("##")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"DEFAULT_MODEL": "anthropic:x", "DEFAULT_OPTIONS": {"seed": 5}}, "does not take the option 'seed'"),
        ({"PROVIDERS": {"openai": {"options": {"temprature": 1}}}}, "knows no option 'temprature'"),
        (
            {"DEFAULT_OPTIONS": {"frequency_penalty": 1}, "PROVIDERS": {"anthropic": {}}},
            "'anthropic' does not take the option 'frequency_penalty'",
        ),
        ({"PROVIDERS": {"openai": {"timeouts": 5}}}, "timeouts must be a dict, not int"),
        ({"PROVIDERS": {"openai": {"timeouts": {"idle": math.inf}}}}, "at most 604_800"),
        ({"PROVIDERS": {"openai": {"organization": 5}}}, "'openai-organization' must be printable ASCII"),
        ({"PROVIDERS": {"openai": {"api": ["chat"]}}}, "has no api"),
        ({"PROVIDERS": {"x" * 65: {"base_url": "http://127.0.0.1/v1"}}}, "has 65 characters; 64 can be stored"),
        ({"RUNNER": "os.path.join"}, "no subclass of Runner"),
        ({"RUNNER": "converse_stream.runners.Runner"}, "no subclass of Runner that can be used"),
        ({"BROKER": "os.path.join"}, "no subclass of Broker"),
        ({"BROKER": "tests.test_wrong_settings.Needy"}, "cannot be made: missing a required argument"),
        ({"DIALECTS": {"mine": "tests.records.Echo"}}, "no subclass of Dialect"),
    ],
)
def test_what_is_wrong_is_a_warning_that_says_why(settings, values, says):
    settings.CONVERSE_STREAM = values

    [warning] = [each for each in check_settings() if says in each.msg]

    assert warning.id == "converse_stream.W002"


class Needy(Broker):
    def __init__(self, address: str) -> None:
        self.address = address

    def publish(self, message_ids: Any) -> None: ...

    def listen(self, callback: Any) -> None: ...


@pytest.mark.parametrize("key", ["RUNNER", "BROKER"])
@pytest.mark.parametrize("value", ["os.path.join", "tests.test_wrong_settings.Needy", "no.such.Thing", "..", 5, []])
def test_a_runner_or_broker_that_is_none_is_told_before_anything_is_written(settings, conversation, key, value):
    settings.CONVERSE_STREAM = {key: value}

    with pytest.raises(ImproperlyConfigured, match=key):
        conversation.ask("Hi")
    if key == "BROKER":
        with pytest.raises(ImproperlyConfigured, match=key):
            conversation.start_stream()

    assert not conversation.messages.exists()


def test_every_host_may_open_websockets_where_all_are_allowed(settings):
    settings.ALLOWED_HOSTS = ["*"]
    [warning] = check_deployment()
    settings.ALLOWED_HOSTS = ["chat.example.com", ".example.com"]

    assert warning.id == "converse_stream.W008"
    assert check_deployment() == []
