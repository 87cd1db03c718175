"""A thread's title, written after its first message by a model or by Python."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from agents import Agent, Runner
from chatkit.types import AudioInput

from runtime.assemble.models import Models, run_config
from runtime.assemble.problems import BuildError, Problems
from runtime.assemble.token_meter import METERED
from runtime.config.model import Config
from runtime.config.model import chat as declared
from runtime.config.model.chat import Dictation, ModelSummary
from runtime.project_code.loader import ProjectCode

WriteTitle = Callable[[str], Awaitable[str]]
_LONGEST = 80


def build_title(entry: declared.Title, models: Models, code: ProjectCode) -> WriteTitle | None:
    """Return an async function from the first message's text to a title of one line, or None where it is off."""
    match entry:
        case declared.NoTitle():
            return None
        case declared.ModelTitle():
            return _from_model(entry, models)
        case declared.PythonTitle():
            return _from_python(entry.python, code)


def _from_model(entry: declared.ModelTitle, models: Models) -> WriteTitle | None:
    try:
        built = models.get(entry.model)
    except BuildError:
        return None  # reported where the models were built
    agent: Agent[Any] = Agent(
        name="title", instructions=entry.instructions, model=built.model, model_settings=built.settings
    )

    async def write(text: str) -> str:
        result = await Runner.run(agent, text, hooks=METERED, run_config=run_config())
        return _one_line(str(result.final_output))

    return write


def _from_python(path: str, code: ProjectCode) -> WriteTitle:
    function = code.resolve(path)
    if not callable(function):
        raise BuildError(f"{path!r} is {type(function).__name__}", "give a function of the message's text", code="A324")

    async def write(text: str) -> str:
        title = function(text)
        return _one_line(str(await title if inspect.isawaitable(title) else title))

    return write


def _one_line(text: str) -> str:
    line = " ".join(text.split()).strip("\"'“”")
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1].rstrip() + "…"


# A thread's summary, written by a model or by Python from the earlier one and what was said since.

Summarise = Callable[[Any, str, str], Awaitable[str]]
"""Takes the turn's context, the earlier summary or an empty text, and what was said since, as text."""


def build_summary(config: Config, models: Models, code: ProjectCode, problems: Problems) -> Summarise | None:
    """Build what sums up long threads; None where nothing does. Failures are recorded in `problems`."""
    declared = config.chat.history.summary
    if declared is None:
        return None
    with problems.record("A602", "chat", "history", "summary"):
        if isinstance(declared, ModelSummary):
            return _from_model_summary(declared, models)
        return _from_python_summary(declared.python, code)
    return None


def _from_model_summary(declared: ModelSummary, models: Models) -> Summarise | None:
    try:
        built = models.get(declared.model)
    except BuildError:
        return None  # reported where the models were built
    agent: Agent[Any] = Agent(
        name="summary", instructions=declared.instructions, model=built.model, model_settings=built.settings
    )

    async def summarise(context: Any, earlier: str, items: str) -> str:
        so_far = f"The summary so far:\n{earlier}\n\n" if earlier else ""
        text = f"{so_far}What was said{' since' if earlier else ''}:\n{items}"
        result = await Runner.run(agent, text, hooks=METERED, run_config=run_config())
        return str(result.final_output)

    return summarise


def _from_python_summary(path: str, code: ProjectCode) -> Summarise:
    function = code.resolve(path)
    if not callable(function):
        hint = "give a function of (context, earlier_summary, items_as_text)"
        raise BuildError(f"{path!r} is {type(function).__name__}", hint, code="A324")

    async def summarise(context: Any, earlier: str, items: str) -> str:
        text = function(context, earlier, items)
        return str(await text if inspect.isawaitable(text) else text)

    return summarise


# `chat.dictation` -> what turns speech into text: a model at an OpenAI-compatible endpoint, or Python.

Transcribe = Callable[[AudioInput, Any], Awaitable[str]]
"""Takes the audio, and what `context:` made of the request."""
# The endpoint goes by the file's name.
_SUFFIXES = {"audio/mpeg": "mp3", "audio/mp4": "mp4", "audio/x-m4a": "m4a", "audio/wav": "wav", "audio/x-wav": "wav"}


def build_dictation(config: Config, models: Models, code: ProjectCode, problems: Problems) -> Transcribe | None:
    """Build what takes dictation; None where nothing does. Failures are recorded in `problems`."""
    declared = config.chat.dictation
    if declared is None:
        return None
    with problems.record("A602", "chat", "dictation"):
        return _by_python(declared.python, code) if declared.python else _by_model(config, declared, models)
    return None


def _by_model(config: Config, declared: Dictation, models: Models) -> Transcribe:
    assert declared.model is not None
    client = models.get(declared.model).client
    if client is None:
        hint = "name a model of OpenAI's API, or use `python`"
        raise BuildError(f"the model {declared.model!r} has no endpoint that transcribes", hint)
    entry = config.models.get(declared.model)
    name = str(getattr(entry, "name", declared.model))

    async def transcribe(audio: AudioInput, context: Any) -> str:
        suffix = _SUFFIXES.get(audio.media_type, audio.media_type.rpartition("/")[2])
        file = (f"speech.{suffix}", audio.data, audio.media_type)
        return (await client.audio.transcriptions.create(model=name, file=file)).text

    return transcribe


def _by_python(path: str, code: ProjectCode) -> Transcribe:
    function = code.resolve(path)
    if not callable(function):
        raise BuildError(f"{path!r} is {type(function).__name__}", "give a function of (audio, context)", code="A324")

    async def transcribe(audio: AudioInput, context: Any) -> str:
        text = function(audio, context)
        return str(await text if inspect.isawaitable(text) else text)

    return transcribe
