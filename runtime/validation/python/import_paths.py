"""Every import path that agents.yaml names, and what each is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from runtime.config.model import Config
from runtime.config.model.actions import PythonAction
from runtime.config.model.agents import HistoryFilter, PythonEntry, PythonInstructions
from runtime.config.model.chat import PythonSummary, PythonTitle
from runtime.config.model.guardrails import PythonGuardrail
from runtime.config.model.mcp import PythonMcpServer
from runtime.config.model.models import PythonModel
from runtime.config.model.server import PythonStore
from runtime.config.model.tools import Approval, EnabledBy, FactoryTool, PatchTool, PythonTool, ShellTool
from runtime.config.model.types import IMPORT_PATTERN
from runtime.config.model.widgets import PythonWidget
from runtime.config.references import guardrail_references, model_references
from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath
from runtime.validation.checked_project import CheckedProject

Callable = Literal[
    "tool",
    "factory",
    "instructions",
    "widget",
    "action",
    "model",
    "mcp",
    "shell",
    "editor",
    "title",
    "summary",
    "context",
    "entry",
    "tags",
    "approval",
    "guardrail",
    "output",
    "dictation",
    "enabled",
    "on_handoff",
    "filter",
]
Object = Literal["hooks", "context_class", "converter", "route", "state", "store"]
Role = Callable | Object


@dataclass(frozen=True, slots=True)
class Use:
    """An import path: its `text`, where it stands, and what it must lead to.

    `arguments` are those of `with`, at `arguments_at`; `declared` is the name that a tool gets, if the file gives it
    one. `severity` is how bad it is that the path can't be used: nobody needs an unused model.
    """

    text: str
    path: KeyPath
    role: Role
    arguments: Mapping[str, Any] = field(default_factory=dict)
    arguments_at: KeyPath = ()
    declared: str | None = None
    severity: Severity = "error"

    @property
    def module(self) -> str:
        """The module's name."""
        return self.text.partition(":")[0]

    @property
    def attributes(self) -> list[str]:
        """The names that lead from the module to the object."""
        return self.text.partition(":")[2].split(".")


def uses_of(project: CheckedProject) -> list[Use]:
    """Return the import paths of a file in the order in which they stand there."""
    filled = project.collector.filled
    places = filled.source.places
    found = [use for use in _all(project.config) if not filled.is_unresolved(places.written(use.path))]
    return sorted(found, key=lambda use: places.value(places.written(use.path)))


def _all(config: Config) -> Iterator[Use]:
    yield from _tools(config)
    yield from _models(config)
    for name, server in config.mcp.items():
        if isinstance(server, PythonMcpServer):
            at: KeyPath = ("mcp", name)
            yield Use(server.python, (*at, "python"), "mcp", server.with_, (*at, "with"))
    for name, widget in config.widgets.items():
        if isinstance(widget, PythonWidget):
            yield Use(widget.python, ("widgets", name, "python"), "widget")
    for name, action in config.actions.items():
        if isinstance(action, PythonAction):
            yield Use(action.python, ("actions", name, "python"), "action")
    for key, agent in config.agents.items():
        if isinstance(agent.instructions, PythonInstructions):
            yield Use(agent.instructions.python, ("agents", key, "instructions", "python"), "instructions")
    for key, agent in config.agents.items():
        for index, handoff in enumerate(agent.handoffs):
            at_handoff: KeyPath = ("agents", key, "handoffs", index)
            if handoff.on_handoff is not None:
                yield Use(handoff.on_handoff, (*at_handoff, "on_handoff"), "on_handoff")
            if isinstance(handoff.history, HistoryFilter):
                yield Use(handoff.history.python, (*at_handoff, "history", "python"), "filter")
        if agent.hooks is not None:
            yield Use(agent.hooks, ("agents", key, "hooks"), "hooks")
        if agent.output is not None and agent.output.python is not None:
            yield Use(agent.output.python, ("agents", key, "output", "python"), "output")
    for name, guardrail in config.guardrails.items():
        if isinstance(guardrail, PythonGuardrail):
            yield Use(guardrail.python, ("guardrails", name, "python"), "guardrail")
    for name, path in guardrail_references(config):
        if name not in config.guardrails and ":" in name:
            yield Use(name, path, "guardrail")
    yield from _objects(config)


def _tools(config: Config) -> Iterator[Use]:
    import re

    is_path = re.compile(IMPORT_PATTERN.removesuffix("$") + r"\Z")
    for name, tool in config.tools.items():
        at: KeyPath = ("tools", name)
        if isinstance(tool, PythonTool):
            yield Use(tool.python, (*at, "python"), "tool", tool.with_, (*at, "with"), name)
        elif isinstance(tool, FactoryTool):
            yield Use(tool.factory, (*at, "factory"), "factory", tool.with_, (*at, "with"), name)
        elif isinstance(tool, ShellTool):
            yield Use(tool.shell, (*at, "shell"), "shell")
        elif isinstance(tool, PatchTool):
            yield Use(tool.apply_patch, (*at, "apply_patch"), "editor")
        enabled = getattr(tool, "enabled_if", None)
        if isinstance(enabled, EnabledBy):
            yield Use(enabled.python, (*at, "enabled_if", "python"), "enabled")
        approval = getattr(tool, "needs_approval", False)
        if isinstance(approval, Approval) and approval.python is not None:
            yield Use(approval.python, (*at, "needs_approval", "python"), "approval")
    for key, agent in config.agents.items():
        for index, reference in enumerate(agent.tools):
            if reference not in config.tools and is_path.match(reference):
                yield Use(reference, ("agents", key, "tools", index), "tool")


def _models(config: Config) -> Iterator[Use]:
    wanted = {name for name, _ in model_references(config)}
    for name, model in config.models.items():
        if isinstance(model, PythonModel):
            at: KeyPath = ("models", name)
            severity: Severity = "error" if name in wanted else "warning"
            yield Use(model.python, (*at, "python"), "model", model.with_, (*at, "with"), severity=severity)


def _objects(config: Config) -> Iterator[Use]:
    if isinstance(config.chat.title, PythonTitle):
        yield Use(config.chat.title.python, ("chat", "title", "python"), "title")
    if isinstance(config.chat.history.summary, PythonSummary):
        yield Use(config.chat.history.summary.python, ("chat", "history", "summary", "python"), "summary")
    if isinstance(config.entry, PythonEntry):
        yield Use(config.entry.python, ("entry", "python"), "entry")
    for key in ("python", "search", "lookup"):
        if config.chat.tags is not None and (path := getattr(config.chat.tags, key)) is not None:
            yield Use(path, ("chat", "tags", key), "tags")
    if config.chat.dictation is not None and config.chat.dictation.python is not None:
        yield Use(config.chat.dictation.python, ("chat", "dictation", "python"), "dictation")
    if config.context is not None:
        yield Use(config.context, ("context",), "context")
    if config.context_class is not None:
        yield Use(config.context_class, ("context_class",), "context_class")
    if config.converter is not None:
        yield Use(config.converter, ("converter",), "converter")
    for index, route in enumerate(config.routes):
        yield Use(route, ("routes", index), "route")
    for name, path in config.state.items():
        yield Use(path, ("state", name), "state")
    if isinstance(config.store, PythonStore):
        yield Use(config.store.python, ("store", "python"), "store", config.store.with_, ("store", "with"))
