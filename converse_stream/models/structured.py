"""What a structured answer holds besides its text: the object that was validated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Structured:
    """The object in the parts of a message."""

    def committed_parts(self) -> Sequence[Any]:
        """Return the parts committed."""
        raise NotImplementedError

    @property
    def parsed(self) -> Any:
        """The validated object of an answer asked for with `schema=`, as JSON; None as long as there is none."""
        found = [part for part in self.committed_parts() if part["type"] == "data" and part["name"] == "parsed"]
        return found[-1]["value"] if found else None

    def parse(self, kind: Any) -> Any:
        """Return `parsed` as an instance of a pydantic model or another type. Raise pydantic's ValidationError."""
        from converse_stream.schemas import parse

        return parse(kind, self.parsed)
