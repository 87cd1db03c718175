"""A thread's title, written after its first message by a model or by Python."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from agents import Agent, Runner

from runtime.assemble.code import ProjectCode
from runtime.assemble.metering import METERED
from runtime.assemble.models import Models, run_config
from runtime.assemble.problems import BuildError
from runtime.config.model import chat as declared

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
