"""The `widgets` section: what agents can show besides text."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, Tag

from runtime.config.model.types import ImportPath, JsonSchema, Section, ShortFormSection, by_key


class _Widget(Section):
    data: JsonSchema | None = None
    """The JSON Schema of the widget's data; every rendering is checked against it."""
    copy_text: str | None = None
    """What the copy button gives; a template over the data."""
    sample: dict[str, Any] | None = None
    """Data to try the widget with when it is built; a sample that does not work is an error."""
    description: str | None = None
    """What the widget shows, for readers of the file."""


class TemplateWidget(_Widget, ShortFormSection):
    """A `.widget` file from ChatKit Studio, a JSON template, or the component tree itself."""

    short_key: ClassVar[str] = "template"

    template: str | dict[str, Any]
    """The file, from the project folder; or the component tree."""


class TableSection(Section):
    """Rows of key and value."""

    type: Literal["table"]
    """Which kind of section."""
    title: str | None = None
    """The heading; a template."""
    rows: str | list[dict[str, Any]]
    """A template that gives a list, or the rows: `[{key, value}]`."""


class MetadataSection(Section):
    """Small labelled facts."""

    type: Literal["metadata"]
    """Which kind of section."""
    title: str | None = None
    """The heading; a template."""
    items: str | list[dict[str, Any]]
    """A template that gives a list, or the facts: `[{key, value}]`."""


class ImageSection(Section):
    """One picture."""

    type: Literal["image"]
    """Which kind of section."""
    title: str | None = None
    """The heading; a template."""
    src: str
    """The picture's address; a template."""
    alt: str | None = None
    """What the picture shows, in words; a template."""


class TextSection(Section):
    """A paragraph of Markdown."""

    type: Literal["text"]
    """Which kind of section."""
    title: str | None = None
    """The heading; a template."""
    text: str
    """The Markdown; a template."""


CardSection = Annotated[
    TableSection | MetadataSection | ImageSection | TextSection,
    Field(discriminator="type"),
]


class SectionsWidget(_Widget):
    """Shorthand for a card with several sections."""

    type: Literal["sections"]
    """Says that this is the shorthand."""
    title: str | None = None
    """The card's title; a template."""
    sections: list[CardSection] = Field(min_length=1)
    """The sections, top to bottom."""


class PythonWidget(_Widget):
    """A renderer in Python: data -> widget."""

    python: ImportPath
    """Where the function is."""


Widget = Annotated[
    Annotated[TemplateWidget, Tag("template")]
    | Annotated[SectionsWidget, Tag("sections")]
    | Annotated[PythonWidget, Tag("python")],
    by_key("sections", "python", "template", short="template"),
]
