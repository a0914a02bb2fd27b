"""What a client of OpenAI's Chat Completions asks for: the model, the options, and how to answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn
from uuid import UUID

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from converse_stream.api.fields import ModelField
from converse_stream.api.openai_messages import History
from converse_stream.conf import settings
from converse_stream.limits import check_options

MAX_MESSAGES = 1000
OPTIONS = {
    **{name: name for name in ("temperature", "top_p", "frequency_penalty", "presence_penalty", "seed", "stop")},
    "max_tokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "reasoning_effort": "reasoning",
    "tools": "tools",
    "tool_choice": "tool_choice",
}
"""Our option for theirs."""
REFUSED: Mapping[str, tuple[Any, ...]] = {
    "n": (None, 1),
    "functions": (None, []),
    "function_call": (None,),
    "logprobs": (None, False),
    "logit_bias": (None, {}),
    "audio": (None,),
    "modalities": (None, ["text"]),
    "response_format": (None, {"type": "text"}),
}
"""What cannot be done here, with the values that ask for nothing. Fields that are not named anywhere change nothing."""


class CompletionSerializer(serializers.Serializer[Any]):
    """What is looked at. `conversation` is ours: of `messages` only the last one counts then."""

    model = ModelField()
    messages = serializers.ListField(child=serializers.DictField(), allow_empty=False, max_length=MAX_MESSAGES)
    stream = serializers.BooleanField(default=False, allow_null=True)
    stream_options = serializers.DictField(required=False, allow_null=True)
    conversation = serializers.UUIDField(required=False, allow_null=True)


@dataclass(frozen=True, slots=True)
class Completion:
    """A request."""

    model: str
    options: dict[str, Any]
    is_streamed: bool
    wants_usage: bool
    """Whether a stream is to tell the tokens."""
    conversation: UUID | None
    """The conversation to go on with, instead of a new one."""
    history: History = field(default_factory=History)


def read(data: Any) -> Completion:
    """Return what a request asks for. Raise ValidationError, UnknownModel, InvalidOptions or InvalidContent."""
    serializer = CompletionSerializer(data=data)
    serializer.is_valid(raise_exception=True)
    given = serializer.validated_data
    return Completion(
        model=given.get("model") or "",
        options=_options(data),
        is_streamed=bool(given["stream"]),
        wants_usage=bool((given.get("stream_options") or {}).get("include_usage")),
        conversation=given.get("conversation"),
        history=History.of(given["messages"]),
    )


def _options(data: Mapping[str, Any]) -> dict[str, Any]:
    for name, nothing in REFUSED.items():
        if data.get(name) not in nothing:
            _refuse(name, _("This is not supported."))
    options = {}
    for theirs, ours in OPTIONS.items():
        value = data.get(theirs)
        if value in (None, []):
            continue
        if ours not in settings.CLIENT_OPTIONS:
            _refuse(theirs, _("This option may not be set."))
        options[ours] = _tools(value) if ours == "tools" else _tool_choice(value) if ours == "tool_choice" else value
    check_options(options)
    return options


def _tools(value: Any) -> list[dict[str, Any]]:
    """Return tools in our form: what theirs hold as `function`."""
    tools = value if isinstance(value, list) else [None]
    functions = [tool.get("function") if isinstance(tool, dict) else None for tool in tools]
    known = [function for function in functions if isinstance(function, dict) and isinstance(function.get("name"), str)]
    if len(known) < len(tools):
        _refuse("tools", _("Tools must be functions with a name."))
    return [{key: tool[key] for key in ("name", "description", "parameters") if key in tool} for tool in known]


def _tool_choice(value: Any) -> Any:
    function = value.get("function") if isinstance(value, dict) else None
    return {"name": function.get("name")} if isinstance(function, dict) else value


def _refuse(name: str, sentence: Promise) -> NoReturn:
    raise serializers.ValidationError({name: [str(sentence)]})
