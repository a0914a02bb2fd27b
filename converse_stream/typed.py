"""What type hints say: JSON schemas, and values made sure of. The only module that imports pydantic (extra `tools`)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from converse_stream.exceptions import BadArguments

_LONGEST_REPORT = 2000
"""Characters of what is told of arguments that do not fit."""


@cache
def pydantic() -> Any:
    """Import pydantic, which takes a moment. Raise ImproperlyConfigured where it is not installed."""
    try:
        return import_module("pydantic")
    except ImportError as error:
        raise ImproperlyConfigured("this needs pydantic: pip install 'converse-stream[tools]'") from error


class Fields:
    """Named values of these types: a function's parameters."""

    def __init__(self, name: str, types: Mapping[str, tuple[Any, Any]]) -> None:
        """Take the type and the default (`...` for none) of each. Raise TypeError for types that JSON cannot hold."""
        # Under names of our own: a parameter may have any name, an attribute of a model may not.
        self._names = {f"field_{number}": name for number, name in enumerate(types)}
        fields = {
            ours: (kind, pydantic().Field(default, alias=self._names[ours]))
            for ours, (kind, default) in zip(self._names, types.values(), strict=True)
        }
        config = pydantic().ConfigDict(extra="forbid", title=name)
        try:
            self._model = pydantic().create_model(name, __config__=config, **fields)
            self.schema: dict[str, Any] = self._model.model_json_schema()
        except (pydantic().errors.PydanticUserError, pydantic().errors.PydanticSchemaGenerationError) as error:
            raise TypeError(f"the parameters of {name} cannot be described: {error}") from error

    def read(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values given, as their types. Raise BadArguments for what does not fit."""
        try:
            read = self._model.model_validate(values)
        except pydantic().ValidationError as error:
            raise BadArguments(report(error)) from None
        return {self._names[ours]: getattr(read, ours) for ours in read.model_fields_set}


def report(error: Any) -> str:
    """Return what is wrong, a line each, without the values and without addresses of documentation."""
    lines = [
        f"{'.'.join(map(str, each['loc'])) or 'the whole'}: {each['msg']}" for each in error.errors(include_url=False)
    ]
    return "\n".join(lines)[:_LONGEST_REPORT]


def jsonable(value: Any) -> Any:
    """Return a value as JSON: dataclasses, dates, decimals, models and the like. Raise TypeError for what is none."""
    core = import_module("pydantic_core")
    try:
        return core.to_jsonable_python(value)
    except (core.PydanticSerializationError, ValueError) as error:
        raise TypeError(f"{type(value).__name__} cannot be told as JSON") from error
