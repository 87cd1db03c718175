"""The key `output` of an agent: an answer with a shape, and how the user sees it."""

from __future__ import annotations

from pydantic import Field

from runtime.config.model.types import ImportPath, JsonSchema, Section


class Output(Section):
    """The shape of what the agent answers, and what the user is shown of it: a widget, or a text."""

    widget: str | None = Field(None, min_length=1)
    """The widget that shows the answer; its data is the shape, unless one is given here."""
    template: str | None = Field(None, min_length=1)
    """The text that shows the answer, as Markdown; a template over the answer's fields, or over `output`."""
    schema_: JsonSchema | None = Field(None, alias="schema")
    """The shape as a JSON Schema of an object."""
    python: ImportPath | None = None
    """The shape as a type of Python: a pydantic model, a dataclass, a TypedDict."""
