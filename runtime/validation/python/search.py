"""Where the project defines a function that agents.yaml names without its import path, for hints."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

from runtime.config.normal_forms import import_path
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.diagnostics.wording import join_or, quote
from runtime.static_analysis.module import Module, Modules

_NAME = re.compile(r"[A-Za-z_]\w*")
_MAX_MODULES = 300
_MAX_SHOWN = 3


def hint_import_paths(diagnostics: list[Diagnostic], modules: Modules) -> list[Diagnostic]:
    """Return the diagnostics; those of names that are functions of the project say how to write their import path."""
    found: dict[str, str] = {}
    for diagnostic in diagnostics:
        if diagnostic.wanted and diagnostic.wanted not in found:
            found[diagnostic.wanted] = _hint(diagnostic.wanted, modules)
    return [replace(each, hint=found.get(each.wanted) or each.hint) for each in diagnostics]


def _hint(text: str, modules: Modules) -> str:
    meant = import_path(text)
    if meant and _defines(modules.get(meant.partition(":")[0]), meant.partition(":")[2]):
        return f"did you mean {meant!r}?"
    *_, name = ["", *_NAME.findall(text.partition("(")[0].removesuffix(".py"))]
    places = [f"{module.name}:{name}" for module in _project_modules(modules) if _defines(module, name)]
    if not places or len(places) > _MAX_SHOWN:
        return ""
    return f"did you mean {places[0]!r}?" if len(places) == 1 else f"its import path is {join_or(quote(places))}"


def _defines(module: Module | None, name: str) -> bool:
    if module is None or not module.ours:
        return False
    bindings = module.names.bound.get(name, ())
    return any(isinstance(each.node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for each in bindings)


def _project_modules(modules: Modules) -> Iterator[Module]:
    waiting, count = modules.finder.names_in("")[::-1], 0
    while waiting and count < _MAX_MODULES:
        name, count = waiting.pop(), count + 1
        module = modules.get(name)
        if module is not None:
            yield module
            if module.location.is_package:
                waiting += modules.finder.names_in(name)[::-1]
