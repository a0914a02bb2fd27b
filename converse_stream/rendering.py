"""PromptTemplate: a Django template as a prompt, rendered as the plain text that a model is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.template import Context, Engine


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """What is said, as a template and what fills it: `PromptTemplate("support/hello.txt", {"user": user})`.

    Nothing is escaped: a model reads text, not HTML. The rendered text is what is stored, with the template's name.
    """

    name: str = ""
    """As `render_to_string` takes it."""
    context: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    """The template itself, in place of a name."""

    def __post_init__(self) -> None:
        if bool(self.name) == bool(self.source):
            raise TypeError("a PromptTemplate needs either the name of a template or its source")

    def render(self) -> str:
        """Return the text. Raise TemplateDoesNotExist or TemplateSyntaxError."""
        engine = Engine.get_default()
        template = engine.get_template(self.name) if self.name else engine.from_string(self.source)
        return str(template.render(Context(dict(self.context), autoescape=False)))


def rendered(content: object) -> tuple[object, dict[str, Any]]:
    """Return what is said as text, and the metadata that tells of its template."""
    if not isinstance(content, PromptTemplate):
        return content, {}
    return content.render(), {"template": content.name} if content.name else {}
