"""A thread's summary, written by a model or by Python from the earlier one and what was said since."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from agents import Agent, Runner

from runtime.assemble.code import ProjectCode
from runtime.assemble.metering import METERED
from runtime.assemble.models import Models, run_config
from runtime.assemble.problems import BuildError, Problems
from runtime.config.model import Config
from runtime.config.model.chat import ModelSummary

Summarise = Callable[[Any, str, str], Awaitable[str]]
"""Takes the turn's context, the earlier summary or an empty text, and what was said since, as text."""


def build_summary(config: Config, models: Models, code: ProjectCode, found: Problems) -> Summarise | None:
    """Build what sums up long threads; None where nothing does. What is wrong with it is among `found`."""
    declared = config.chat.history.summary
    if declared is None:
        return None
    with found.at("A602", "chat", "history", "summary"):
        if isinstance(declared, ModelSummary):
            return _from_model(declared, models)
        return _from_python(declared.python, code)
    return None


def _from_model(declared: ModelSummary, models: Models) -> Summarise | None:
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


def _from_python(path: str, code: ProjectCode) -> Summarise:
    function = code.resolve(path)
    if not callable(function):
        hint = "give a function of (context, earlier_summary, items_as_text)"
        raise BuildError(f"{path!r} is {type(function).__name__}", hint, code="A324")

    async def summarise(context: Any, earlier: str, items: str) -> str:
        text = function(context, earlier, items)
        return str(await text if inspect.isawaitable(text) else text)

    return summarise
