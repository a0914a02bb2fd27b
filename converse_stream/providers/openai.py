"""OpenAI, and every server that speaks its Chat Completions format."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from converse_stream.events import Delta
from converse_stream.exceptions import AuthenticationFailed, ProviderError
from converse_stream.prompts import Prompt
from converse_stream.providers import chat_request, client, errors, keys
from converse_stream.providers.base import Provider
from converse_stream.providers.chat_completions import ChatCompletionsDecoder
from converse_stream.providers.deadlines import Timeouts

_OPENAI = "api.openai.com"
_NOT_A_STREAM = frozenset({"application/json", "text/html"})


class ChatCompletions(Provider):
    """A server that speaks Chat Completions, known by its `base_url`. Where one differs, a subclass says how."""

    config_keys = frozenset({"api_key", "base_url", "headers", "timeouts"})
    base_url: ClassVar[str] = ""
    """The address when the config names none."""
    key_environment: ClassVar[str] = ""
    """The environment variable that holds the key when the config has none."""
    include_usage: ClassVar[bool] = True
    """Whether to ask for usage with `stream_options`."""
    decoder: ClassVar[type[ChatCompletionsDecoder]] = ChatCompletionsDecoder

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
        self._base_url = _checked_url(self.config.get("base_url") or self.base_url)
        self._headers = _checked_headers(self.config.get("headers") or {})
        self._timeouts = Timeouts.read(self.config.get("timeouts") or {})

    @property
    def url(self) -> str:
        """Where requests go."""
        return f"{self._base_url}/chat/completions"

    @property
    def is_openai(self) -> bool:
        """Whether the server is OpenAI's own."""
        return urlsplit(self._base_url).hostname == _OPENAI

    async def deltas(self, prompt: Prompt) -> AsyncIterator[Delta]:
        """Yield the answer as it arrives; see Provider.deltas."""
        body, key = self.body(prompt), await self.key()
        decoder = self.decoder()
        with keys.redacted(key):
            async with client.post(self.url, body, headers=self.headers(key), timeouts=self._timeouts) as reply:
                await self._check(reply)
                async for piece in reply:
                    for delta in decoder.feed(piece):
                        yield delta
                    if decoder.begun:
                        reply.begun()
                    if decoder.done:
                        break
                for delta in decoder.close():
                    yield delta
                if decoder.error:
                    decoder.error.request_id = errors.request_id(reply.headers)
                    raise decoder.error
                await reply.drain()

    def body(self, prompt: Prompt) -> dict[str, Any]:
        """Return the request's body. Raise BadRequest for what cannot be asked."""
        limit = "max_completion_tokens" if self.is_openai else "max_tokens"
        return chat_request.body(prompt, max_tokens_name=limit, include_usage=self.include_usage)

    async def key(self) -> keys.Secret:
        """Return the API key. Raise AuthenticationFailed where one is needed and there is none."""
        key = await keys.find(self.config.get("api_key"), self.key_environment)
        if self.is_openai and not key:
            variable = f", or the environment variable {self.key_environment}" if self.key_environment else ""
            raise AuthenticationFailed(
                f"the provider {self.name!r} has no API key: set "
                f"CONVERSE_STREAM['PROVIDERS'][{self.name!r}]['api_key'] to a key or a callable{variable}"
            )
        return key

    def headers(self, key: keys.Secret) -> dict[str, keys.Secret]:
        """Return the request's headers."""
        return {**self._headers, "authorization": "Bearer " + key} if key else dict(self._headers)

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """Return the error of a response that is no answer."""
        return errors.from_response(status, headers, body)

    async def disconnect(self) -> None:
        """Close the HTTP client of the running event loop."""
        await client.close()

    async def _check(self, reply: client.Reply) -> None:
        # The status first: some servers label a JSON error as an event stream.
        if reply.status != 200 or reply.content_type in _NOT_A_STREAM:
            raise self.refusal(reply.status, reply.headers, await reply.read())


class OpenAI(ChatCompletions):
    """OpenAI's Chat Completions, or with another `base_url` a gateway to them."""

    config_keys = ChatCompletions.config_keys | {"organization", "project"}
    base_url = f"https://{_OPENAI}/v1"
    key_environment = "OPENAI_API_KEY"
    default_model = "gpt-6-luna"  # as of 2026-11

    def headers(self, key: keys.Secret) -> dict[str, keys.Secret]:
        """Return the request's headers, with the organization and project that pay for it."""
        named = {"openai-organization": self.config.get("organization"), "openai-project": self.config.get("project")}
        return super().headers(key) | _checked_headers({name: value for name, value in named.items() if value})


def _checked_url(url: object) -> str:
    parts = urlsplit(url if isinstance(url, str) else "")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("base_url must be an address like https://host/v1, without a query")
    if parts.username or parts.password:
        raise ValueError("base_url must not contain a password: use api_key or headers")
    # Both raise ValueError for what would otherwise break deep inside a connection attempt.
    _ = parts.port, parts.hostname.encode("idna")
    return parts.geturl().rstrip("/")


def _checked_headers(headers: object) -> dict[str, keys.Secret]:
    if not isinstance(headers, Mapping):
        raise ValueError("headers must be a mapping of names to values")
    for name, value in headers.items():
        if not (isinstance(value, str) and value.isascii() and value.isprintable()):
            raise ValueError(f"the header {name!r} must be printable ASCII text")
    # Their values may be keys as well.
    return {str(name).lower(): keys.Secret(value) for name, value in headers.items()}
