"""Diagnostics about the project's Python, placed at the import path in agents.yaml or in the Python source."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from runtime.diagnostics.diagnostic import Place, Severity
from runtime.diagnostics.key_path import KeyPath
from runtime.static_analysis.module import Module
from runtime.static_analysis.resolver import Resolver, Symbol
from runtime.validation.checked_project import CheckedProject
from runtime.validation.python.import_paths import ImportPath


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

    def at_path(self, path: ImportPath, code: str, message: str, hint: str = "", severity: Severity = "error") -> None:
        """Report a mistake at the import path in agents.yaml."""
        self.project.collector.report(code, path.key_path, message, hint, severity=self._at_most(path, severity))

    def at_argument(self, path: ImportPath, name: str, message: str, hint: str) -> None:
        """Report a mistake at an argument of `with`."""
        at: KeyPath = (*path.arguments_at, name)
        self.project.collector.report("A325", at, message, hint, severity=self._at_most(path, "error"), at_key=True)

    def at_node(
        self,
        path: ImportPath,
        code: str,
        module: Module,
        node: ast.AST,
        message: str,
        hint: str = "",
        severity: Severity = "error",
    ) -> None:
        """Report a mistake at a node of the project's source; at the import path for another package's source."""
        if module.ours:
            self.at_line(path, code, module, module.place(node), message, hint, severity)
        else:
            self.at_path(path, code, message, hint, severity)

    def at_line(
        self,
        path: ImportPath,
        code: str,
        module: Module,
        place: Place,
        message: str,
        hint: str = "",
        severity: Severity = "error",
    ) -> None:
        """Report a mistake at a place in a module of the project, whose text code frames can show."""
        if module.shown and self._is_inside(module):
            self.project.files.texts.setdefault(module.file, module.shown)
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

    def wrong_result(self, path: ImportPath, what: str, wanted: str, hint: str = "") -> None:
        """Report that a function returns something else than `wanted` (A324)."""
        self.at_path(path, "A324", f"{path.text!r} returns {what}, not {wanted}", hint)

    def uncallable(
        self, path: ImportPath, symbol: Symbol, reason: str, called: str, severity: Severity = "error"
    ) -> None:
        """Report a function that does not accept the arguments it is called with (A331)."""
        message = f"{path.text!r} does not match its call: {reason}"
        if symbol.module is not None and symbol.node is not None:
            self.at_node(path, "A331", symbol.module, symbol.node, message, called, severity)

    def _is_inside(self, module: Module) -> bool:
        """Return whether a module's file is in the project: a link may lead to a file that must not be shown."""
        path = module.location.path
        return path is not None and path.resolve().is_relative_to(self.project.root)

    @staticmethod
    def _at_most(path: ImportPath, severity: Severity) -> Severity:
        return path.severity if severity == "error" else severity


def describe(symbol: Symbol) -> str:
    """Describe a symbol, with an article."""
    match symbol.kind:
        case "literal":
            return (
                "None" if symbol.name == "NoneType" else f"{'an' if symbol.name[0] in 'aeiou' else 'a'} {symbol.name}"
            )
        case "tool":
            return "a tool of the Agents SDK"
        case "instance":
            return f"an object of the class {getattr(symbol.node, 'name', '')!r}"
        case "result":
            return f"an object of {symbol.name}"
        case "external":
            return repr(symbol.name)
    return f"a {symbol.kind}"
