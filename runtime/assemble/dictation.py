"""`chat.dictation` -> what turns speech into text: a model at an OpenAI-compatible endpoint, or Python."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from chatkit.types import AudioInput

from runtime.assemble.code import ProjectCode
from runtime.assemble.models import Models
from runtime.assemble.problems import BuildError, Problems
from runtime.config.model import Config
from runtime.config.model.chat import Dictation

Transcribe = Callable[[AudioInput, Any], Awaitable[str]]
"""Takes the audio, and what `context:` made of the request."""
# The endpoint goes by the file's name.
_SUFFIXES = {"audio/mpeg": "mp3", "audio/mp4": "mp4", "audio/x-m4a": "m4a", "audio/wav": "wav", "audio/x-wav": "wav"}


def build_dictation(config: Config, models: Models, code: ProjectCode, found: Problems) -> Transcribe | None:
    """Build what takes dictation; None where nothing does. What is wrong with it is among `found`."""
    declared = config.chat.dictation
    if declared is None:
        return None
    with found.at("A602", "chat", "dictation"):
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
