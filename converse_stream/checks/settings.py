"""System checks of `CONVERSE_STREAM` itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register
from django.core.exceptions import ImproperlyConfigured

from converse_stream import brokers, registry, values
from converse_stream.brokers import Broker
from converse_stream.checks.given import given
from converse_stream.conf import DEFAULTS, django_setting, load
from converse_stream.dialects import Dialect
from converse_stream.exceptions import InvalidOptions, UnknownModel
from converse_stream.runners import BUILT_IN, Runner
from converse_stream.runners import load_class as load_runner


@register("converse_stream")
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Look at each value, and only if all can be read at what they say."""
    found = django_setting("CONVERSE_STREAM", {})
    if not isinstance(found, Mapping):
        return [Error("CONVERSE_STREAM must be a dict.", id="converse_stream.E001")]
    wrong = [*_wrong_values(found), *_cache()]
    # What dialects and providers are made of must be right before they can be looked at.
    known = [] if wrong else [*_dialects(), *_providers()]
    return [*wrong, *_unknown_keys(found), *_runner(), *_broker(), *known]


def _unknown_keys(found: Mapping[str, Any]) -> Iterator[CheckMessage]:
    for key in found:
        if key not in DEFAULTS:
            close = get_close_matches(str(key).upper(), DEFAULTS, n=1)
            hint = f"Did you mean {close[0]}?" if close else f"Known are {', '.join(DEFAULTS)}."
            yield Warning(f"CONVERSE_STREAM has no setting {key!r}.", hint=hint, id="converse_stream.W001")


def _wrong_values(found: Mapping[str, Any]) -> Iterator[CheckMessage]:
    for sentence in values.wrong(found):
        yield Error(sentence, id="converse_stream.E003")


def _cache() -> Iterator[CheckMessage]:
    alias = given("CACHE")
    if isinstance(alias, str) and alias not in django_setting("CACHES", {}):
        yield Error("CONVERSE_STREAM['CACHE'] must be None or an alias in CACHES.", id="converse_stream.E003")


def _runner() -> Iterator[CheckMessage]:
    said = [*_path("RUNNER", tuple(BUILT_IN), Runner)]
    yield from said
    if said or given("RUNNER") not in BUILT_IN:
        return
    try:
        load_runner(given("RUNNER"))
    except ImproperlyConfigured as error:
        hint = "Install the extra 'celery' for celery; for tasks the extra 'tasks' or Django 6.0."
        yield Warning(f"{error}.", hint=hint, id="converse_stream.W002")


def _broker() -> Iterator[CheckMessage]:
    said = [*_path("BROKER", ("local", *brokers.BUILT_IN), Broker)]
    yield from said
    name = given("BROKER")
    if said or name == "local":
        return
    try:
        problems = [*brokers.load_class(name).problems()]
    except ImproperlyConfigured as error:
        yield Warning(f"{error}.", id="converse_stream.W002")
        return
    for problem in problems:
        hint = f"Without hints answers written elsewhere are seen every {given('POLL_INTERVAL')} s (POLL_INTERVAL)."
        yield Warning(f"BROKER is {name!r}, and {problem}.", hint=hint, id="converse_stream.W009")


def _path(key: str, names: tuple[str, ...], kind: type[Any]) -> Iterator[CheckMessage]:
    path = given(key)
    if path in names:
        return
    hint = f"Expected {', '.join(names)} or the dotted path of a {kind.__name__}."
    if not (isinstance(path, str) and "." in path):
        yield Error(f"{key} is {path!r}.", hint=hint, id="converse_stream.E002")
        return
    # Only a warning where the path leads nowhere: it may be there where the answers are generated, if not here.
    yield from _loaded(key, path, kind, hint)


def _dialects() -> Iterator[CheckMessage]:
    for name, path in given("DIALECTS").items():
        yield from _loaded(f"DIALECTS[{name!r}]", path, Dialect, "Expected the dotted path of a Dialect.")


def _loaded(setting: str, path: str, kind: type[Any], hint: str) -> Iterator[CheckMessage]:
    try:
        load(setting, path, kind)
    except ImproperlyConfigured as error:
        yield Warning(f"{error}.", hint=hint, id="converse_stream.W002")


def _providers() -> Iterator[CheckMessage]:
    said = set()
    for model in (*given("PROVIDERS"), given("DEFAULT_MODEL")):
        try:
            registry.chain(model)
        except (ImproperlyConfigured, UnknownModel, InvalidOptions) as error:
            said.add(str(error))
    yield from (Warning(message, id="converse_stream.W002") for message in sorted(said))
