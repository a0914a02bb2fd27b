"""The settings: one dict, `CONVERSE_STREAM`, read whenever a value is needed. Nobody else reads django.conf."""

import inspect
from collections.abc import Mapping
from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from converse_stream import values

DEFAULTS: Mapping[str, Any] = {
    "DEFAULT_MODEL": "demo",
    "DEFAULT_OPTIONS": {},
    "PROVIDERS": {},
    "RETRIES": 2,
    "DIALECTS": {},
    "TOOLS": {},
    "MAX_STEPS": 10,
    "TOOL_TIMEOUT": 60.0,
    "MAX_TOOL_RESULT_CHARS": 50_000,
    "RUNNER": "thread",
    "QUEUE": None,
    "BROKER": "local",
    "FLUSH_INTERVAL": 0.02,
    "POLL_INTERVAL": 0.25,
    "LEASE": 10.0,
    "DRAIN_SECONDS": 20.0,
    "SSE_RETRY": 3000,
    "SSE_HEARTBEAT": 15.0,
    "SSE_MAX_SECONDS": 600.0,
    "MAX_PROMPT_CHARS": 100_000,
    "MAX_OUTPUT_CHARS": 16_000_000,
    "MAX_LIVE_ANSWERS": None,
    "MAX_LIVE_ANSWERS_PER_USER": None,
    "MAX_VIEWERS_PER_USER": None,
    "WHEN_BUSY": "refuse",
    "CLIENT_MODELS": None,
    "CLIENT_OPTIONS": ("temperature", "top_p"),
    "ALLOWED_ORIGINS": (),
    "TICKET_SECONDS": 60.0,
    "CHUNK_RETENTION": 3600.0,
    "DELETED_RETENTION_DAYS": 30,
    "PUBLIC_METADATA": (),
    "GROUP_PREFIX": "converse",
    "CACHE": "default",
    "TITLE_MODEL": None,
}


class Settings:
    """`settings.POLL_INTERVAL` is the site's value if it has one, the default otherwise.

    Raise ImproperlyConfigured for what the system checks call an error: not every server runs them.
    """

    _checked: Mapping[str, Any] | None = None

    def __getattr__(self, name: str) -> Any:
        try:
            default = DEFAULTS[name]
        except KeyError:
            raise AttributeError(f"CONVERSE_STREAM has no setting {name!r}") from None
        given = django_setting("CONVERSE_STREAM", DEFAULTS)
        if given is not self._checked:
            _check(given)
            self._checked = given  # as long as the site has this dict, it is looked at once
        return given.get(name, default)


settings = Settings()


def _check(given: object) -> None:
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured("CONVERSE_STREAM must be a dict.")
    for sentence in values.wrong(given):
        raise ImproperlyConfigured(sentence)


def django_setting(name: str, default: Any = None) -> Any:
    """Return one of Django's or another app's settings."""
    return getattr(django_settings, name, default)


def load(setting: str, path: object, kind: type[Any]) -> type[Any]:
    """Return the class at the dotted path that a setting has. Raise ImproperlyConfigured for what is no such class."""
    found = imported(setting, path)
    if not (isinstance(found, type) and issubclass(found, kind)) or inspect.isabstract(found):
        raise ImproperlyConfigured(f"{setting} is {path!r}, which is no subclass of {kind.__name__} that can be used")
    try:
        inspect.signature(found).bind()
    except TypeError as error:
        raise ImproperlyConfigured(f"{setting} is {path!r}, which cannot be made: {error}") from error
    return found


def imported(setting: str, path: object) -> Any:
    """Return what is at the dotted path that a setting has. Raise ImproperlyConfigured for one that leads nowhere."""
    if not isinstance(path, str):
        raise ImproperlyConfigured(f"{setting} must be a dotted path, not {type(path).__name__}")
    try:
        return import_string(path)
    except Exception as error:
        raise ImproperlyConfigured(f"{setting} is {path!r}, which cannot be imported: {error}") from error
