"""What the site has set, right or wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from converse_stream.conf import DEFAULTS, django_setting


def given(key: str) -> Any:
    """Return the value that a setting has, or the default."""
    values = django_setting("CONVERSE_STREAM")
    return values.get(key, DEFAULTS[key]) if isinstance(values, Mapping) else DEFAULTS[key]
