"""What tools and handlers read of `ctx.context`: attributes that it does not have, and widgets that do not exist."""

from __future__ import annotations

import ast
from collections.abc import Iterator

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
from runtime.validation.python.import_paths import ImportPath, PythonDiagnostics
from runtime.validation.python.literal_trees import TREE_METHODS, check_tree_argument

# With the name of the parameter that takes the widget's name.
_WIDGET_METHODS = {"show_widget": "name", "render": "widget"}
# Of an object without a type hint, the name of the method says what it is.
_DISTINCTIVE = frozenset({"show_widget"})
_STATE = "declare it in 'state', or as an attribute of 'context_class'"


def check_context_reads(
    diagnostics: PythonDiagnostics, module: Module, path: ImportPath, named: frozenset[ast.AST]
) -> None:
    """Report attributes of the context that certainly do not exist (A332), and widgets (A333).

    `named` are the functions that agents.yaml names.
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
    if read.name not in _WIDGET_METHODS or read.call is None:
        return
    named = (each.value for each in read.call.keywords if each.arg == _WIDGET_METHODS[read.name])
    name = next(iter((*read.call.args[:1], *named)), None)
    declared = diagnostics.project.config.widgets
    if isinstance(name, ast.Constant) and isinstance(name.value, str) and name.value not in declared:
        hint = suggest(name.value, declared)
        if not hint:
            hint = f"declared are {', '.join(quote(sorted(declared)))}" if declared else "declare it in 'widgets'"
        message = f"there is no widget {name.value!r}, so this call fails"
        diagnostics.at_node(path, "A333", module, name, message, hint)
