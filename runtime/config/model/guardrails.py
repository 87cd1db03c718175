"""The `guardrails` section: checks of what users, agents and tools say. One key selects the kind of each."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Tag

from runtime.config.model.instructions import Instructions
from runtime.config.model.types import ImportPath, Section, ShortFormSection, by_key


class _Guardrail(Section):
    message: str | None = Field(None, min_length=1)
    """The message to the user when it trips; a template, in which `reason` is the guardrail's reason."""
    parallel: bool = False
    """For input: run the agent at the same time, and retract its answer if the guardrail trips."""
    hold: bool = True
    """For output: hold a message back until it has passed; otherwise it is shown at once, and retracted if it fails."""


class PythonGuardrail(_Guardrail, ShortFormSection, short_key="python"):
    """A function `(ctx, text)`, sync or async, that returns true, or a reason as a text, to stop the text. Or a
    guardrail of the Agents SDK."""

    python: ImportPath
    """The import path of the function."""


class RegexGuardrail(_Guardrail):
    """A pattern that must not occur."""

    regex: str = Field(min_length=1)
    """A regular expression of Python; it may match anywhere in the text."""


class LengthGuardrail(_Guardrail):
    """The allowed length of a text, in characters."""

    max_length: int = Field(ge=1)
    """The most characters."""
    min_length: int = Field(0, ge=0)
    """The fewest characters."""


class JudgeGuardrail(_Guardrail):
    """A model that answers a question about the text; the text passes if the answer is yes."""

    judge: str = Field(min_length=1)
    """A name of the `models` section, or a model's name at OpenAI."""
    instructions: Instructions
    """The question, such as `Is this about travel?`; a text is stopped if the answer is no. Or `{file: …}` or
    `{python: …}`, as an agent's."""


Guardrail = Annotated[
    Annotated[RegexGuardrail, Tag("regex")]
    | Annotated[LengthGuardrail, Tag("max_length")]
    | Annotated[JudgeGuardrail, Tag("judge")]
    | Annotated[PythonGuardrail, Tag("python")],
    by_key("regex", "max_length", "judge", "python", short="python"),
]


class AgentGuardrails(Section):
    """The guardrails of one agent: names of the `guardrails` section, or import paths."""

    input: list[str] = []
    """Checks of the user's message, also after a handoff from another agent."""
    output: list[str] = []
    """Checks of the agent's messages."""


class ToolGuardrails(Section):
    """The guardrails of one tool: names of the `guardrails` section, or import paths."""

    input: list[str] = []
    """Checks of a call's arguments, as JSON; if one fails, the model gets the reason and nothing is called."""
    output: list[str] = []
    """Checks of the tool's result; if one fails, the model gets the reason instead."""
