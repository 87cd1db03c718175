"""What falls out of the model's view of a thread, summarised by a model or by Python."""

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

Summarise = Callable[[str, str], Awaitable[str]]
"""Makes of the summary so far, which may be empty, and of what was said since then a new summary of both."""


def build_summary(entry: declared.Summary | None, models: Models, code: ProjectCode) -> Summarise | None:
    """Return what writes summaries, or None where nobody does. Raise BuildError."""
    match entry:
        case None:
            return None
        case declared.ModelSummary():
            return _from_model(entry, models)
        case declared.PythonSummary():
            return _from_python(entry.python, code)


def _from_model(entry: declared.ModelSummary, models: Models) -> Summarise | None:
    try:
        built = models.get(entry.model)
    except BuildError:
        return None  # reported where the models were built
    agent: Agent[Any] = Agent(
        name="summary", instructions=entry.instructions, model=built.model, model_settings=built.settings
    )

    async def write(earlier: str, said: str) -> str:
        before = f"The summary so far:\n{earlier}\n\nWhat was said since then:\n" if earlier else ""
        result = await Runner.run(agent, f"{before}{said}", hooks=METERED, run_config=run_config())
        return str(result.final_output).strip()

    return write


def _from_python(path: str, code: ProjectCode) -> Summarise:
    function = code.resolve(path)
    if not callable(function):
        hint = "give a function of the summary so far and of what was said since then"
        raise BuildError(f"{path!r} is {type(function).__name__}", hint, code="A324")

    async def write(earlier: str, said: str) -> str:
        text = function(earlier, said)
        return str(await text if inspect.isawaitable(text) else text).strip()

    return write
