"""The registry: names to providers, settings to clear errors."""

from types import SimpleNamespace

import pytest
from django.core.exceptions import ImproperlyConfigured

import converse_stream
from converse_stream.exceptions import InvalidOptions, UnknownModel
from converse_stream.providers import Provider
from converse_stream.providers.demo import Demo
from converse_stream.providers.openai import ChatCompletions, OpenAI
from converse_stream.registry import BUILT_IN, provider
from converse_stream.testing import ScriptedProvider

KEY = "sk-canary-0123456789"


class Mine(Provider):
    """A site's own provider: it takes whatever its entry says."""

    async def deltas(self, prompt):
        yield


class Picky(Mine):
    config_keys = frozenset({"colour"})

    def __init__(self, name, model="", **more):
        super().__init__(name, model, **more)
        if self.config.get("colour") == "red":
            raise ValueError("red is taken")


@pytest.fixture
def configure(settings):
    def change(**values):
        settings.CONVERSE_STREAM = values

    return change


def entry(**values):
    return {"mine": values}


def test_the_package_root_has_it():
    assert converse_stream.provider is provider


def test_without_a_name_it_is_the_default_model(configure):
    assert isinstance(provider(), Demo)
    assert isinstance(provider(""), Demo)

    configure(DEFAULT_MODEL="openai:gpt-6-astra")

    assert repr(provider()) == "<OpenAI openai:gpt-6-astra>"


def test_a_name_has_a_provider_and_a_model():
    found = provider("openai:vendor/name:20b")

    assert (type(found), found.name, found.model) == (OpenAI, "openai", "vendor/name:20b")


def test_a_model_comes_from_the_name_or_the_entry_or_the_class(configure):
    assert provider("openai").model == "gpt-6-luna"

    configure(PROVIDERS={"openai": {"model": "gpt-6-astra"}})

    assert provider("openai").model == "gpt-6-astra"
    assert provider("openai:other").model == "other"


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_every_built_in_provider_can_be_had_without_settings(name):
    """Seeds: C-23."""
    assert provider(name).name == name


def test_options_of_the_call_win_over_the_entry_and_that_over_the_default(configure):
    """Seeds: L-10, B-10."""
    configure(
        DEFAULT_OPTIONS={"temperature": 0, "seed": 0, "top_p": 0},
        PROVIDERS={"demo": {"options": {"temperature": 1, "seed": 1}}},
    )

    assert provider("demo", temperature=2).options == {"temperature": 2, "seed": 1, "top_p": 0}


def test_an_instance_is_used_as_it_is(configure):
    scripted = ScriptedProvider(["a"])
    configure(PROVIDERS={"scripted": scripted}, DEFAULT_MODEL="scripted")

    assert provider() is scripted
    assert provider("scripted") is scripted
    assert provider(scripted) is scripted


def test_an_instance_takes_other_options_and_models_on_the_side(configure):
    scripted = ScriptedProvider(["a"])
    configure(PROVIDERS={"scripted": scripted}, DEFAULT_OPTIONS={"seed": 1})

    found = provider("scripted:other", temperature=2)

    assert (found.model, found.options) == ("other", {"seed": 1, "temperature": 2})
    assert (scripted.model, scripted.options) == ("script", {})
    assert found.prompts is scripted.prompts


def test_an_instance_may_be_the_default(configure):
    scripted = ScriptedProvider(["a"])
    configure(DEFAULT_MODEL=scripted)

    assert provider() is scripted


def test_an_entry_may_name_a_class_or_be_one(configure):
    path = f"{__name__}.Mine"
    configure(PROVIDERS={"mine": {"class": path, "anything": 1}, "other": {"class": Mine}, "copy": {"class": "openai"}})

    assert isinstance(provider("mine"), Mine)
    assert provider("mine").config == {"anything": 1}
    assert isinstance(provider("other"), Mine)
    assert isinstance(provider("copy"), OpenAI)


def test_a_base_url_alone_is_a_compatible_server(configure):
    configure(PROVIDERS={"local": {"base_url": "http://localhost:8000/v1", "model": "gemma4"}})

    found = provider("local")

    assert type(found) is ChatCompletions
    address, _body = found.request(found.prompt([{"role": "user", "content": "hi"}]))
    assert (address, found.model) == ("http://localhost:8000/v1/chat/completions", "gemma4")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"temprature": 1}, "knows no option 'temprature'"),
        ({"temperature": "hot"}, "'temperature' must be a number"),
        ({"max_tokens": True}, "'max_tokens' must be an integer above 0"),
        ({"stop": [1], "api": "chat"}, "'stop' must be a text or a list of texts"),
        ({"stop": "x"}, r"does not take the option 'stop' \(with api='chat' it does\)"),
        ({"api": "soap"}, "no api 'soap'"),
    ],
)
def test_options_that_cannot_be_asked_for_are_refused_at_once(options, sentence):
    with pytest.raises(InvalidOptions, match=sentence):
        provider("openai", **options)


def test_an_option_that_is_none_is_not_set():
    found = provider("openai", seed=None)

    _address, body = found.request(found.prompt([{"role": "user", "content": "hi"}]))
    assert "seed" not in body


@pytest.mark.parametrize("name", ["opnai", "opnai:gpt", ":x", "x" * 500])
def test_a_name_nobody_has_is_an_unknown_model(name):
    with pytest.raises(UnknownModel, match=r"known are .*demo, .*openai") as caught:
        provider(name)

    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    ("providers", "what"),
    [
        (entry(), "needs a 'class', or the 'base_url'"),
        ({"mine": KEY}, "must be a dict or a Provider, not str"),
        (entry(**{"class": "no.such.Class"}), "cannot be imported"),
        (entry(**{"class": SimpleNamespace}), "no subclass of Provider"),
        (entry(**{"class": "django.http.HttpResponse"}), "no subclass of Provider"),
        (entry(**{"class": Picky, "color": 1}), "unknown keys: color; known are class, colour, model, options"),
        (entry(**{"class": Picky, "colour": "red"}), "cannot be used: red is taken"),
        (entry(**{"class": Mine, "options": "hot"}), "options that are no dict"),
        (entry(base_url="localhost", api_key=KEY), "base_url must be an address"),
        (entry(base_url="http://localhost", api_kee=KEY), "unknown keys: api_kee"),
    ],
)
def test_an_entry_that_cannot_work_is_named_with_what_is_wrong(configure, providers, what):
    configure(PROVIDERS=providers)

    with pytest.raises(ImproperlyConfigured, match=what) as caught:
        provider("mine")

    assert "['mine']" in str(caught.value)
    assert KEY not in str(caught.value)
