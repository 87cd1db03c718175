"""The `guardrails` section: what may not be said, by the user or by an agent. One key says which kind each is."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, Tag

from runtime.config.model.types import IMPORT_PATTERN, ImportPath, Section, ShortFormSection, by_key


class _Guardrail(Section):
    message: str | None = Field(None, min_length=1)
    """What the user is told when it trips; a template, in which `reason` is what the guardrail says."""
    parallel: bool = False
    """For what the user says: let the agent begin meanwhile, and take its answer back when the guardrail trips."""
    hold: bool = True
    """For what the agent says: hold a message back until it has passed; otherwise it is shown, and taken back."""


class PythonGuardrail(_Guardrail, ShortFormSection):
    """A function `(ctx, text)`, sync or async: true, or a reason as a text, where the text may not pass. Or a guardrail
    of the Agents SDK."""

    short_key: ClassVar[str] = "python"
    short_pattern: ClassVar[str | None] = IMPORT_PATTERN

    python: ImportPath
    """Where the function is."""


class RegexGuardrail(_Guardrail):
    """A pattern that may not occur."""

    regex: str = Field(min_length=1)
    """A regular expression of Python; it is searched for."""


class LengthGuardrail(_Guardrail):
    """A length that a text may have, in characters."""

    max_length: int = Field(ge=1)
    """The most characters."""
    min_length: int = Field(0, ge=0)
    """The fewest characters."""


class JudgeGuardrail(_Guardrail):
    """A model that is asked a question about the text, and has to answer yes."""

    judge: str = Field(min_length=1)
    """A name of the `models` section, or a model's name at OpenAI."""
    instructions: str = Field(min_length=1)
    """The question, such as `Is this about travel?`; a text for which the answer is no may not pass."""


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
    """What the user says has to pass these, also when another agent hands over to this one."""
    output: list[str] = []
    """What the agent says has to pass these."""


class ToolGuardrails(Section):
    """The guardrails of one tool: names of the `guardrails` section, or import paths."""

    input: list[str] = []
    """The arguments of a call, as JSON, have to pass these; otherwise the model is told why, and nothing is called."""
    output: list[str] = []
    """What the tool gives has to pass these; otherwise the model is told why in its place."""
