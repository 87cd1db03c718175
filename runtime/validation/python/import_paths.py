"""The import paths in agents.yaml, each with its role, and diagnostics about the Python that they name."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.config.model import Config
from runtime.config.references import GUARDRAILS, IMPORT_PATH, find_names, find_values, model_references, value_at
from runtime.diagnostics.diagnostic import Place, Severity
from runtime.diagnostics.key_path import KeyPath
from runtime.static_analysis.module import Module
from runtime.static_analysis.resolver import Resolver, Symbol
from runtime.validation.checked_project import CheckedProject

# Where an import path may be written, and its role; `*` is every key or index.
_ROLES: Mapping[str, str] = {
    "tools.*.python": "tool",
    "tools.*.factory": "factory",
    "tools.*.shell": "shell",
    "tools.*.apply_patch": "editor",
    "tools.*.enabled_if.python": "enabled",
    "tools.*.needs_approval.python": "approval",
    "models.*.python": "model",
    "mcp.*.python": "mcp",
    "widgets.*.python": "widget",
    "actions.*.python": "action",
    "agents.*.instructions.python": "instructions",
    "chat.title.instructions.python": "instructions",
    "chat.history.summary.instructions.python": "instructions",
    "guardrails.*.instructions.python": "instructions",
    "agents.*.handoffs.*.on_handoff": "on_handoff",
    "agents.*.handoffs.*.history.python": "filter",
    "agents.*.python": "agent",
    "agents.*.hooks": "hooks",
    "agents.*.output.python": "output",
    "guardrails.*.python": "guardrail",
    "chat.title.python": "title",
    "chat.history.summary.python": "summary",
    "chat.tags.python": "tags",
    "chat.tags.search": "tags",
    "chat.tags.lookup": "tags",
    "chat.dictation.python": "dictation",
    "chat.feedback.python": "feedback",
    "entry.python": "entry",
    "context": "context",
    "context_class": "context_class",
    "converter.python": "converter",
    "stream_converter.python": "stream_converter",
    "routes.*.python": "route",
    "state.*.python": "state",
    "store.python": "store",
    "auth.python": "auth",
}


@dataclass(frozen=True, slots=True)
class ImportPath:
    """An import path: its `text`, its `key_path` in agents.yaml, and the role of the object that it names.

    `arguments` are those of `with`; `declared` is the name of the tool, if `tools` declares it. `severity` is the
    severity of a path that can't be used: a warning for an unused model.
    """

    text: str
    key_path: KeyPath
    role: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
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
    used_models = {name for name, _ in model_references(config)}
    for pattern, role in _ROLES.items():
        for text, path in find_values(config, pattern):
            if not isinstance(text, str):
                continue
            arguments = getattr(value_at(config, path[:-1]), "with_", {})
            declared = str(path[1]) if role in ("tool", "factory") else None
            severity: Severity = "warning" if role == "model" and path[1] not in used_models else "error"
            yield ImportPath(text, path, role, arguments, declared, severity)
    for key, agent in config.agents.items():
        for index, reference in enumerate(agent.tools):
            if reference not in config.tools and IMPORT_PATH.match(reference):
                yield ImportPath(reference, ("agents", key, "tools", index), "tool")
    for name, path in find_names(config, *GUARDRAILS):
        if name not in config.guardrails and ":" in name:
            yield ImportPath(name, path, "guardrail")


@dataclass(frozen=True, slots=True)
class PythonDiagnostics:
    """Reports diagnostics about the import paths of one project; `failing` are modules that can't be imported."""

    project: CheckedProject
    failing: set[str] = field(default_factory=set)
    _doubted: set[str] = field(default_factory=set)

    @property
    def resolver(self) -> Resolver:
        """The resolver of the project's Python."""
        return self.project.resolver

    def at_path(
        self,
        path: ImportPath,
        code: str,
        message: str,
        hint: str = "",
        severity: Severity = "error",
        *,
        wanted: str = "",
    ) -> None:
        """Report a mistake at the import path in agents.yaml."""
        severity = self._at_most(path, severity)
        self.project.collector.report(code, path.key_path, message, hint, severity=severity, wanted=wanted)

    def at_argument(
        self, path: ImportPath, name: str, message: str, hint: str = "", severity: Severity = "error"
    ) -> None:
        """Report an argument of `with` that does not exist, or, as a warning, one with a wrong value."""
        at: KeyPath = (*path.key_path[:-1], "with", name)
        severity, at_key = self._at_most(path, severity), severity == "error"
        self.project.collector.report("A325", at, message, hint, severity=severity, at_key=at_key)

    def at_value(self, path: ImportPath, name: str, code: str, message: str, hint: str) -> None:
        """Report the value of an argument of `with`."""
        at: KeyPath = (*path.key_path[:-1], "with", name)
        self.project.collector.report(code, at, message, hint, severity=self._at_most(path, "error"))

    def at_node(
        self,
        path: ImportPath,
        code: str,
        module: Module,
        node: ast.AST | Place,
        message: str,
        hint: str = "",
        severity: Severity = "error",
    ) -> None:
        """Report a mistake at a node or place of the project's source; at the import path for another package's."""
        if not module.ours:
            self.at_path(path, code, message, hint, severity)
            return
        file = module.location.path
        # A link may lead to a file outside of the project, which must not be shown.
        if module.shown and file is not None and file.resolve().is_relative_to(self.project.root):
            self.project.files.texts.setdefault(module.file, module.shown)
        place = node if isinstance(node, Place) else module.place(node)
        severity = self._at_most(path, severity)
        self.project.collector.report(code, path.key_path, message, hint, severity=severity, place=place)

    def doubt(self, path: ImportPath, module: str, reason: str) -> None:
        """Note once for each reason that an import path can't be resolved, unless its module fails anyway (A339)."""
        parts = module.split(".")
        fails = any(".".join(parts[: count + 1]) in self.failing for count in range(len(parts)))
        if not fails and reason not in self._doubted:
            self._doubted.add(reason)
            message = f"{path.text!r} can't be resolved without running Python: {reason}"
            self.at_path(path, "A339", message, "'validate --import' builds it", "note")

    def wrong_kind(self, path: ImportPath, symbol: Symbol, wanted: str, hint: str = "") -> None:
        """Report that an import path names another kind of object than `wanted` (A324)."""
        self.at_path(path, "A324", f"{path.text!r} is {describe(symbol)}, not {wanted}", hint)

    def uncallable(
        self, path: ImportPath, symbol: Symbol, reason: str, called: str, severity: Severity = "error"
    ) -> None:
        """Report a function that does not accept the arguments it is called with (A331)."""
        message = f"{path.text!r} does not match its call: {reason}"
        if symbol.module is not None and symbol.node is not None:
            self.at_node(path, "A331", symbol.module, symbol.node, message, called, severity)

    @staticmethod
    def _at_most(path: ImportPath, severity: Severity) -> Severity:
        return path.severity if severity == "error" else severity


def describe(symbol: Symbol) -> str:
    """Describe a symbol, with an article."""
    match symbol.kind:
        case "literal":
            article = "an" if symbol.name[0] in "aeiou" else "a"
            return "None" if symbol.name == "NoneType" else f"{article} {symbol.name}"
        case "tool":
            return "a tool of the Agents SDK"
        case "instance":
            return f"an object of the class {getattr(symbol.node, 'name', '')!r}"
        case "result":
            return f"an object of {symbol.name}"
        case "external":
            return repr(symbol.name)
    return f"a {symbol.kind}"
