"""Recorded provider traffic: read where it lies, never copied. Tests are skipped where it is absent, except in CI."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "shared" / "fixtures" / "providers"


@dataclass(frozen=True)
class Recording:
    """A recorded body and what its sidecar says of it."""

    path: Path
    sidecar: dict[str, Any]

    @property
    def body(self) -> bytes:
        return self.path.read_bytes()

    @property
    def expected(self) -> dict[str, Any]:
        return self.sidecar["expected"]

    def cuts(self) -> dict[str, list[bytes]]:
        """Return the body cut in every way a network might."""
        cuts = {"whole": [len(self.body)], "bytes": [1], "sevens": [7]}
        if self.sidecar.get("transport_chunk_lengths"):
            cuts["transport"] = self.sidecar["transport_chunk_lengths"]
        return {name: list(cut(self.body, sizes)) for name, sizes in cuts.items()}


def cut(body: bytes, sizes: list[int]):
    start = number = 0
    while start < len(body):
        size = sizes[number % len(sizes)]
        yield body[start : start + size]
        start, number = start + size, number + 1


def recordings(*, streams: bool, provider: str = "*", api: str = "chat_completions") -> list[Any]:
    """Return the recordings of an API's streams, or of HTTP errors, as parameters for a test."""
    found = [
        Recording(next(path for path in sidecar.parent.glob(f"{sidecar.stem}.*") if path != sidecar), facts)
        for sidecar in sorted(FOLDER.glob(f"{provider}/*.json"))
        if (facts := json.loads(sidecar.read_text(encoding="utf-8"))).get("api") == (api if streams else None)
    ]
    if not found and not os.environ.get("CI"):
        return [pytest.param(None, marks=pytest.mark.skip(f"no recordings in {FOLDER}"))]
    if not found:
        raise FileNotFoundError(f"no recordings in {FOLDER}: in CI they must be there")
    return [pytest.param(each, id=f"{each.path.parent.name}/{each.path.stem}") for each in found]


def plain_recordings(*, provider: str) -> list[Any]:
    """Return the recordings of Chat Completions whose answer is text, said properly to its end."""
    return [
        each
        for each in recordings(streams=True, provider=provider)
        if each.values[0] is None or (each.values[0].expected["text"] and not each.values[0].expected["error"])
    ]
