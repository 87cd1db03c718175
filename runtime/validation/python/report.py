"""Where the checks of the project's Python put what they find: at the import path, or in the user's own source."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field

from runtime.diagnostics.diagnostic import Place, Severity
from runtime.diagnostics.key_path import KeyPath
from runtime.static_analysis.module import Module
from runtime.static_analysis.resolver import Resolver, Symbol
from runtime.validation.checked_project import CheckedProject
from runtime.validation.python.import_paths import Use


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Reports about the import paths of one project, whose names `things` understands.

    `failing` are the modules that certainly can't be imported.
    """

    project: CheckedProject
    resolver: Resolver
    failing: set[str] = field(default_factory=set)
    _doubted: set[str] = field(default_factory=set)

    def at_path(self, use: Use, code: str, message: str, hint: str = "", severity: Severity = "error") -> None:
        """Report a mistake at the import path in agents.yaml."""
        self.project.collector.report(code, use.path, message, hint, severity=self._at_most(use, severity))

    def at_argument(self, use: Use, name: str, message: str, hint: str) -> None:
        """Report a mistake at an argument of `with`."""
        path: KeyPath = (*use.arguments_at, name)
        self.project.collector.report("A325", path, message, hint, severity=self._at_most(use, "error"), at_key=True)

    def at_node(
        self,
        use: Use,
        code: str,
        module: Module,
        node: ast.AST,
        message: str,
        hint: str = "",
        severity: Severity = "error",
    ) -> None:
        """Report a mistake at a line of the project; at the import path where the line is another package's."""
        if module.ours:
            self.at_line(use, code, module, module.place(node), message, hint, severity)
        else:
            self.at_path(use, code, message, hint, severity)

    def at_line(
        self,
        use: Use,
        code: str,
        module: Module,
        place: Place,
        message: str,
        hint: str = "",
        severity: Severity = "error",
    ) -> None:
        """Report a mistake at a place in one of the project's modules, whose text code frames can show."""
        if module.shown and self._is_inside(module):
            self.project.files.texts.setdefault(module.file, module.shown)
        severity = self._at_most(use, severity)
        self.project.collector.report(code, use.path, message, hint, severity=severity, place=place)

    def doubt(self, use: Use, module: str, reason: str) -> None:
        """Note, once for each reason, that an import path can't be followed; nothing where its module fails anyway."""
        parts = module.split(".")
        fails = any(".".join(parts[: count + 1]) in self.failing for count in range(len(parts)))
        if not fails and reason not in self._doubted:
            self._doubted.add(reason)
            message = f"{use.text!r} can't be followed without running Python: {reason}"
            self.at_path(use, "A339", message, "'validate --import' builds it to be sure", "note")

    def wrong_kind(self, use: Use, symbol: Symbol, wanted: str, hint: str = "") -> None:
        """Report that an import path leads to something else than what is wanted there."""
        self.at_path(use, "A324", f"{use.text!r} is {describe(symbol)}, not {wanted}", hint)

    def gives(self, use: Use, what: str, wanted: str, hint: str = "") -> None:
        """Report that calling what an import path leads to gives something else than what is wanted."""
        self.at_path(use, "A324", f"{use.text!r} gives {what}, not {wanted}", hint)

    def uncallable(self, use: Use, symbol: Symbol, reason: str, called: str, severity: Severity = "error") -> None:
        """Report a function that can't be called the way that it will be."""
        message = f"{use.text!r} can't be called as it will be: {reason}"
        if symbol.module is not None and symbol.node is not None:
            self.at_node(use, "A331", symbol.module, symbol.node, message, called, severity)

    def _is_inside(self, module: Module) -> bool:
        """Say whether a module's file lies in the project, and is no link to a file whose text is nobody's business."""
        path = module.location.path
        return path is not None and path.resolve().is_relative_to(self.project.root)

    @staticmethod
    def _at_most(use: Use, severity: Severity) -> Severity:
        return use.severity if severity == "error" else severity


def describe(symbol: Symbol) -> str:
    """Say what a thing is."""
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
