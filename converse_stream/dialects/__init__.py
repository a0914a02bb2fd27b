"""The wire formats that events can be sent in."""

from converse_stream.dialects.base import Dialect
from converse_stream.dialects.native import NativeDialect, payload
from converse_stream.exceptions import UnknownDialect

__all__ = ["Dialect", "get_dialect", "payload"]

_DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (NativeDialect(),)}


def get_dialect(name: str) -> Dialect:
    """Return a dialect by name. Raise UnknownDialect."""
    try:
        return _DIALECTS[name]
    except KeyError:
        raise UnknownDialect(f"no dialect {name[:40]!r}; known are {', '.join(_DIALECTS)}") from None
