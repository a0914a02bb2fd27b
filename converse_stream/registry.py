"""The registry: which provider a name like "openai:gpt-6-luna" stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from django.core.exceptions import ImproperlyConfigured

from converse_stream.cleaning import LONGEST_MODEL, LONGEST_PROVIDER, clean_name
from converse_stream.conf import imported, settings
from converse_stream.exceptions import UnknownModel
from converse_stream.providers.base import Provider

BUILT_IN: Mapping[str, str] = {
    "demo": "converse_stream.providers.demo.Demo",
    "openai": "converse_stream.providers.openai.OpenAI",
    "anthropic": "converse_stream.providers.anthropic.Anthropic",
    "gemini": "converse_stream.providers.gemini.Gemini",
    "xai": "converse_stream.providers.xai.XAI",
    "groq": "converse_stream.providers.groq.Groq",
    "mistral": "converse_stream.providers.mistral.Mistral",
    "openrouter": "converse_stream.providers.openrouter.OpenRouter",
    "deepseek": "converse_stream.providers.deepseek.DeepSeek",
    "ollama": "converse_stream.providers.ollama.Ollama",
}
"""The class of each provider that ships with the package."""
COMPATIBLE = "converse_stream.providers.openai.ChatCompletions"
"""The class of an entry that has a `base_url` and nothing else to go by."""
Model: TypeAlias = str | Provider | Sequence[str | Provider]
"""Who is to answer: one, or a list of those to ask in turn until one can."""
_FOR_ALL = frozenset({"class", "model", "options"})


def chain(model: Model | None = None, **options: Any) -> tuple[Provider, ...]:
    """Return the providers to ask in turn; without any named, those of DEFAULT_MODEL. See `provider`."""
    return tuple(_provider(each, options) for each in _named(model))


def provider(model: Model | None = None, **options: Any) -> Provider:
    """Return the provider for `"provider:model"` or `"provider"`; without one, for (the first of) DEFAULT_MODEL.

    Its options are DEFAULT_OPTIONS, beneath those of its entry in PROVIDERS, beneath those given.
    Raise UnknownModel for a name nobody has or that is too long, InvalidOptions for options it does not take,
    ImproperlyConfigured for an entry that cannot work.
    """
    return _provider(_named(model)[0], options)


def _named(model: Model | None) -> Sequence[str | Provider]:
    named = model or settings.DEFAULT_MODEL
    names: Sequence[str | Provider] = named if isinstance(named, list | tuple) else (named,)
    if not names:
        raise UnknownModel("DEFAULT_MODEL names no model")
    return names


def _provider(model: str | Provider, options: Mapping[str, Any]) -> Provider:
    if isinstance(model, Provider):
        return _with_options(model, model.model, options)
    if not isinstance(model, str):
        raise UnknownModel(f"a model is named by a text such as 'openai:gpt-6-luna', not by {type(model).__name__}")
    name, _, model_name = model.partition(":")
    entry = _entry(name)
    if isinstance(entry, Provider):
        return _with_options(entry, model_name or entry.model, options, name)
    return _build(name, model_name, entry, options)


def _entry(name: str) -> Provider | Mapping[str, Any]:
    entries = settings.PROVIDERS
    if name not in entries and name not in BUILT_IN:
        known = ", ".join(sorted({*BUILT_IN, *entries}))
        raise UnknownModel(f"no provider {name[:60]!r}; known are {known}. Others go into CONVERSE_STREAM['PROVIDERS']")
    entry = entries.get(name, {})
    if not isinstance(entry, Provider | Mapping):
        raise _misconfigured(name, f"must be a dict or a Provider, not {type(entry).__name__}")
    return entry


def _build(name: str, model: str, entry: Mapping[str, Any], options: Mapping[str, Any]) -> Provider:
    kind = _class(name, entry)
    config = {key: value for key, value in entry.items() if key not in _FOR_ALL}
    if kind.config_keys is not None and not kind.config_keys.issuperset(config):
        unknown = ", ".join(sorted(map(str, set(config) - kind.config_keys)))
        known = ", ".join(sorted(kind.config_keys | _FOR_ALL))
        raise _misconfigured(name, f"has unknown keys: {unknown}; known are {known}")
    own, default = entry.get("options") or {}, entry.get("model") or ""
    if not isinstance(default, str):
        raise _misconfigured(name, f"has a model that is no text but {type(default).__name__}")
    if not isinstance(own, Mapping):
        raise _misconfigured(name, f"has options that are no dict but {type(own).__name__}")
    merged = {**settings.DEFAULT_OPTIONS, **own, **options}
    try:
        built = kind(name, model or default, options=merged, config=config)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        raise _misconfigured(name, f"cannot be used: {error}") from error
    return _with_options(built, built.model, merged, name)


def _class(name: str, entry: Mapping[str, Any]) -> type[Provider]:
    given = entry.get("class") or BUILT_IN.get(name) or (COMPATIBLE if entry.get("base_url") else None)
    if given is None:
        raise _misconfigured(name, "needs a 'class', or the 'base_url' of a server that speaks OpenAI's format")
    if isinstance(given, str):
        given = imported(f"CONVERSE_STREAM['PROVIDERS'][{name!r}]['class']", BUILT_IN.get(given, given))
    if not (isinstance(given, type) and issubclass(given, Provider)):
        raise _misconfigured(name, f"names a class that is no subclass of Provider: {given!r}")
    return given


def _with_options(chosen: Provider, model: str, options: Mapping[str, Any], name: str = "") -> Provider:
    merged = {**settings.DEFAULT_OPTIONS, **chosen.options, **options}
    chosen.check(merged)
    try:
        name = clean_name(name or chosen.name, "the name of a provider", LONGEST_PROVIDER)
        model = clean_name(model, "the name of a model", LONGEST_MODEL)
    except (TypeError, ValueError) as error:
        raise UnknownModel(str(error)) from error
    return chosen.replaced(model=model, options=merged, name=name)


def _misconfigured(name: str, what: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"CONVERSE_STREAM['PROVIDERS'][{name!r}] {what}")
