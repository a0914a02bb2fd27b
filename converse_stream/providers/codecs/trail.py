"""Where in an answer a provider's blobs stood, so that they can be sent back between the same words.

For formats whose answers are lists of blocks of which some show nothing: a signature, a search, encrypted thinking.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from converse_stream.cleaning import clean_text, split_half
from converse_stream.events import KIND_OF, TEXT_KINDS, Content, State, Text


class Trail:
    """Follow what an answer says, and turn its blobs into states.

    A state belongs to the text or reasoning before it, as neighbouring texts become one part. So it notes after how
    many characters of that text it stood. They are counted as they will be stored: half of a surrogate pair at the end
    of a piece waits for the next.
    """

    def __init__(self) -> None:
        self._kind = "text"
        self._length = 0
        self._half = ""

    def said(self, content: Content) -> None:
        """Note what has just been given."""
        if isinstance(content, Text):
            whole, self._half = split_half(self._half + content.text)
            self._length = len(clean_text(whole)) + (self._length if self._kind == "text" else 0)
            self._kind = "text"
        else:
            kind = KIND_OF[type(content)]
            self._kind, self._length = kind if kind in TEXT_KINDS else "text", 0

    def state(self, blob: Mapping[str, Any], *, shown: str = "", kind: str = "") -> State:
        """Return the state of a blob that stands for what was `shown` last.

        Where nothing has been said yet, the blob stands for a part of this `kind`.
        """
        if kind and not self._length:
            self._kind = kind
        length = len(clean_text(split_half(shown)[0]))
        at = max(0, self._length - length) if self._kind == "text" else 0
        return State(self._kind, {"at": at, "shown": length, "blob": dict(blob)})


def kept_blob(state: object) -> dict[str, Any]:
    """Return the blob of a state as it came; an empty one if the state is none of ours.

    The same model may have been asked in another format before.
    """
    blob = state.get("blob") if isinstance(state, Mapping) else None
    return dict(blob) if isinstance(blob, Mapping) else {}


def blobs(part: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the blobs that a part's state holds, as they came."""
    return [blob for state in part.get("state") or () if (blob := kept_blob(state))]


def unrolled(part: Mapping[str, Any]) -> Iterator[str | dict[str, Any]]:
    """Yield a text part as it came: the blobs at their places, the text that none of them holds between them."""
    text, done = part["text"], 0
    for state in part.get("state") or ():
        blob = kept_blob(state)
        if blob:
            at = max(done, state["at"])
            if text[done:at]:
                yield text[done:at]
            yield blob
            done = at + state["shown"]
    if text[done:]:
        yield text[done:]
