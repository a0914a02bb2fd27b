"""Schema: what an answer is to be, as a type or as a JSON schema, and whether a text is that.

The only module that imports jsonschema (extra `tools`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from converse_stream.cleaning import clean_json
from converse_stream.exceptions import InvalidOptions, InvalidOutput
from converse_stream.typed import jsonable, pydantic, report

PARSED = "parsed"
"""The name of the data part that holds the validated object."""
INVALID = "invalid"
"""The name of the data part after a text that was no such object, and is said once more."""
_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)
_NAME = re.compile("[^a-zA-Z0-9_-]+")
_LONGEST_REPORT = 2000


class Schema:
    """A pydantic model, a dataclass or another type that makes a JSON object; or a JSON schema of one."""

    def __init__(self, wanted: Any) -> None:
        """Raise InvalidOptions for what describes no object, ImproperlyConfigured where pydantic is needed."""
        self.is_type = not isinstance(wanted, Mapping)
        if self.is_type:
            self._adapter, described = _adapter(wanted)
        else:
            described = clean_json(dict(wanted))
            self._validator = _validator(described)
        if described.get("type") != "object" and "$ref" not in described:
            raise InvalidOptions("a schema must describe a JSON object: put anything else into a field of one")
        self.json: dict[str, Any] = _closed(described) if self.is_type else described
        """The JSON schema."""

    @property
    def option(self) -> dict[str, Any]:
        """The option `schema` of a provider that has a word for it."""
        name = _NAME.sub("_", str(self.json.get("title") or ""))[:60] or "answer"
        return {"name": name, "schema": self.json, "strict": all(_is_strict(each) for each in _objects(self.json))}

    @property
    def instruction(self) -> str:
        """What a model is told whose provider has no word for it."""
        return (
            "Answer with one JSON object and nothing else: no other words, no Markdown. "
            f"It must conform to this JSON schema:\n{json.dumps(self.json, ensure_ascii=False)}"
        )

    def read(self, text: str) -> Any:
        """Return the object that a text is, as JSON. Raise InvalidOutput, which says what is wrong."""
        error = InvalidOutput("it is no JSON")
        for candidate in _candidates(text):
            try:
                value = json.loads(candidate)
            except (ValueError, RecursionError):
                continue
            try:
                return self._checked(value)
            except InvalidOutput as wrong:
                error = wrong
        raise error

    def _checked(self, value: Any) -> Any:
        if self.is_type:
            try:
                return clean_json(jsonable(self._adapter.validate_python(value)))
            except pydantic().ValidationError as error:
                raise InvalidOutput(report(error)) from None
        wrong = [f"{each.json_path}: {each.message}"[:200] for each in self._validator.iter_errors(value)]
        if wrong:
            raise InvalidOutput("\n".join(wrong)[:_LONGEST_REPORT])
        return clean_json(value)


def parse(kind: Any, value: Any) -> Any:
    """Return a stored object as an instance of a type. Raise pydantic's ValidationError if it is none."""
    adapter, _ = _adapter(kind)
    return adapter.validate_python(value)


def _adapter(kind: Any) -> tuple[Any, dict[str, Any]]:
    """Return what validates a type, and its JSON schema."""
    if isinstance(kind, str):
        raise InvalidOptions("a schema is a type itself, not its name")
    try:
        adapter = pydantic().TypeAdapter(kind)
        return adapter, adapter.json_schema()
    except (pydantic().errors.PydanticUserError, pydantic().errors.PydanticSchemaGenerationError) as error:
        raise InvalidOptions(f"a schema is a pydantic model, another type or a mapping: {error}") from error


def _validator(schema: Mapping[str, Any]) -> Any:
    try:
        jsonschema = import_module("jsonschema")
    except ImportError as error:
        raise ImproperlyConfigured("this needs jsonschema: pip install 'converse-stream[tools]'") from error
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise InvalidOptions(f"this is no JSON schema: {error.message:.200}") from error
    return kind(schema)


def _candidates(text: str) -> Iterator[str]:
    """Yield what of a text may be the object: all of it, what is fenced, what is in braces."""
    yield text
    yield from _FENCED.findall(text)
    if "{" in text:
        yield text[text.index("{") : text.rfind("}") + 1]


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield each schema of an object within a schema."""
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield schema
        for value in schema.values():
            yield from _objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _objects(value)


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a type's schema as providers want it: with nothing in an object but what is named."""
    closed: dict[str, Any] = json.loads(json.dumps(schema))
    for each in _objects(closed):
        each.setdefault("additionalProperties", False)
    return closed


def _is_strict(schema: Mapping[str, Any]) -> bool:
    """Tell whether OpenAI takes the schema of an object as one to be held to by force."""
    properties = schema["properties"]
    has_defaults = any(isinstance(each, Mapping) and "default" in each for each in properties.values())
    is_closed = schema.get("additionalProperties") is False
    return is_closed and not has_defaults and set(schema.get("required") or ()) == set(properties)
