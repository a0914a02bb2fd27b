"""All recorded streams of all formats, each with the decoder of the provider that it is of."""

from dataclasses import dataclass

from django.utils.module_loading import import_string

from converse_stream.providers.codecs import Decoder
from converse_stream.providers.codecs.chat import ChatDecoder
from converse_stream.registry import BUILT_IN
from tests.recordings import FOLDER, Recording, recordings

FORMATS = {
    "chat_completions": "chat",
    "responses": "responses",
    "messages": "messages",
    "generate_content": "generate_content",
    "ollama_chat": "ollama",
}
"""What a provider's `apis` call a format, by its name in the sidecars."""


@dataclass(frozen=True)
class Stream:
    """A recorded stream and who can read it."""

    recording: Recording
    decoder: type[Decoder]
    format: str

    @property
    def body(self) -> bytes:
        return self.recording.body

    def __str__(self) -> str:
        return "/".join(self.recording.path.parts[-2:])


def streams() -> list[Stream]:
    """Return every recorded stream; none where the recordings are absent."""
    if not FOLDER.is_dir():
        return []
    return [
        Stream(each.values[0], decoder, ours)
        for theirs, ours in FORMATS.items()
        for each in recordings(streams=True, api=theirs)
        if (decoder := _decoder(each.values[0], ours))
    ]


def _decoder(recording: Recording, api: str) -> type[Decoder] | None:
    provider = recording.path.parent.name
    apis = import_string(BUILT_IN[provider]).apis if provider in BUILT_IN else {}
    # Whoever speaks Chat Completions beside a format of its own is asked so by an entry with a `base_url`.
    return apis[api].decoder if api in apis else ChatDecoder if api == "chat" else None
