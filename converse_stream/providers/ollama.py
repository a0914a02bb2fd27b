"""Ollama: models on one's own machine, or in its cloud."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from converse_stream.exceptions import ConnectionFailed, ModelNotFound, ProviderError
from converse_stream.prompts import Prompt
from converse_stream.providers.catalogue import CATALOGUE
from converse_stream.providers.codecs.chat import Chat
from converse_stream.providers.codecs.ollama import OllamaNative
from converse_stream.providers.http import HTTPProvider, checked_url

HOST_VARIABLE = "OLLAMA_HOST"
"""The environment variable that says where Ollama is, to Ollama itself too."""
_PORT = 11434
_REACHED_AT = {None: "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


class OllamaChat(Chat):
    """Chat Completions as Ollama has it beside its own format: it cannot set the size of the context."""

    def path(self, prompt: Prompt, *, stream: bool) -> str:
        """Return where a request goes, beneath the address of the server."""
        return "/v1" + super().path(prompt, stream=stream)


class Ollama(HTTPProvider):
    """Ollama: at `base_url`, else where `OLLAMA_HOST` says, else on this machine. Only its cloud needs a key."""

    base_url = CATALOGUE["ollama"].base_url
    key_environment = CATALOGUE["ollama"].key_environment
    default_model = CATALOGUE["ollama"].default_model
    apis = {"ollama": OllamaNative, "chat": OllamaChat}

    def __init__(
        self,
        name: str,
        model: str = "",
        *,
        options: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        """Raise ValueError for a config that cannot work."""
        super().__init__(name, model, options=options, config=config)
        if not self.config.get("base_url"):
            self._base_url = host_url(os.environ.get(HOST_VARIABLE, "")) or self._base_url
        # As it would be given to a client of Chat Completions.
        self._base_url = self._base_url.removesuffix("/v1")

    @property
    def is_own_server(self) -> bool:
        """Whether requests go to Ollama's cloud."""
        host = urlsplit(self._base_url).hostname or ""
        return host == "ollama.com" or host.endswith(".ollama.com")

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """Return the error of a response that is no answer; with what to do if the model is not there."""
        error = super().refusal(status, headers, body)
        if isinstance(error, ModelNotFound):
            what = "fetch it with `ollama pull`" if "model" in str(error) else f"is {self._base_url} Ollama's address?"
            error.args = (f"{error}; {what}",)
        return error

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Say, where a connection failed, what is most often the reason."""
        try:
            yield
        except ConnectionFailed as error:
            error.args = (f"{error}; is Ollama running at {self._base_url}?",)
            raise


def host_url(host: str) -> str:
    """Return the address that a value of OLLAMA_HOST means; empty for none. Raise ValueError for what is no address.

    As for Ollama itself it may leave out the host, or scheme and port. A server that listens at every address is
    reached at that of this machine.
    """
    host = host.strip(" \t\"'")
    if not host:
        return ""
    is_bare = "://" not in host
    try:
        parts = urlsplit(f"http://{_bracketed(host)}" if is_bare else host)
        name = _REACHED_AT.get(parts.hostname, parts.hostname)
        port = _PORT if is_bare and parts.port is None else parts.port
        netloc = _bracketed(str(name)) + (f":{port}" if port else "")
        return checked_url(parts._replace(netloc=parts.netloc if "@" in parts.netloc else netloc).geturl())
    except ValueError as error:
        raise ValueError(f"the environment variable {HOST_VARIABLE} holds no address") from error


def _bracketed(host: str) -> str:
    try:
        return f"[{host}]" if ip_address(host).version == 6 else host
    except ValueError:
        return host
