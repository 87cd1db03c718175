"""The import paths in agents.yaml, each with its role."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from runtime.config.model import Config
from runtime.config.model.agents import HistoryFilter, PythonEntry, PythonInstructions
from runtime.config.model.chat import PythonSummary, PythonTitle
from runtime.config.model.guardrails import PythonGuardrail
from runtime.config.model.mcp import PythonMcpServer
from runtime.config.model.models import PythonModel
from runtime.config.model.server import PythonStore
from runtime.config.model.tools import Approval, EnabledBy, FactoryTool, PatchTool, PythonTool, ShellTool
from runtime.config.model.types import IMPORT_PATTERN
from runtime.config.model.widgets import PythonAction, PythonWidget
from runtime.config.references import GUARDRAILS, find_names, model_references
from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath
from runtime.validation.checked_project import CheckedProject

Role = Literal[
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
    "hooks",
    "context_class",
    "converter",
    "route",
    "state",
    "store",
]


@dataclass(frozen=True, slots=True)
class ImportPath:
    """An import path: its `text`, its `key_path` in agents.yaml, and the role of the object that it names.

    `arguments` are those of `with`, at `arguments_at`; `declared` is the name of the tool, if `tools` declares it.
    `severity` is the severity of a path that can't be used: a warning for an unused model.
    """

    text: str
    key_path: KeyPath
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
        """The attribute names from the module to the object."""
        return self.text.partition(":")[2].split(".")


def import_paths(project: CheckedProject) -> list[ImportPath]:
    """Return the import paths of agents.yaml in the order of the file."""
    filled = project.collector.filled
    places = filled.source.places
    paths = [path for path in _all(project.config) if not filled.is_unresolved(places.written(path.key_path))]
    return sorted(paths, key=lambda path: places.value(places.written(path.key_path)))


def _all(config: Config) -> Iterator[ImportPath]:
    yield from _tools(config)
    yield from _models(config)
    for name, server in config.mcp.items():
        if isinstance(server, PythonMcpServer):
            at: KeyPath = ("mcp", name)
            yield ImportPath(server.python, (*at, "python"), "mcp", server.with_, (*at, "with"))
    for name, widget in config.widgets.items():
        if isinstance(widget, PythonWidget):
            yield ImportPath(widget.python, ("widgets", name, "python"), "widget")
    for name, action in config.actions.items():
        if isinstance(action, PythonAction):
            yield ImportPath(action.python, ("actions", name, "python"), "action")
    for key, agent in config.agents.items():
        if isinstance(agent.instructions, PythonInstructions):
            yield ImportPath(agent.instructions.python, ("agents", key, "instructions", "python"), "instructions")
    for key, agent in config.agents.items():
        for index, handoff in enumerate(agent.handoffs):
            at_handoff: KeyPath = ("agents", key, "handoffs", index)
            if handoff.on_handoff is not None:
                yield ImportPath(handoff.on_handoff, (*at_handoff, "on_handoff"), "on_handoff")
            if isinstance(handoff.history, HistoryFilter):
                yield ImportPath(handoff.history.python, (*at_handoff, "history", "python"), "filter")
        if agent.hooks is not None:
            yield ImportPath(agent.hooks, ("agents", key, "hooks"), "hooks")
        if agent.output is not None and agent.output.python is not None:
            yield ImportPath(agent.output.python, ("agents", key, "output", "python"), "output")
    for name, guardrail in config.guardrails.items():
        if isinstance(guardrail, PythonGuardrail):
            yield ImportPath(guardrail.python, ("guardrails", name, "python"), "guardrail")
    for name, path in find_names(config, *GUARDRAILS):
        if name not in config.guardrails and ":" in name:
            yield ImportPath(name, path, "guardrail")
    yield from _objects(config)


def _tools(config: Config) -> Iterator[ImportPath]:
    import re

    is_path = re.compile(IMPORT_PATTERN.removesuffix("$") + r"\Z")
    for name, tool in config.tools.items():
        at: KeyPath = ("tools", name)
        if isinstance(tool, PythonTool):
            yield ImportPath(tool.python, (*at, "python"), "tool", tool.with_, (*at, "with"), name)
        elif isinstance(tool, FactoryTool):
            yield ImportPath(tool.factory, (*at, "factory"), "factory", tool.with_, (*at, "with"), name)
        elif isinstance(tool, ShellTool):
            yield ImportPath(tool.shell, (*at, "shell"), "shell")
        elif isinstance(tool, PatchTool):
            yield ImportPath(tool.apply_patch, (*at, "apply_patch"), "editor")
        enabled = getattr(tool, "enabled_if", None)
        if isinstance(enabled, EnabledBy):
            yield ImportPath(enabled.python, (*at, "enabled_if", "python"), "enabled")
        approval = getattr(tool, "needs_approval", False)
        if isinstance(approval, Approval) and approval.python is not None:
            yield ImportPath(approval.python, (*at, "needs_approval", "python"), "approval")
    for key, agent in config.agents.items():
        for index, reference in enumerate(agent.tools):
            if reference not in config.tools and is_path.match(reference):
                yield ImportPath(reference, ("agents", key, "tools", index), "tool")


def _models(config: Config) -> Iterator[ImportPath]:
    wanted = {name for name, _ in model_references(config)}
    for name, model in config.models.items():
        if isinstance(model, PythonModel):
            at: KeyPath = ("models", name)
            severity: Severity = "error" if name in wanted else "warning"
            yield ImportPath(model.python, (*at, "python"), "model", model.with_, (*at, "with"), severity=severity)


def _objects(config: Config) -> Iterator[ImportPath]:
    if isinstance(config.chat.title, PythonTitle):
        yield ImportPath(config.chat.title.python, ("chat", "title", "python"), "title")
    if isinstance(config.chat.history.summary, PythonSummary):
        yield ImportPath(config.chat.history.summary.python, ("chat", "history", "summary", "python"), "summary")
    if isinstance(config.entry, PythonEntry):
        yield ImportPath(config.entry.python, ("entry", "python"), "entry")
    for key in ("python", "search", "lookup"):
        if config.chat.tags is not None and (path := getattr(config.chat.tags, key)) is not None:
            yield ImportPath(path, ("chat", "tags", key), "tags")
    if config.chat.dictation is not None and config.chat.dictation.python is not None:
        yield ImportPath(config.chat.dictation.python, ("chat", "dictation", "python"), "dictation")
    if config.context is not None:
        yield ImportPath(config.context, ("context",), "context")
    if config.context_class is not None:
        yield ImportPath(config.context_class, ("context_class",), "context_class")
    if config.converter is not None:
        yield ImportPath(config.converter, ("converter",), "converter")
    for index, route in enumerate(config.routes):
        yield ImportPath(route, ("routes", index), "route")
    for name, path in config.state.items():
        yield ImportPath(path, ("state", name), "state")
    if isinstance(config.store, PythonStore):
        yield ImportPath(config.store.python, ("store", "python"), "store", config.store.with_, ("store", "with"))
