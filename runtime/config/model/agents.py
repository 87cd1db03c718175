"""The `agents` section: who answers."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from runtime.config.model.guardrails import AgentGuardrails
from runtime.config.model.models import Settings
from runtime.config.model.types import TOOL_NAME_PATTERN, ImportPath, JsonSchema, Section, ShortFormSection, by_key


class InlineInstructions(ShortFormSection):
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


class StoredPrompt(ShortFormSection):
    """A prompt that is kept at OpenAI."""

    short_key: ClassVar[str] = "id"

    id: str = Field(min_length=1)
    """Its id."""
    version: str | None = None
    """Its version; the newest when left out."""
    variables: dict[str, str] = {}
    """What is filled in; templates."""


class HistoryFilter(Section):
    """What another agent sees of the conversation, by Python."""

    python: ImportPath
    """A handoff filter of the Agents SDK: a function of `HandoffInputData` that returns one, sync or async."""


class Handoff(ShortFormSection):
    """Another agent that may take over the turn."""

    short_key: ClassVar[str] = "agent"

    agent: str
    """The agent's name."""
    description: str | None = None
    """When to hand over, for the model; the other agent's description when left out."""
    tool_name: str | None = Field(None, pattern=TOOL_NAME_PATTERN)
    """The name under which the model sees the handoff; `transfer_to_` and the agent's name when left out."""
    history: Literal["full", "messages", "last_turn"] | HistoryFilter = "full"
    """What the other agent sees of the conversation: all of it, its messages without calls of tools, the user's last
    message and what came of it, or what `{python: …}` makes of it."""
    enabled_if: str | None = Field(None, min_length=1)
    """Whether the model is offered the handoff: a template that is one expression."""
    input: JsonSchema | None = None
    """The JSON Schema of what the model says when it hands over; `on_handoff` gets it."""
    on_handoff: ImportPath | None = None
    """A function `(ctx, data)`, sync or async, called when it happens; `data` is what the model said, or None."""


class Output(Section):
    """The shape of what the agent answers, and what the user is shown of it: a widget, or a text."""

    widget: str | None = Field(None, min_length=1)
    """The widget that shows the answer; its data is the shape, unless one is given here."""
    template: str | None = Field(None, min_length=1)
    """The text that shows the answer, as Markdown; a template over the answer's fields, or over `output`."""
    schema_: JsonSchema | None = Field(None, alias="schema")
    """The shape as a JSON Schema of an object."""
    python: ImportPath | None = None
    """The shape as a type of Python: a pydantic model, a dataclass, a TypedDict."""


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
    guardrails: AgentGuardrails = Field(default_factory=AgentGuardrails)
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
    sticky: bool = False
    """Whether the agent keeps a thread that was handed over to it: later messages begin with it, until it hands over
    itself, or the user chooses otherwise in the composer."""
    max_turns: int | None = Field(None, ge=1, le=1000)
    """How many model calls one turn may take; 10 when left out."""


class Defaults(Section):
    """What every agent has that does not say otherwise."""

    model: str | None = Field(None, min_length=1)
    """A name of the `models` section, or a model's name at OpenAI."""
    settings: Settings = Field(default_factory=Settings)
    """Settings, key by key below those of the agent itself."""
    tools: list[str] | None = None
    """The tools of agents that name none."""
    guardrails: AgentGuardrails | None = None
    """The guardrails of agents that name none."""
    preface: str | None = Field(None, min_length=1)
    """The preface of agents that have none."""
    max_turns: int | None = Field(None, ge=1, le=1000)
    """How many model calls one turn may take."""

    def applied_to(self, agent: Agent) -> Agent:
        """The agent with what it left out; what it says itself stays."""
        given = {name: getattr(self, name) for name in ("model", "tools", "guardrails", "preface", "max_turns")}
        update = {
            name: value for name, value in given.items() if value is not None and name not in agent.model_fields_set
        }
        settings = {**self.settings.model_dump(exclude_unset=True), **agent.settings.model_dump(exclude_unset=True)}
        if self.settings.model_fields_set:
            update["settings"] = Settings.model_validate(settings)
        return agent.model_copy(update=update) if update else agent


class ChosenTool(Section):
    """The user has chosen this entry of the composer's tool menu."""

    tool: str = Field(min_length=1)
    """The id of one of `chat.composer.tools`."""


class Route(Section):
    """An agent that answers on a condition."""

    when: ChosenTool | str
    """A template that is one expression, such as `"{{ user.name == 'Ida' }}"`, or `{tool: …}`."""
    agent: str
    """The agent's name."""


class PythonEntry(Section):
    """A function of the turn's context, sync or async, that returns the agent's name."""

    python: ImportPath
    """Where the function is."""


def _routing_kind(value: Any) -> str:
    if isinstance(value, (dict, PythonEntry)):
        return "python"
    return "routes" if isinstance(value, list) else "agent"


EntryRouting = Annotated[
    Annotated[str, Tag("agent")] | Annotated[list[Route | str], Tag("routes")] | Annotated[PythonEntry, Tag("python")],
    Discriminator(_routing_kind),
]
"""An agent's name, a list of routes, or a function."""
