"""`chat.tags` -> finding what can be mentioned, previewing it, and telling the model what a mention stands for."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chatkit.types import UserMessageTagContent
from chatkit.widgets import WidgetRoot
from pydantic import ValidationError

from runtime.assemble.context import RuntimeContext, scope_of
from runtime.assemble.problems import BuildError, Problems
from runtime.assemble.widgets import BuiltWidget
from runtime.config.model.mentions import MentionConfig, MentionEntity
from runtime.errors import RuntimeFault
from runtime.project_code.loader import ProjectCode
from runtime.templates.template import Template, TemplateError

logger = logging.getLogger("runtime.assemble")
MOST_FOUND = 50
Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class BuiltMentions:
    """What can be mentioned; the methods that take a `context` want what `context:` made of the request."""

    entities: Mapping[str, MentionEntity]
    resolve: Function | None = None
    search_with: Function | None = None
    lookup_with: Function | None = None
    text: Template | None = None
    preview_with: BuiltWidget | None = None

    async def search(self, query: str, context: Any) -> list[MentionEntity]:
        """The entities that fit a query, at most 50. Raise RuntimeFault where the project's function gives others."""
        if self.search_with is not None:
            found = await _awaited(self.search_with(query, context))
            return [_entity(value) for value in list(found or [])[:MOST_FOUND]]
        words = query.casefold().split()
        fitting = [entity for entity in self.entities.values() if _fits(entity, words)]
        # What begins with the words is more likely meant than what has them somewhere.
        fitting.sort(key=lambda entity: not entity.title.casefold().startswith(query.strip().casefold()))
        return fitting[:MOST_FOUND]

    async def get(self, entity_id: str, context: Any) -> MentionEntity | None:
        """The entity of that id. Raise RuntimeFault where the project's function gives something else."""
        if self.lookup_with is not None:
            value = await _awaited(self.lookup_with(entity_id, context))
            return None if value is None else _entity(value)
        return self.entities.get(entity_id)

    async def preview(self, entity: MentionEntity) -> WidgetRoot | None:
        """The widget that shows an entity, or None. Raise WidgetError where its data don't fit."""
        if self.preview_with is None:
            return None
        known = {"id": entity.id, "title": entity.title, "group": entity.group, "icon": entity.icon}
        data = {**{name: value for name, value in known.items() if value is not None}, **entity.data}
        wanted = (self.preview_with.data_schema or {}).get("properties")
        return await self.preview_with.arender(
            data if wanted is None else {name: value for name, value in data.items() if name in wanted}
        )

    async def describe(self, tag: UserMessageTagContent, context: RuntimeContext) -> str | None:
        """What the model is told of a mention; None where nothing more is known of it than what the tag says."""
        request_context = context.request_context
        try:
            if self.resolve is not None:
                told = await _awaited(self.resolve(tag, request_context))
                return None if told is None else str(told)
            entity = await self.get(tag.id, request_context)
            if entity is None:
                return None
            if self.text is None:
                known = {"id": entity.id, "title": entity.title, "group": entity.group, "data": entity.data}
                return f"@{tag.text} stands for {json.dumps(known, ensure_ascii=False, default=str)}"
            return str(self.text.render({**scope_of(context), **entity.model_dump(exclude={"interactive"})}))
        except TemplateError as error:
            logger.warning("the text of the mention %r can't be made: %s", tag.id, error)
            return None


def build_mentions(
    entry: MentionConfig | None, code: ProjectCode, widget: Callable[[str], BuiltWidget], problems: Problems
) -> BuiltMentions | None:
    """Build what can be mentioned; failures are recorded in `problems`."""
    if entry is None:
        return None
    functions = {name: _function(getattr(entry, name), name, code, problems) for name in ("python", "search", "lookup")}
    preview: BuiltWidget | None = None
    if entry.preview is not None:
        with problems.record("A401", "chat", "tags", "preview"):
            preview = widget(entry.preview)
    return BuiltMentions(
        {entity.id: entity for entity in entry.entities},
        functions["python"],
        functions["search"],
        functions["lookup"],
        Template.parse(entry.text) if entry.text else None,
        preview,
    )


def _function(path: str | None, key: str, code: ProjectCode, problems: Problems) -> Function | None:
    if path is None:
        return None
    with problems.record("A310", "chat", "tags", key):
        value = code.resolve(path)
        if not callable(value):
            raise BuildError(f"{path!r} is {type(value).__name__}", "give a function of two arguments", code="A324")
        return value  # type: ignore[no-any-return]  # callable: checked above
    return None


async def _awaited(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _entity(value: Any) -> MentionEntity:
    try:
        return value if isinstance(value, MentionEntity) else MentionEntity.model_validate(value)
    except ValidationError as error:
        [first, *_] = error.errors(include_url=False)
        where = ".".join(map(str, first["loc"]))
        raise RuntimeFault(f"a function of `chat.tags` gave no entity: {where}: {first['msg']}") from error


def _fits(entity: MentionEntity, words: list[str]) -> bool:
    text = f"{entity.title} {entity.group or ''}".casefold()
    return all(word in text for word in words)
