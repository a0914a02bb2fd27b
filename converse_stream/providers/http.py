"""HTTPProvider: what all providers that are asked over HTTP have in common."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import urlsplit

from converse_stream.events import Delta
from converse_stream.exceptions import AuthenticationFailed, BadRequest, InvalidOptions, ProviderError
from converse_stream.prompts import Prompt
from converse_stream.providers import client, errors, keys, reasoning
from converse_stream.providers import options as known
from converse_stream.providers.base import Provider
from converse_stream.providers.codecs import Codec
from converse_stream.providers.deadlines import Timeouts

_NOT_A_STREAM = frozenset({"application/json", "text/html"})
_NOT_AN_ANSWER = frozenset({"text/html"})
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token of RFC 9110, section 5.6.2


class HTTPProvider(Provider):
    """A provider behind HTTP. A subclass names its address, where its key comes from, and the formats it speaks."""

    config_keys = frozenset({"api", "api_key", "base_url", "headers", "timeouts"})
    supports_schema = True
    header_keys: ClassVar[Mapping[str, str]] = {}
    """The headers that keys of the config stand for."""
    base_url: ClassVar[str] = ""
    """The address when the config names none."""
    key_environment: ClassVar[str] = ""
    """The environment variable that holds the key when the config has none."""
    needs_key: ClassVar[bool] = True
    """Whether nothing can be asked without a key; a `base_url` of the site's own decides for itself."""
    apis: ClassVar[Mapping[str, type[Codec]]]
    """The formats it speaks by the name that the setting or option `api` has for them; the first is the default."""

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
        self._base_url = checked_url(self.config.get("base_url") or self.base_url)
        self._headers = checked_headers(self.config.get("headers") or {})
        self._timeouts = Timeouts.read(self.config.get("timeouts") or {})
        self._codec(self.config)  # raises for an unknown one
        key = self.config.get("api_key")
        if not (key is None or isinstance(key, str) or callable(key)):
            raise ValueError("api_key must be a text or a callable")
        named = {header: self.config.get(key) for key, header in self.header_keys.items()}
        self._named = checked_headers({header: value for header, value in named.items() if value})

    @property
    def is_own_server(self) -> bool:
        """Whether requests go to the provider's own server, not to a gateway or a compatible one."""
        return bool(self.base_url) and urlsplit(self._base_url).hostname == urlsplit(self.base_url).hostname

    @property
    def vendor_url(self) -> str:
        """The provider's own address, also behind a gateway; of a server known by its address alone, that one."""
        return self.base_url or self._base_url

    def default_api(self) -> str:
        """Return the format to use when neither the call nor the config names one."""
        return next(iter(self.apis))

    async def deltas(self, prompt: Prompt) -> AsyncIterator[Delta]:
        """Yield the answer as it arrives; see Provider.deltas."""
        (url, body), key = self.request(prompt), await self.key()
        decoder, stream = self._codec(prompt.options).decoder(), _is_streamed(prompt)
        with keys.redacted(key, *self._headers.values()), self.explained():
            async with client.post(url, body, headers=self.headers(key), timeouts=self._timeouts) as reply:
                await self._check(reply, stream=stream)
                decoder.request_id = errors.request_id(reply.headers)
                if stream:
                    # Not in a generator of its own: each costs something for every delta.
                    async for piece in reply:
                        for delta in decoder.feed(piece):
                            yield delta
                        if decoder.begun:
                            reply.begun()
                        if decoder.done:
                            break
                for delta in decoder.close() if stream else decoder.whole(await reply.whole()):
                    yield delta
                if decoder.error:
                    decoder.error.request_id = decoder.error.request_id or errors.request_id(reply.headers)
                    raise decoder.error
                await reply.drain()

    def request(self, prompt: Prompt) -> tuple[str, dict[str, Any]]:
        """Return the address and the JSON body that ask for an answer. Raise BadRequest for what cannot be asked."""
        try:
            self.check(prompt.options)
        except InvalidOptions as error:
            raise BadRequest(str(error)) from error
        if not prompt.model:
            raise BadRequest("no model is named: ask for 'provider:model', or set 'model' in the provider's config")
        codec, stream = self._codec(prompt.options), _is_streamed(prompt)
        prompt = replace(prompt, options=_of_the_answer(prompt.options))
        return self._base_url + codec.path(prompt, stream=stream), codec.body(prompt, stream=stream)

    def check(self, options: Mapping[str, Any]) -> None:
        """Raise InvalidOptions for options that cannot be asked for."""
        by_api = {api: codec.options for api, codec in self.apis.items()}
        codec = self._codec(options)
        known.check(options, codec.options | known.OF_THE_CALL, self.name, by_api=by_api)
        reasoning.check(options.get("reasoning"), codec.reasoning_options, self.name)

    async def key(self) -> keys.Secret:
        """Return the API key. Raise AuthenticationFailed where one is needed and there is none."""
        key = await keys.find(self.config.get("api_key"), self.key_environment)
        if self.needs_key and self.is_own_server and not key:
            variable = f", or the environment variable {self.key_environment}" if self.key_environment else ""
            raise AuthenticationFailed(
                f"the provider {self.name!r} has no API key: set "
                f"CONVERSE_STREAM['PROVIDERS'][{self.name!r}]['api_key'] to a key or a callable{variable}"
            )
        return key

    def headers(self, key: keys.Secret) -> dict[str, keys.Secret]:
        """Return the request's headers: the config's, and the key's."""
        return {**self._headers, **(self.authorization(key) if key else {}), **self._named}

    def authorization(self, key: keys.Secret) -> dict[str, keys.Secret]:
        """Return the header that carries the key."""
        return {"authorization": "Bearer " + key}

    def refusal(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """Return the error of a response that is no answer."""
        return errors.from_response(status, headers, body)

    def explained(self) -> AbstractContextManager[None]:
        """Return what the errors of an exchange pass through, for a provider that has something to add to them."""
        return nullcontext()

    async def disconnect(self) -> None:
        """Close the HTTP client of the running event loop."""
        await client.close()

    def _codec(self, named: Mapping[str, Any]) -> Codec:
        api = named.get("api") or self.config.get("api") or self.default_api()
        if not isinstance(api, str) or api not in self.apis:
            raise InvalidOptions(f"the provider {self.name!r} has no api {api!r:.60}; it speaks {', '.join(self.apis)}")
        return self.apis[api](self._base_url)

    async def _check(self, reply: client.Reply, *, stream: bool) -> None:
        # The status first: some servers label a JSON error as an event stream.
        wrong = _NOT_A_STREAM if stream else _NOT_AN_ANSWER
        if reply.status != 200 or reply.content_type in wrong:
            raise self.refusal(reply.status, reply.headers, await reply.read())


def _is_streamed(prompt: Prompt) -> bool:
    return prompt.options.get("stream") is not False


def _of_the_answer(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None and name not in known.OF_THE_CALL}


def checked_url(url: object) -> str:
    """Return an address without its last slash. Raise ValueError for what is none."""
    parts = urlsplit(url if isinstance(url, str) else "")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("base_url must be an address like https://host/v1, without a query")
    if parts.username or parts.password:
        raise ValueError("base_url must not contain a password: use api_key or headers")
    # Both raise ValueError for what would otherwise break deep inside a connection attempt.
    _ = parts.port, parts.hostname.encode("idna")
    return parts.geturl().rstrip("/")


def checked_headers(headers: object) -> dict[str, keys.Secret]:
    """Return headers as secrets, as their values may be keys. Raise ValueError for what cannot be sent."""
    if not isinstance(headers, Mapping):
        raise ValueError("headers must be a mapping of names to values")
    for name, value in headers.items():
        if not (isinstance(name, str) and _HEADER.fullmatch(name)):
            raise ValueError(f"{name!r} is no name of a header")
        if not (isinstance(value, str) and value.isascii() and value.isprintable()):
            raise ValueError(f"the header {name!r} must be printable ASCII text")
    return {name.lower(): keys.Secret(value) for name, value in headers.items()}
