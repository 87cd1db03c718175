"""The `chat` section: titles, summaries and dictation, by a model or a function, and the mentions of entities."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chatkit.types import AudioInput, UserMessageTagContent
from chatkit.widgets import WidgetRoot
from pydantic import ValidationError

from runtime.assemble.context import RuntimeContext, scope_of
from runtime.assemble.functions import AsyncFunction, ProjectFunctions
from runtime.assemble.instructions import build_instructions
from runtime.assemble.models import Ask, Models
from runtime.assemble.problems import BuildError, Problems
from runtime.assemble.widgets import BuiltWidget
from runtime.config.model import Config
from runtime.config.model import chat as declared
from runtime.config.model.chat import MentionConfig, MentionEntity
from runtime.config.model.instructions import SUMMARY_INSTRUCTIONS, TITLE_INSTRUCTIONS
from runtime.config.project_files import ProjectFiles
from runtime.errors import RuntimeFault
from runtime.templates.template import Template, TemplateError

logger = logging.getLogger("runtime.assemble")

WriteTitle = Callable[[Any, str], Awaitable[str]]
"""Takes the turn's context and the text of a thread's first message; returns a title of one line."""
Summarise = Callable[[Any, str, str], Awaitable[str]]
"""Takes the turn's context, the previous summary (or an empty text), and the items since then as text."""
Transcribe = Callable[[AudioInput, Any], Awaitable[str]]
"""Takes the audio and the request context."""

_MAX_TITLE = 80
# The endpoint recognizes the format by the file name.
_SUFFIXES = {"audio/mpeg": "mp3", "audio/mp4": "mp4", "audio/x-m4a": "m4a", "audio/wav": "wav", "audio/x-wav": "wav"}


def build_title(
    config: Config, files: ProjectFiles, models: Models, functions: ProjectFunctions, problems: Problems
) -> WriteTitle | None:
    """Build what writes titles; None where titles are off. Failures are recorded in `problems`."""
    with problems.record("A602", "chat", "title"):
        match config.chat.title:
            case declared.NoTitle():
                return None
            case declared.ModelTitle() as entry:
                instructions = (
                    build_instructions(entry.instructions, files, functions, ("chat", "title", "instructions"))
                    or TITLE_INSTRUCTIONS
                )
                return _one_line(models.get(entry.model).asker("title", instructions))
            case declared.PythonTitle() as entry:
                function = functions.resolve(entry.python, "a function of the message's text")
                return _one_line(lambda context, text: function(text))
    return None


def _one_line(write: Callable[[Any, str], Awaitable[Any]]) -> WriteTitle:
    async def write_title(context: Any, text: str) -> str:
        line = " ".join(str(await write(context, text)).split()).strip("\"'“”")
        return line if len(line) <= _MAX_TITLE else line[: _MAX_TITLE - 1].rstrip() + "…"

    return write_title


def build_summary(
    config: Config, files: ProjectFiles, models: Models, functions: ProjectFunctions, problems: Problems
) -> Summarise | None:
    """Build what summarises long threads; None where summaries are off. Failures are recorded in `problems`."""
    entry = config.chat.history.summary
    if entry is None:
        return None
    with problems.record("A602", "chat", "history", "summary"):
        if isinstance(entry, declared.ModelSummary):
            instructions = (
                build_instructions(entry.instructions, files, functions, ("chat", "history", "summary", "instructions"))
                or SUMMARY_INSTRUCTIONS
            )
            return _summarise_by_model(models.get(entry.model).asker("summary", instructions))
        return _text_of(functions.resolve(entry.python, "a function of (context, earlier_summary, items_as_text)"))
    return None


def _summarise_by_model(ask: Ask) -> Summarise:
    async def summarise(context: Any, earlier: str, items: str) -> str:
        so_far = f"The summary so far:\n{earlier}\n\n" if earlier else ""
        return await ask(context, f"{so_far}What was said{' since' if earlier else ''}:\n{items}")

    return summarise


