"""The key `chat.tags`: what a user may mention with `@`, and what the model is told of it."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from runtime.config.model.types import IMPORT_PATTERN, ImportPath, Section, ShortFormSection


class MentionEntity(Section):
    """Something that can be mentioned: a person, a document, an order."""

    id: str = Field(min_length=1)
    """What it is known by; each has its own."""
    title: str = Field(min_length=1)
    """What people call it."""
    group: str | None = None
    """A heading that it stands under in the menu."""
    icon: str | None = None
    """An icon of ChatKit, such as `map-pin`."""
    data: dict[str, Any] = {}
    """More about it, for `text` and `preview`; texts of it go to the page as well."""
    interactive: bool = True
    """Whether a click on it, and the preview, work in the page."""


class MentionConfig(ShortFormSection):
    """What a user may mention with `@`: a list, or the project's own Python."""

    short_key: ClassVar[str] = "python"
    short_needed: ClassVar[bool] = False
    short_pattern: ClassVar[str | None] = IMPORT_PATTERN

    python: ImportPath | None = None
    """A function `(tag, context)`, sync or async: what the model is told of a mention, as a text. `context` is what
    `context:` made of the request."""
    entities: list[MentionEntity] = []
    """What can be mentioned, where the list is short enough to stand here."""
    search: ImportPath | None = None
    """A function `(query, context)`, sync or async: the entities that fit what the user has typed, as mappings with
    `id` and `title`, and `group`, `icon` and `data` if need be."""
    lookup: ImportPath | None = None
    """A function `(id, context)`, sync or async: the entity of that id, a mapping like those of `search`, or None."""
    text: str | None = Field(None, min_length=1)
    """What the model is told of a mention, where there is no function for it; a template over the entity."""
    preview: str | None = Field(None, min_length=1)
    """The widget that the page shows of an entity: a name, or a file. Its data are the entity's."""
    menu: bool = False
    """Whether the composer has a button for it, beside the `@` that one types."""
