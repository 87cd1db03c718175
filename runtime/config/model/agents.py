"""The `agents` section: who answers."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, Tag

from runtime.config.model.guardrails import Guards
from runtime.config.model.models import Settings
from runtime.config.model.output import Output
from runtime.config.model.types import Entry, ImportPath, Section, by_key


class InlineInstructions(Entry):
    """Instructions written in the file itself."""

    short_key: ClassVar[str] = "text"

    text: str
    """The instructions; a template."""
    raw: bool = False
    """Take the text as it is: no variables, no template."""


class FileInstructions(Section):
    """Instructions in a file of their own."""

    file: str = Field(min_length=1, examples=["prompts/concierge.md"])
    """The file, from the project folder; a template."""
    raw: bool = False
    """Take the text as it is: no template."""


class PythonInstructions(Section):
    """Instructions from Python: a string, or a `(context, agent)` function, sync or async."""

    python: ImportPath
    """Where the string or function is."""


Instructions = Annotated[
    Annotated[InlineInstructions, Tag("text")]
    | Annotated[FileInstructions, Tag("file")]
    | Annotated[PythonInstructions, Tag("python")],
    by_key("file", "python", "text", short="text"),
]


class StoredPrompt(Entry):
    """A prompt that is kept at OpenAI."""

    short_key: ClassVar[str] = "id"

    id: str = Field(min_length=1)
    """Its id."""
    version: str | None = None
    """Its version; the newest when left out."""
    variables: dict[str, str] = {}
    """What is filled in; templates."""


class Handoff(Entry):
    """Another agent that may take over the turn."""

    short_key: ClassVar[str] = "agent"

    agent: str
    """The agent's name."""
    description: str | None = None
    """When to hand over, for the model; the other agent's description when left out."""


class Agent(Section):
    """One agent: a model with instructions and tools."""

    name: str | None = Field(None, min_length=1)
    """The name that people and models see; the key when left out."""
    model: str = Field("default", min_length=1)
    """A name of the `models` section, or a model's name at OpenAI."""
    description: str | None = None
    """What the agent is good at; other agents see it."""
    instructions: Instructions | None = None
    """What the agent is told to be and to do."""
    prompt: StoredPrompt | None = None
    """A prompt that is kept at OpenAI, beside the instructions or in their place."""
    preface: str | None = Field(None, min_length=1)
    """Said to the model before each message of the user, and never to the user: who they are, what they look at. A
    template; what it says of earlier turns is not repeated."""
    tools: list[str] = []
    """Names of the `tools` section, or import paths."""
    handoffs: list[Handoff] = []
    """The agents that may take over."""
    guardrails: Guards = Field(default_factory=Guards)
    """What the user, and the agent itself, may not say."""
    output: Output | None = None
    """The shape of what the agent answers, and the widget or text that shows it."""
    settings: Settings = Field(default_factory=Settings)
    """Settings that override the model's."""
    tool_use_behavior: Literal["run_llm_again", "stop_on_first_tool"] = "run_llm_again"
    """Whether the model speaks again after its tools were called; `stop: true` on a tool says so for that one."""
    reset_tool_choice: bool = True
    """Whether a `tool_choice` is let go after the first call, so that the model is not made to call for ever."""
    hooks: ImportPath | None = None
    """An `agents.AgentHooks` of your own, or its class: it is told what the agent does."""
    max_turns: int | None = Field(None, ge=1, le=1000)
    """How many model calls one turn may take; 10 when left out."""
