"""The sections `widgets`, what agents can show besides text, and `actions`, the handlers of clicks by action type."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, Tag

from runtime.config.model.types import ImportPath, JsonSchema, Roles, Section, ShortFormSection, by_key


class _Widget(Section):
    data: JsonSchema | None = None
    """The JSON Schema of the widget's data; every rendering is validated against it."""
    copy_text: str | None = None
    """The text of the copy button; a template over the data."""
    sample: dict[str, Any] | None = None
    """Data for a trial rendering when the widget is built; a sample that fails is an error."""
    description: str | None = None
    """What the widget shows, for readers of the file."""


class TemplateWidget(_Widget, ShortFormSection, short_key="template"):
    """A `.widget` file from ChatKit Studio, a JSON template, or the component tree itself."""

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


CardSection = Annotated[TableSection | MetadataSection | ImageSection | TextSection, Field(discriminator="type")]


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


class _Action(Section):
    roles: Roles | None = Field(None, examples=[["support"]])
    """The roles of which a user needs one to use the action."""
    payload: JsonSchema | None = None
    """The JSON Schema of the action's payload; any other payload is rejected."""


class PythonAction(_Action, ShortFormSection, short_key="python"):
    """A handler in Python: `async def handler(ctx, action, sender)`, a coroutine or an async generator of events."""

    python: ImportPath
    """The import path of the handler."""
    sync: bool = False
    """Whether the handler also serves sync actions, which are answered with one updated item."""


class MessageAction(_Action):
    """The click becomes the user's next message."""

    message: str = Field(min_length=1)
    """The message; a template over `payload`."""


class EffectAction(_Action):
    """The click sends a client effect."""

    effect: str = Field(min_length=1)
    """The effect's name in the browser."""
    data: dict[str, Any] = {}
    """The effect's data; its strings are templates over `payload`."""


class WidgetAction(_Action):
    """The click renders a widget in place of the one that was clicked, with the payload as data."""

    widget: str = Field(min_length=1)
    """The widget's name."""


Action = Annotated[
    Annotated[PythonAction, Tag("python")]
    | Annotated[MessageAction, Tag("message")]
    | Annotated[EffectAction, Tag("effect")]
    | Annotated[WidgetAction, Tag("widget")],
    by_key("message", "effect", "widget", "python", short="python"),
]
