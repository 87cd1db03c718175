"""Where import paths lead, found out by reading: A320 to A322, and A339 for what can't be said that way."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from runtime.diagnostics.diagnostic import Place
from runtime.diagnostics.wording import nearest, suggest
from runtime.static_analysis.bindings import absolute_name, iter_statements
from runtime.static_analysis.finder import ModuleFinder
from runtime.static_analysis.module import Module
from runtime.static_analysis.resolver import Missing, Symbol, Undecided
from runtime.validation.python.import_paths import Use
from runtime.validation.python.report import Verdicts

_NOT_FOUND = "install the project's packages where 'validate' runs, or correct the name"
# What a package may do to have modules that no file shows.
_MAKES_MODULES = (b"__path__", b"sys.modules", b"meta_path", b"path_hooks")


def prefixes(name: str) -> list[str]:
    """Return the packages on the way to a module and the module itself: importing it runs all of them."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def follow(verdicts: Verdicts, use: Use) -> Symbol | None:
    """Return what an import path leads to; report why it leads nowhere."""
    module = verdicts.resolver.modules.get(use.module)
    if module is None or not _is_there(verdicts, use):
        return None
    match verdicts.resolver.follow(module, use.attributes):
        case Symbol() as symbol:
            return symbol
        case Missing(where, name, known):
            hint = suggest(name, known) or _imported_elsewhere(module, name)
            verdicts.at_path(use, "A321", f"{where} has no {name!r}", hint)
        case Undecided(reason) if reason:
            verdicts.doubt(use, use.module, reason)
    return None


def _is_there(verdicts: Verdicts, use: Use) -> bool:
    return all(verdicts.resolver.modules.finder.find(name) is not None for name in prefixes(use.module))


def _imported_elsewhere(module: Module, name: str) -> str:
    for node in ast.walk(ast.Module(module.body, [])):
        if isinstance(node, ast.ImportFrom) and any((alias.asname or alias.name) == name for alias in node.names):
            return f"line {node.lineno} imports it, but does not run when the module is imported"
    return ""


def check_module(verdicts: Verdicts, use: Use) -> None:
    """Report a module that does not exist (A320)."""
    finder = verdicts.resolver.modules.finder
    missing = next((name for name in prefixes(use.module) if finder.find(name) is None), None)
    if missing is None:
        return
    message = f"no module named {missing!r}"
    parent = missing.rpartition(".")[0]
    top = use.module.partition(".")[0]
    if finder.knows(top):
        verdicts.at_path(use, "A320", message, _near(verdicts, use, missing))
    elif parent and _makes_modules(verdicts, parent):
        verdicts.doubt(use, parent, f"{parent!r} may make modules as it likes")
    elif parent:
        gives_way = f"the folder {top!r} has no __init__.py, so the installed package of that name is meant"
        verdicts.at_path(use, "A320", message, gives_way if finder.gives_way(top) else "")
    elif near := _near(verdicts, use, missing):
        verdicts.at_path(use, "A320", message, near)
    else:
        verdicts.at_path(use, "A320", message, _NOT_FOUND, "warning")


def _near(verdicts: Verdicts, use: Use, missing: str) -> str:
    """Say which module was probably meant: the whole path, where the rest of it fits."""
    finder = verdicts.resolver.modules.finder
    parent, _, leaf = missing.rpartition(".")
    module = verdicts.resolver.modules.get(parent) if parent else None
    if module is not None and not module.location.is_package:
        right = f"{parent}:{leaf}"
        return f"did you mean {right!r}?" if leaf in module.names.bound else f"{parent!r} is a module, not a package"
    near = _nearest(finder, missing)
    if near is None:
        return ""
    whole = near + use.module.removeprefix(missing)
    meant = whole if finder.find(whole) is not None else near
    return f"did you mean {meant!r}?"


def _nearest(finder: ModuleFinder, missing: str) -> str | None:
    """Return the module beside a missing one whose own name is near; the package is the same for all of them."""
    parent, _, leaf = missing.rpartition(".")
    by_leaf = {name.rpartition(".")[2]: name for name in finder.names_in(parent)}
    near = nearest(leaf, by_leaf)
    return None if near is None else by_leaf[near]


