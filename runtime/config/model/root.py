"""The whole file as one frozen object."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field, WithJsonSchema, model_validator

from runtime.config.model.agents import Agent, Defaults, EntryRouting, PythonEntry
from runtime.config.model.auth import Auth
from runtime.config.model.chat import Chat
from runtime.config.model.guardrails import Guardrail
from runtime.config.model.limits import Limits
from runtime.config.model.mcp import McpServer
from runtime.config.model.models import Model
from runtime.config.model.server import Admin, Reload, RouteEntry, Server, Store, UrlStore
from runtime.config.model.tools import Tool
from runtime.config.model.types import ImportPath, MadeObject, Section
from runtime.config.model.widgets import Action, Widget
from runtime.config.schema import MAIN_ONLY

DEFAULT_STORE = "sqlite:///.chatkit/threads.db"
NAMED_SECTIONS = frozenset({"models", "tools", "mcp", "widgets", "guardrails", "agents", "actions", "state"})
"""The sections whose keys are names that the user chooses."""


def _check_sections(value: dict[str, Any]) -> dict[str, Any]:
    allowed = Config.model_fields.keys() - {"version", *MAIN_ONLY}
    if strange := [key for key in value if key not in allowed and not key.startswith("x-")]:
        raise ValueError(f"{strange[0]!r} is not a section of a profile")
    return value


Profile = Annotated[dict[str, Any], AfterValidator(_check_sections)]
"""Sections that may be partial; they are validated after they are applied to the file."""


class Config(Section):
    """A chat agent, declared: every agent, tool, widget, action, limit and store; `x-…` keys are free."""

    model_config = ConfigDict(
        json_schema_extra={"patternProperties": {"^x-": {"description": "Your own keys, such as anchors."}}}
    )

    # Not a Literal, which accepts `true` as 1.
    version: Annotated[int, Field(ge=1, le=1), WithJsonSchema({"type": "integer", "const": 1})]
    """The version of the language: 1."""
    include: list[str] = []
    """More files, by name or by a pattern such as `agents/*.yaml`: their sections are added to those of this one."""
    profiles: dict[str, Profile] = {}
    """Changes to this file by name, selected with `--profile` or `CHATKIT_PROFILE`: a JSON merge patch (RFC 7396), in
    which `null` removes a key and a list replaces a list."""
    entry: EntryRouting | None = None
    """The agent that answers; not needed if there is only one. Or a list of routes, `{when: …, agent: …}`, of which the
    first match answers; it ends with an agent for all other messages. Or `{python: …}`."""
    models: dict[str, Model] = {}
    """Language models by name; an agent without `model` uses the one named `default`."""
    tools: dict[str, Tool] = {}
    """Tools by the name that the model sees."""
    mcp: dict[str, McpServer] = {}
    """MCP servers by name; agents use their tools as `server.tool`, or all as `server.*`."""
    widgets: dict[str, Widget] = {}
    """Widgets by name."""
    guardrails: dict[str, Guardrail] = {}
    """Guardrails by name; agents and tools refer to them."""
    defaults: Defaults | None = None
    """Defaults of every agent, for keys that the agent does not have."""
    agents: dict[str, Agent] = Field(min_length=1)
    """Agents by name."""
    actions: dict[str, Action] = {}
    """Handlers of widget actions, by the action's type."""
    chat: Chat = Field(default_factory=Chat)
    """The features of ChatKit around the agents."""
    context: ImportPath | None = None
    """A function of the request; tools read its result as `ctx.context.request_context`."""
    context_class: ImportPath | None = None
    """An AgentContext subclass with methods and attributes of your own; tools read it as `ctx.context`."""
    converter: MadeObject | None = None
    """A ThreadItemConverter subclass, which converts thread items to the model's input; `{python: …, with: …}` gives
    it arguments."""
    stream_converter: MadeObject | None = None
    """A ResponseStreamConverter subclass, which converts what models stream: where generated images are stored, and
    what citations become; `{python: …, with: …}` gives it arguments."""
    routes: list[RouteEntry] = []
    """FastAPI routers of your own, mounted beside ChatKit's path."""
    state: dict[str, MadeObject] = {}
    """Objects of your own, by name: tools read them as `ctx.context.<name>`; `{python: …, with: …}` makes one with
    arguments."""
    store: Store = Field(default_factory=lambda: UrlStore(url=DEFAULT_STORE))
    """Where threads are stored."""
    auth: Auth | None = None
    """Who the users are, and how they log in. `none` serves everybody on this machine as one user, and nobody else.
    Without this section, the application around this one authenticates its users, and all others are refused."""
    limits: Limits = Field(default_factory=Limits)
    """Limits of requests and answers."""
    server: Server = Field(default_factory=Server)
    """The HTTP server."""
    reload: Reload = Field(default_factory=Reload)
    """How an edit takes effect while answers are running."""
    admin: Admin = Field(default_factory=Admin)
    """Who may use the routes below `/-/`."""

    @model_validator(mode="before")
    @classmethod
    def _drop_free_keys(cls, value: Any) -> Any:
        return {k: v for k, v in value.items() if not k.startswith("x-")} if isinstance(value, dict) else value

    def model_post_init(self, context: Any, /) -> None:
        """Apply `defaults` to the agents."""
        if self.defaults is not None:
            agents = {key: self.defaults.applied_to(agent) for key, agent in self.agents.items()}
            object.__setattr__(self, "agents", agents)

    @property
    def entry_agent(self) -> str:
        """Return the key of the agent that answers if no route matches."""
        last = self.entry[-1] if isinstance(self.entry, list) and self.entry else self.entry
        return last if isinstance(last, str) else next(iter(self.agents))

    @property
    def entry_agents(self) -> list[str]:
        """Return the keys of the agents that may answer first; all agents if a function decides."""
        if isinstance(self.entry, PythonEntry):
            return list(self.agents)
        routes = self.entry if isinstance(self.entry, list) else []
        return [*dict.fromkeys([route if isinstance(route, str) else route.agent for route in routes])] or [
            self.entry_agent
        ]
