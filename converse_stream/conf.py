"""The settings: one dict, `CONVERSE_STREAM`, read whenever a value is needed. Nobody else reads django.conf."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings as django_settings

DEFAULTS: Mapping[str, Any] = {
    "DEFAULT_MODEL": "demo",
    "DEFAULT_OPTIONS": {},
    "PROVIDERS": {},
    "RETRIES": 2,
    "DIALECTS": {},
    "RUNNER": "thread",
    "BROKER": "local",
    "FLUSH_INTERVAL": 0.02,
    "POLL_INTERVAL": 0.25,
    "LEASE": 10.0,
    "SSE_RETRY": 3000,
    "SSE_HEARTBEAT": 15.0,
    "SSE_MAX_SECONDS": 600.0,
    "MAX_PROMPT_CHARS": 100_000,
    "MAX_OUTPUT_CHARS": 16_000_000,
    "MAX_LIVE_ANSWERS_PER_USER": None,
    "MAX_VIEWERS_PER_USER": 20,
    "WHEN_BUSY": "refuse",
    "CLIENT_MODELS": None,
    "CLIENT_OPTIONS": ("temperature", "top_p"),
    "ALLOWED_ORIGINS": (),
    "TICKET_SECONDS": 60.0,
    "CHUNK_RETENTION": 3600.0,
    "PUBLIC_METADATA": (),
    "GROUP_PREFIX": "converse",
    "CACHE": None,
}


class Settings:
    """`settings.POLL_INTERVAL` is the site's value if it has one, the default otherwise."""

    def __getattr__(self, name: str) -> Any:
        try:
            default = DEFAULTS[name]
        except KeyError:
            raise AttributeError(f"CONVERSE_STREAM has no setting {name!r}") from None
        return self.given().get(name, default)

    def given(self) -> Mapping[str, Any]:
        """Return what the site has set, as it is."""
        given: Mapping[str, Any] = getattr(django_settings, "CONVERSE_STREAM", {})
        return given


settings = Settings()


def django_setting(name: str, default: Any = None) -> Any:
    """Return one of Django's or another app's settings."""
    return getattr(django_settings, name, default)
