"""JSON as every database can store it, whatever a client sends."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from converse_stream.cleaning import clean_json


class CleanJSONParser(JSONParser):
    """Parse JSON; NUL and lone surrogates become U+FFFD, in keys too, and what is nested without end is refused."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the parsed and cleaned value. Raise ParseError."""
        try:
            # Cleaning needs the most stack of all that will ever walk the value, so nothing later can overflow.
            return clean_json(super().parse(stream, media_type, parser_context))
        except RecursionError as error:
            raise ParseError("JSON parse error - nested too deeply") from error