def build_dictation(
    config: Config, models: Models, functions: ProjectFunctions, problems: Problems
) -> Transcribe | None:
    """Build what transcribes speech; None where dictation is off. Failures are recorded in `problems`."""
    entry = config.chat.dictation
    if entry is None:
        return None
    with problems.record("A602", "chat", "dictation"):
        if entry.python:
            return _text_of(functions.resolve(entry.python, "a function of (audio, context)"))
        return _transcribe_by_model(config, entry, models)
    return None


def build_feedback(config: Config, functions: ProjectFunctions, problems: Problems) -> AsyncFunction | None:
    """Build the function that is told of ratings; None where there is none. Failures are recorded in `problems`."""
    entry = config.chat.feedback
    if isinstance(entry, declared.FeedbackFunction):
        with problems.record("A310", "chat", "feedback", "python"):
            return functions.resolve(entry.python, "a function of (thread_id, item_ids, kind, context)")
    return None


def _transcribe_by_model(config: Config, entry: declared.Dictation, models: Models) -> Transcribe:
    assert entry.model is not None
    client = models.get(entry.model).client
    if client is None:
        hint = "name a model of OpenAI's API, or use `python`"
        raise BuildError(f"the model {entry.model!r} has no endpoint that transcribes", hint)
    name = str(getattr(config.models.get(entry.model), "name", entry.model))

    async def transcribe(audio: AudioInput, context: Any) -> str:
        suffix = _SUFFIXES.get(audio.media_type, audio.media_type.rpartition("/")[2])
        file = (f"speech.{suffix}", audio.data, audio.media_type)
        return (await client.audio.transcriptions.create(model=name, file=file)).text

    return transcribe


def _text_of(function: AsyncFunction) -> Callable[..., Awaitable[str]]:
    async def call(*arguments: Any) -> str:
        return str(await function(*arguments))

    return call


# `chat.tags`: search and preview of the entities that a user can mention, and their descriptions for the model.

MAX_RESULTS = 50


@dataclass(frozen=True, slots=True)
class BuiltMentions:
    """The entities that can be mentioned; the `context` of `search` and `get` is the request context."""

    entities: Mapping[str, MentionEntity]
    functions: Mapping[str, AsyncFunction]
    text: Template | None = None
    preview_widget: BuiltWidget | None = None

    async def search(self, query: str, context: Any) -> list[MentionEntity]:
        """Return at most 50 entities that match. Raise RuntimeFault if the project's function returns anything else."""
        if "search" in self.functions:
            results = await self.functions["search"](query, context)
            return [_entity(value) for value in list(results or [])[:MAX_RESULTS]]
        words = query.casefold().split()
        matches = [entity for entity in self.entities.values() if _matches(entity, words)]
        # A title that starts with the query is the better match.
        matches.sort(key=lambda entity: not entity.title.casefold().startswith(query.strip().casefold()))
        return matches[:MAX_RESULTS]

    async def get(self, entity_id: str, context: Any) -> MentionEntity | None:
        """Return the entity of that id. Raise RuntimeFault if the project's function returns anything else."""
        if "lookup" in self.functions:
            value = await self.functions["lookup"](entity_id, context)
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
            if "python" in self.functions:
                text = await self.functions["python"](tag, request_context)
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
    entry: MentionConfig | None, functions: ProjectFunctions, widget: Callable[[str], BuiltWidget], problems: Problems
) -> BuiltMentions | None:
    """Build the mentions; failures are recorded in `problems`."""
    if entry is None:
        return None
    resolved: dict[str, AsyncFunction] = {}
    for key in ("python", "search", "lookup"):
        if (path := getattr(entry, key)) is not None:
            with problems.record("A310", "chat", "tags", key):
                resolved[key] = functions.resolve(path, "a function of two arguments")
    preview: BuiltWidget | None = None
    if entry.preview is not None:
        with problems.record("A401", "chat", "tags", "preview"):
            preview = widget(entry.preview)
    entities = {entity.id: entity for entity in entry.entities}
    return BuiltMentions(entities, resolved, Template.parse(entry.text) if entry.text else None, preview)


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
