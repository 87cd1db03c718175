"""What the chat needs beside its agents: models or functions that write titles and summaries, and transcribe speech."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from chatkit.types import AudioInput

from runtime.assemble.functions import call_function, resolve_function
from runtime.assemble.models import Models
from runtime.assemble.problems import BuildError, Problems
from runtime.config.model import Config
from runtime.config.model import chat as declared
from runtime.project_code.loader import ProjectCode

WriteTitle = Callable[[str], Awaitable[str]]
"""Takes the text of a thread's first message; returns a title of one line."""
Summarise = Callable[[Any, str, str], Awaitable[str]]
"""Takes the turn's context, the previous summary (or an empty text), and the items since then as text."""
Transcribe = Callable[[AudioInput, Any], Awaitable[str]]
"""Takes the audio and the request context."""

_MAX_TITLE = 80
# The endpoint recognizes the format by the file name.
_SUFFIXES = {"audio/mpeg": "mp3", "audio/mp4": "mp4", "audio/x-m4a": "m4a", "audio/wav": "wav", "audio/x-wav": "wav"}


def build_title(config: Config, models: Models, code: ProjectCode, problems: Problems) -> WriteTitle | None:
    """Build what writes titles; None where titles are off. Failures are recorded in `problems`."""
    with problems.record("A602", "chat", "title"):
        match config.chat.title:
            case declared.NoTitle():
                return None
            case declared.ModelTitle() as entry:
                return _one_line(models.get(entry.model).asker("title", entry.instructions))
            case declared.PythonTitle() as entry:
                return _one_line(resolve_function(code, entry.python, "a function of the message's text"))
    return None


def _one_line(write: Callable[[str], Any]) -> WriteTitle:
    async def write_title(text: str) -> str:
        line = " ".join(str(await call_function(write, text)).split()).strip("\"'“”")
        return line if len(line) <= _MAX_TITLE else line[: _MAX_TITLE - 1].rstrip() + "…"

    return write_title


def build_summary(config: Config, models: Models, code: ProjectCode, problems: Problems) -> Summarise | None:
    """Build what summarises long threads; None where summaries are off. Failures are recorded in `problems`."""
    entry = config.chat.history.summary
    if entry is None:
        return None
    with problems.record("A602", "chat", "history", "summary"):
        if isinstance(entry, declared.ModelSummary):
            return _summarise_by_model(models.get(entry.model).asker("summary", entry.instructions))
        return _text_of(resolve_function(code, entry.python, "a function of (context, earlier_summary, items_as_text)"))
    return None


def _summarise_by_model(ask: Callable[[str], Awaitable[str]]) -> Summarise:
    async def summarise(context: Any, earlier: str, items: str) -> str:
        so_far = f"The summary so far:\n{earlier}\n\n" if earlier else ""
        return await ask(f"{so_far}What was said{' since' if earlier else ''}:\n{items}")

    return summarise


def build_dictation(config: Config, models: Models, code: ProjectCode, problems: Problems) -> Transcribe | None:
    """Build what transcribes speech; None where dictation is off. Failures are recorded in `problems`."""
    entry = config.chat.dictation
    if entry is None:
        return None
    with problems.record("A602", "chat", "dictation"):
        if entry.python:
            return _text_of(resolve_function(code, entry.python, "a function of (audio, context)"))
        return _transcribe_by_model(config, entry, models)
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


def _text_of(function: Callable[..., Any]) -> Callable[..., Awaitable[str]]:
    async def call(*arguments: Any) -> str:
        return str(await call_function(function, *arguments))

    return call
