"""The `widgets` section: what agents can show besides text."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, Tag

from runtime.config.model.types import ImportPath, JsonSchema, Section, ShortFormSection, by_key


class _Widget(Section):
    data: JsonSchema | None = None
    """The JSON Schema of the widget's data; every rendering is validated against it."""
    copy_text: str | None = None
    """The text of the copy button; a template over the data."""
    sample: dict[str, Any] | None = None
    """Data for a trial rendering when the widget is built; a sample that fails is an error."""
    description: str | None = None
    """What the widget shows, for readers of the file."""


class TemplateWidget(_Widget, ShortFormSection):
    """A `.widget` file from ChatKit Studio, a JSON template, or the component tree itself."""

    short_key: ClassVar[str] = "template"

    template: str | dict[str, Any]
    """The file, relative to the project folder; or the component tree."""


class TableSection(Section):
    """Rows of key and value."""

    type: Literal["table"]
    """Which kind of section."""
    title: str | None = None
    """The heading; a template."""
    rows: str | list[dict[str, Any]]
    """A template that yields a list, or the rows: `[{key, value}]`."""


class MetadataSection(Section):
    """Small labelled facts."""

    type: Literal["metadata"]
    """Which kind of section."""
    title: str | None = None
    """The heading; a template."""
    items: str | list[dict[str, Any]]
    """A template that yields a list, or the facts: `[{key, value}]`."""


class ImageSection(Section):
    """One picture."""

    type: Literal["image"]
    """Which kind of section."""
    title: str | None = None
    """The heading; a template."""
    src: str
    """The picture's URL; a template."""
    alt: str | None = None
    """A description of the picture; a template."""


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
    """Selects the shorthand."""
    title: str | None = None
    """The card's title; a template."""
    sections: list[CardSection] = Field(min_length=1)
    """The sections, top to bottom."""


class PythonWidget(_Widget):
    """A renderer in Python: data -> widget."""

    python: ImportPath
    """The import path of the function."""


Widget = Annotated[
    Annotated[TemplateWidget, Tag("template")]
    | Annotated[SectionsWidget, Tag("sections")]
    | Annotated[PythonWidget, Tag("python")],
    by_key("sections", "python", "template", short="template"),
]
