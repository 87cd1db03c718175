"""`chat.tags` -> search and preview of the entities that a user can mention, and their descriptions for the model."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chatkit.types import UserMessageTagContent
from chatkit.widgets import WidgetRoot
from pydantic import ValidationError

from runtime.assemble.context import RuntimeContext, scope_of
from runtime.assemble.functions import call_function, resolve_function
from runtime.assemble.problems import Problems
from runtime.assemble.widgets import BuiltWidget
from runtime.config.model.chat import MentionConfig, MentionEntity
from runtime.errors import RuntimeFault
from runtime.project_code.loader import ProjectCode
from runtime.templates.template import Template, TemplateError

logger = logging.getLogger("runtime.assemble")
MAX_RESULTS = 50


@dataclass(frozen=True, slots=True)
class BuiltMentions:
    """The entities that can be mentioned; the `context` of `search` and `get` is the request context."""

    entities: Mapping[str, MentionEntity]
    resolve_function: Callable[..., Any] | None = None
    search_function: Callable[..., Any] | None = None
    lookup_function: Callable[..., Any] | None = None
    text: Template | None = None
    preview_widget: BuiltWidget | None = None

    async def search(self, query: str, context: Any) -> list[MentionEntity]:
        """Return at most 50 entities that match. Raise RuntimeFault if the project's function returns anything else."""
        if self.search_function is not None:
            results = await call_function(self.search_function, query, context)
            return [_entity(value) for value in list(results or [])[:MAX_RESULTS]]
        words = query.casefold().split()
        matches = [entity for entity in self.entities.values() if _matches(entity, words)]
        # A title that starts with the query is the better match.
        matches.sort(key=lambda entity: not entity.title.casefold().startswith(query.strip().casefold()))
        return matches[:MAX_RESULTS]

    async def get(self, entity_id: str, context: Any) -> MentionEntity | None:
        """Return the entity of that id. Raise RuntimeFault if the project's function returns anything else."""
        if self.lookup_function is not None:
            value = await call_function(self.lookup_function, entity_id, context)
            return None if value is None else _entity(value)
        return self.entities.get(entity_id)

    async def preview(self, entity: MentionEntity) -> WidgetRoot | None:
        """Return the widget that shows an entity, or None. Raise WidgetError if the data does not match its schema."""
        if self.preview_widget is None:
            return None
        fields = {"id": entity.id, "title": entity.title, "group": entity.group, "icon": entity.icon}
        data = {**{name: value for name, value in fields.items() if value is not None}, **entity.data}
        properties = (self.preview_widget.data_schema or {}).get("properties")
        return await self.preview_widget.arender(
            data if properties is None else {name: value for name, value in data.items() if name in properties}
        )

    async def describe(self, tag: UserMessageTagContent, context: RuntimeContext) -> str | None:
        """Return the description of a mention for the model; None where there is nothing beyond the tag itself."""
        request_context = context.request_context
        try:
            if self.resolve_function is not None:
                text = await call_function(self.resolve_function, tag, request_context)
                return None if text is None else str(text)
            entity = await self.get(tag.id, request_context)
            if entity is None:
                return None
            if self.text is None:
                fields = {"id": entity.id, "title": entity.title, "group": entity.group, "data": entity.data}
                return f"@{tag.text} stands for {json.dumps(fields, ensure_ascii=False, default=str)}"
            return str(self.text.render({**scope_of(context), **entity.model_dump(exclude={"interactive"})}))
        except TemplateError as error:
            logger.warning("the text of the mention %r can't be rendered: %s", tag.id, error)
            return None


def build_mentions(
    entry: MentionConfig | None, code: ProjectCode, widget: Callable[[str], BuiltWidget], problems: Problems
) -> BuiltMentions | None:
    """Build the mentions; failures are recorded in `problems`."""
    if entry is None:
        return None
    functions: dict[str, Callable[..., Any]] = {}
    for key in ("python", "search", "lookup"):
        if (path := getattr(entry, key)) is not None:
            with problems.record("A310", "chat", "tags", key):
                functions[key] = resolve_function(code, path, "a function of two arguments")
    preview: BuiltWidget | None = None
    if entry.preview is not None:
        with problems.record("A401", "chat", "tags", "preview"):
            preview = widget(entry.preview)
    return BuiltMentions(
        {entity.id: entity for entity in entry.entities},
        functions.get("python"),
        functions.get("search"),
        functions.get("lookup"),
        Template.parse(entry.text) if entry.text else None,
        preview,
    )


def _entity(value: Any) -> MentionEntity:
    try:
        return value if isinstance(value, MentionEntity) else MentionEntity.model_validate(value)
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False)
        where = ".".join(map(str, first["loc"]))
        raise RuntimeFault(f"a function of `chat.tags` returned no entity: {where}: {first['msg']}") from error


def _matches(entity: MentionEntity, words: list[str]) -> bool:
    text = f"{entity.title} {entity.group or ''}".casefold()
    return all(word in text for word in words)