def _makes_modules(verdicts: Verdicts, package: str) -> bool:
    modules = [verdicts.resolver.modules.get(name) for name in prefixes(package)]
    return any(
        module is None or module.opaque or any(word in module.text for word in _MAKES_MODULES) for module in modules
    )


def reached(verdicts: Verdicts, uses: Sequence[Use]) -> Iterator[tuple[Module, Use]]:
    """Yield each of the project's modules that certainly run when the paths are imported, with the first such path."""
    seen: set[str] = set()
    waiting = [(name, use) for use in reversed(uses) for name in reversed(prefixes(use.module))]
    while waiting:
        name, use = waiting.pop()
        if name in seen or not verdicts.resolver.modules.finder.knows(name):
            continue
        seen.add(name)
        module = verdicts.resolver.modules.get(name)
        if module is not None:
            yield module, use
            waiting += [(inner, use) for found in _imported(verdicts, module) for inner in reversed(prefixes(found))]


def _imported(verdicts: Verdicts, module: Module) -> list[str]:
    names: list[str] = []
    for statement in _certain(module):
        if isinstance(statement, ast.Import):
            names += [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom) and (name := absolute_name(statement, module.package)):
            source = verdicts.resolver.modules.get(name) if verdicts.resolver.modules.finder.knows(name) else None
            bound = source.names.bound if source is not None else {}
            names += [name, *(f"{name}.{alias.name}" for alias in statement.names if alias.name not in bound)]
    return names[::-1]


def _certain(module: Module) -> Iterator[ast.stmt]:
    """Yield the statements that run for sure: up to the first that ends it all."""
    for statement, certain in iter_statements(module.body):
        if certain:
            yield statement
            if isinstance(statement, ast.Raise):
                return


def check_import(verdicts: Verdicts, module: Module, use: Use) -> None:
    """Report what keeps a module from being imported, for sure (A322)."""
    if module.broken is not None:
        place = Place(module.file, module.broken.line, module.broken.column)
        message = f"importing {module.name!r} raises {module.broken.message}"
        verdicts.failing.add(module.name)
        if module.broken.line:
            verdicts.at_line(use, "A322", module, place, message)
        else:
            verdicts.at_path(use, "A322", message)
        return
    for statement in _certain(module):
        for message, hint in _failures(verdicts, module, statement):
            message = f"importing {module.name!r} raises {message}"
            verdicts.failing.add(module.name)
            verdicts.at_node(use, "A322", module, statement, message, hint)


def _failures(verdicts: Verdicts, module: Module, statement: ast.stmt) -> Iterator[tuple[str, str]]:
    match statement:
        case ast.Raise():
            yield "an error: this line always runs", "raise it in a function, or under a condition"
        case ast.Import(names=names):
            for alias in names:
                yield from _no_module(verdicts, alias.name)
        case ast.ImportFrom(names=names):
            source = absolute_name(statement, module.package)
            if source is None:
                yield "ImportError: the dots lead out of the package", "write the module's whole name"
                return
            missing = list(_no_module(verdicts, source))
            yield from missing
            if not missing:
                for alias in names:
                    yield from _no_name(verdicts, source, alias.name)


def _no_module(verdicts: Verdicts, name: str) -> Iterator[tuple[str, str]]:
    """Only of the project: what else is installed may differ from here to where it runs."""
    finder = verdicts.resolver.modules.finder
    if not finder.knows(name):
        return
    missing = next((found for found in prefixes(name) if finder.find(found) is None), None)
    if missing is not None:
        near = _nearest(finder, missing)
        hint = f"did you mean {near!r}?" if near else ""
        yield f"ModuleNotFoundError: no module named {missing!r}", hint


def _no_name(verdicts: Verdicts, source: str, name: str) -> Iterator[tuple[str, str]]:
    module = verdicts.resolver.modules.get(source) if verdicts.resolver.modules.finder.knows(source) else None
    if name == "*" or module is None:
        return
    found = verdicts.resolver.resolve_name(module, name)
    if isinstance(found, Missing):
        yield f"ImportError: {found.where} has no {name!r}", suggest(name, found.known)
