"""The `actions` section: the handlers of clicks in widgets. The key of an entry is the action's type."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, Tag

from runtime.config.model.types import IMPORT_PATTERN, ImportPath, JsonSchema, Section, ShortFormSection, by_key


class _Action(Section):
    payload: JsonSchema | None = None
    """The JSON Schema of the action's payload; any other payload is rejected."""


class PythonAction(_Action, ShortFormSection):
    """A handler in Python: `async def handler(ctx, action, sender)`, a coroutine or an async generator of events."""

    short_key: ClassVar[str] = "python"
    short_pattern: ClassVar[str | None] = IMPORT_PATTERN

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
