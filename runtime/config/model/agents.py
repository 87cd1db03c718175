"""The `agents` section and the key `entry`: the agents, and which of them answers a message."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from runtime.config.model.guardrails import AgentGuardrails
from runtime.config.model.instructions import Instructions
from runtime.config.model.models import Settings
from runtime.config.model.types import (
    TOOL_NAME_PATTERN,
    Condition,
    ImportPath,
    JsonSchema,
    Roles,
    Section,
    ShortFormSection,
)

PROMPT_PATTERN = r"^(pmpt_.+|\$\{.+)$"


class StoredPrompt(ShortFormSection, short_key="id"):
    """A prompt that is stored at OpenAI."""

    id: str = Field(pattern=PROMPT_PATTERN, examples=["pmpt_1234"])
    """Its id, which begins with `pmpt_`."""
    version: str | None = None
    """Its version; the newest by default."""
    variables: dict[str, str] = {}
    """The values of its variables; templates."""


class HistoryFilter(Section):
    """A Python filter for the history that another agent sees."""

    python: ImportPath
    """A handoff filter of the Agents SDK: a function of `HandoffInputData` that returns one, sync or async."""


class Handoff(ShortFormSection, short_key="agent"):
    """Another agent that may take over the turn."""

    agent: str
    """The agent's name."""
    description: str | None = None
    """Tells the model when to hand over; the other agent's description by default."""
    tool_name: str | None = Field(None, pattern=TOOL_NAME_PATTERN)
    """The handoff's tool name for the model; `transfer_to_` and the agent's name by default."""
    history: Literal["full", "messages", "last_turn"] | HistoryFilter = "full"
    """The history that the other agent sees: all of it, the messages without tool calls, the user's last message and
    the items after it, or the result of `{python: …}`."""
    enabled_if: Condition | None = None
    """Whether the handoff is available to the model: true, false, or a template of one expression."""
    input: JsonSchema | None = None
    """The JSON Schema of the data that the model passes with the handoff, for `on_handoff`."""
    on_handoff: ImportPath | None = None
    """A function `(ctx, data)`, sync or async, called at the handoff; `data` is the model's input, or None."""


class Output(Section):
    """The structured output of an agent, and the widget or the text that shows it to the user."""

    widget: str | None = Field(None, min_length=1)
    """The widget that shows the answer; its `data` is the shape, unless `schema` or `python` is given."""
    template: str | None = Field(None, min_length=1)
    """The text that shows the answer, as Markdown; a template over the answer's fields, or over `output`."""
    schema_: JsonSchema | None = Field(None, alias="schema")
    """The shape as a JSON Schema of an object."""
    python: ImportPath | None = None
    """The shape as a Python type: a pydantic model, a dataclass or a TypedDict."""


class Agent(Section):
    """One agent: a model with instructions and tools."""

    python: ImportPath | None = None
    """An Agent of the Agents SDK that a module holds: its name, model, instructions, tools and the rest, for the keys
    that are not given here."""
    name: str | None = Field(None, min_length=1)
    """The name that users and models see; the key by default, or the name of the object of `python`."""
    model: str = Field("default", min_length=1)
    """A name of the `models` section, or a model's name at OpenAI."""
    description: str | None = None
    """What the agent is for; other agents see it."""
    instructions: Instructions | None = None
    """The agent's instructions."""
    prompt: StoredPrompt | None = None
    """A prompt that is stored at OpenAI, in addition to the instructions or instead of them."""
    preface: str | None = Field(None, min_length=1)
    """Text for the model before each message of the user, hidden from the user: who they are, what page they are on. A
    template; the prefaces of earlier turns are not repeated."""
    tools: list[str] = []
    """Names of the `tools` section, or import paths."""
    handoffs: list[Handoff] = []
    """The agents that may take over the turn."""
    guardrails: AgentGuardrails = Field(default_factory=AgentGuardrails)
    """The guardrails of the agent's input and output."""
    output: Output | None = None
    """The structured output of the agent, and the widget or text that shows it."""
    settings: Settings = Field(default_factory=Settings)
    """Settings that override the model's."""
    tool_use_behavior: Literal["run_llm_again", "stop_on_first_tool"] = "run_llm_again"
    """Whether the model runs again after its tools were called; `stop: true` ends the turn after a single tool."""
    reset_tool_choice: bool = True
    """Whether `tool_choice` is reset after the first call, so that the model does not call tools without end."""
    hooks: ImportPath | None = None
    """An `agents.AgentHooks` of your own, or its class; it receives the agent's lifecycle events."""
    roles: Roles | None = Field(None, examples=[["support"]])
    """The roles of which a user needs one; others never reach the agent, neither first nor by a handoff or a tool."""
    sticky: bool = False
    """Whether the agent keeps a thread after a handoff: it answers later messages, until it hands over itself or the
    user makes another choice in the composer."""
    max_turns: int | None = Field(None, ge=1, le=1000)
    """The most model calls of one turn; 10 by default."""

    def has_key(self, name: str) -> bool:
        """Return whether the file gives this key, so that the object of `python` does not decide."""
        return self.python is None or name in self.model_fields_set


class Defaults(Section):
    """Defaults of every agent, for keys that the agent does not have."""

    model: str | None = Field(None, min_length=1)
    """A name of the `models` section, or a model's name at OpenAI."""
    settings: Settings = Field(default_factory=Settings)
    """Settings; those of the agent override them, key by key."""
    tools: list[str] | None = None
    """The tools of agents without `tools`."""
    guardrails: AgentGuardrails | None = None
    """The guardrails of agents without `guardrails`."""
    preface: str | None = Field(None, min_length=1)
    """The preface of agents without `preface`."""
    max_turns: int | None = Field(None, ge=1, le=1000)
    """The most model calls of one turn."""

    def applied_to(self, agent: Agent) -> Agent:
        """Return the agent with the defaults for the keys that it does not set."""
        names = ("model", "tools", "guardrails", "preface", "max_turns")
        # An object of the project's Python has its own model, tools, guardrails and settings.
        given = {name: getattr(self, name) for name in (names if agent.python is None else names[3:])}
        update = {
            name: value for name, value in given.items() if value is not None and name not in agent.model_fields_set
        }
        settings = {**self.settings.model_dump(exclude_unset=True), **agent.settings.model_dump(exclude_unset=True)}
        if self.settings.model_fields_set and agent.python is None:
            update["settings"] = Settings.model_validate(settings)
        return agent.model_copy(update=update) if update else agent


class ChosenTool(Section):
    """Matches if the user has chosen this entry of the composer's tool menu."""

    tool: str = Field(min_length=1)
    """The id of one of `chat.composer.tools`."""


class Route(Section):
    """An agent that answers if a condition is true."""

    when: ChosenTool | Condition
    """A template of one expression, such as `"{{ user.name == 'Ida' }}"`, or `{tool: …}`; false turns the route off."""
    agent: str
    """The agent's name."""


class PythonEntry(Section):
    """A function of the turn's context, sync or async, that returns the agent's name."""

    python: ImportPath
    """The import path of the function."""


def _routing_kind(value: Any) -> str:
    if isinstance(value, (dict, PythonEntry)):
        return "python"
    return "routes" if isinstance(value, list) else "agent"


EntryRouting = Annotated[
    Annotated[str, Tag("agent")] | Annotated[list[Route | str], Tag("routes")] | Annotated[PythonEntry, Tag("python")],
    Discriminator(_routing_kind),
]
"""An agent's name, a list of routes, or a function."""
