"""What tools and handlers read of `ctx.context`: attributes that it does not have, and widgets that do not exist."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel

from runtime.diagnostics.wording import quote, suggest
from runtime.static_analysis.bindings import Function
from runtime.static_analysis.instances import BASES, attributes_of
from runtime.static_analysis.module import Module
from runtime.static_analysis.receivers import (
    CONTEXT_ATTRIBUTES,
    AttributeRead,
    context_reads,
    guarded_names,
    untyped_context_reads,
)
from runtime.static_analysis.resolver import CONTEXTS, Symbol
from runtime.static_analysis.signatures import parameters_in
from runtime.validation.python.import_paths import ImportPath, PythonDiagnostics
from runtime.validation.python.literal_trees import TREE_METHODS, check_tree_argument

# With the name of the parameter that takes the widget's name.
_WIDGET_METHODS = {"show_widget": "name", "render": "widget"}
# Of an object without a type hint, the name of the method says what it is.
_DISTINCTIVE = frozenset({"show_widget"})
_STATE = "declare it in 'state', or as an attribute of 'context_class'"


def check_context_reads(
    diagnostics: PythonDiagnostics, module: Module, path: ImportPath, named: Mapping[ast.AST, Sequence[ImportPath]]
) -> None:
    """Report attributes of the context that certainly do not exist (A332), and widgets (A333).

    `named` are the functions that agents.yaml names, each with the paths that lead to it.
    """
    if module.tree is None or not module.ours:
        return
    attributes = _attributes(diagnostics)
    redefined = _redefined(diagnostics)
    owners = _owners(module.tree)
    for function in _functions(module.tree):
        owner = owners.get(function)
        reads = context_reads(diagnostics.resolver, module, function, is_named=function in named, owner=owner)
        guarded = guarded_names(function) if reads else set()
        reads += [read for read in untyped_context_reads(function) if read.name in _DISTINCTIVE]
        for read in reads:
            if not read.knows_class and read.name in redefined:
                continue
            is_known = attributes is None or read.name in attributes | guarded or _is_private(read.name)
            if read.knows_class and attributes is not None and not is_known:
                hint = suggest(read.name, sorted(attributes - set(dir(BaseModel)))) or _STATE
                message = f"the context has no {read.name!r}"
                diagnostics.at_node(path, "A332", module, read.node, message, hint)
            _check_widget(diagnostics, module, path, read)
            _check_bound_widget(diagnostics, function, named, read)
            check_tree_argument(diagnostics, module, path, function, read)


def _functions(tree: ast.Module) -> Iterator[Function]:
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _owners(tree: ast.Module) -> dict[ast.AST, ast.ClassDef]:
    """Return the class of each method."""
    return {child: node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for child in node.body}


def _redefined(diagnostics: PythonDiagnostics) -> set[str]:
    """Return the methods that show widgets and that the project may define otherwise."""
    modules = [module for module in diagnostics.resolver.modules.read.values() if module is not None and module.ours]
    methods = {*_WIDGET_METHODS, *TREE_METHODS}
    return {
        name
        for name in methods
        if any(f"def {name}(".encode() in module.text or name in module.implicit.attributes for module in modules)
    }


def _is_private(name: str) -> bool:
    return name.startswith("_")


def _attributes(diagnostics: PythonDiagnostics) -> frozenset[str] | None:
    """Return all attributes of the context of a turn; None if its class may have others."""
    config = diagnostics.project.config
    modules = [module for module in diagnostics.resolver.modules.read.values() if module is not None and module.ours]
    own = CONTEXT_ATTRIBUTES | frozenset(dir(BaseModel)) | frozenset(config.state)
    own |= frozenset().union(*(module.implicit.attributes for module in modules))
    if any(module.implicit.sets_any or module.implicit.sets_self for module in modules):
        return None
    if config.context_class is None:
        return own
    symbol = diagnostics.project.find_symbol(config.context_class)
    if symbol is None or symbol.kind != "class":
        return None
    made = Symbol("instance", symbol.module, symbol.node)
    names = attributes_of(diagnostics.resolver, made, {**BASES, **dict.fromkeys(CONTEXTS, own)})
    return None if names is None else names | own


def _check_widget(diagnostics: PythonDiagnostics, module: Module, path: ImportPath, read: AttributeRead) -> None:
    name = _widget_argument(read)
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        for message, hint in _unknown_widget(diagnostics, name.value):
            diagnostics.at_node(path, "A333", module, name, f"{message}, so this call fails", hint)


def _widget_argument(read: AttributeRead) -> ast.expr | None:
    """Return what a call passes as a widget's name; None for any other read."""
    if read.name not in _WIDGET_METHODS or read.call is None:
        return None
    named = (each.value for each in read.call.keywords if each.arg == _WIDGET_METHODS[read.name])
    return next(iter((*read.call.args[:1], *named)), None)


def _unknown_widget(diagnostics: PythonDiagnostics, name: str | None) -> Iterator[tuple[str, str]]:
    declared = diagnostics.project.config.widgets
    if name not in declared:
        known = f"declared are {', '.join(quote(sorted(declared)))}" if declared else "declare it in 'widgets'"
        yield f"there is no widget {name!r}", suggest(name or "", declared) or known


def _check_bound_widget(
    diagnostics: PythonDiagnostics,
    function: Function,
    named: Mapping[ast.AST, Sequence[ImportPath]],
    read: AttributeRead,
) -> None:
    """Report a widget's name that `with` binds to a parameter, which the function, or one inside it, shows."""
    name = _widget_argument(read)
    for outer, paths in named.items() if isinstance(name, ast.Name) else ():
        if not isinstance(outer, Function) or not (outer is function or function in ast.walk(outer)):
            continue
        assert isinstance(name, ast.Name)
        if not _only_passes_on(outer, name.id):
            continue
        for path in paths:
            value = path.arguments.get(name.id, {})
            if isinstance(value, str | None):
                for message, hint in _unknown_widget(diagnostics, value):
                    diagnostics.at_value(path, name.id, "A333", f"{message}, which {path.text!r} shows", hint)


def _only_passes_on(function: Function, name: str) -> bool:
    """Return whether a parameter is bound once, and passed to calls only: a condition may be about its value."""
    nodes = list(ast.walk(function))
    passed = [argument for node in nodes if isinstance(node, ast.Call) for argument in node.args]
    passed += [each.value for node in nodes if isinstance(node, ast.Call) for each in node.keywords]
    reads = [node for node in nodes if isinstance(node, ast.Name) and node.id == name]
    is_parameter = any(parameter.name == name for parameter in parameters_in(function.args))
    return is_parameter and sum(_binds(node, name) for node in nodes) == 1 and all(node in passed for node in reads)


def _binds(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.arg):
        return node.arg == name
    return isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load)
