"""What the project's functions read of the objects that the runtime passes to them: a turn's context, a payload.

Only reads that every call may reach are found: those of a parameter, or of a variable that is bound to it once.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace

from runtime.static_analysis.bindings import Function
from runtime.static_analysis.module import Module
from runtime.static_analysis.resolver import CONTEXTS, WRAPPERS, Resolver, Symbol
from runtime.static_analysis.signatures import derives, parameters_in, unquoted

CONTEXT_ATTRIBUTES = frozenset(
    {
        *("add_workflow_task", "answer", "call_client", "cite", "client_tool_call", "close_thread", "config", "effect"),
        *("end_workflow", "generate_id", "generated_image_item", "locale", "lock_thread", "next_step", "notice"),
        *("open_thread", "previous_response_id", "progress", "remember", "render", "request_context", "say"),
        *("show_widget", "start_workflow", "store", "stream", "stream_widget", "thread", "update_widget"),
        *("update_workflow_task", "user", "workflow_item"),
    }
)
"""The public attributes of RuntimeContext, without those of pydantic; a test compares them."""


@dataclass(frozen=True, slots=True)
class AttributeRead:
    """A read of the attribute `name`, at `node`; `call` is the call of it as a method, if it is one."""

    name: str
    node: ast.Attribute
    call: ast.Call | None = None
    knows_class: bool = True
    """Whether the object is the context of this project's turns, rather than one of a class that derives from it."""


def context_reads(
    resolver: Resolver, module: Module, function: Function, *, is_named: bool, owner: ast.ClassDef | None = None
) -> list[AttributeRead]:
    """Return what a function reads of the turn's context: `ctx.context.name`, or `context.name` by its type hint.

    A function that agents.yaml does not name (`is_named`) may get a context of another runner, unless its type hint
    says which. `owner` is the class of a method: its first parameter is a context if the class derives from one.
    """
    wrappers, contexts = set[str](), set[str]()
    derived_wrappers, derived = set[str](), set[str]()
    if owner is not None and not function.decorator_list and _derives(resolver, Symbol("class", module, owner)):
        derived |= {parameter.name for parameter in parameters_in(function.args)[:1]}
    for parameter in parameters_in(function.args):
        hint = unquoted(parameter.node.annotation)
        if hint is None:
            continue
        inner = hint.slice if isinstance(hint, ast.Subscript) else None
        outer = hint.value if isinstance(hint, ast.Subscript) else hint
        if _is_one_of(resolver, module, outer, WRAPPERS):
            if is_named or (inner is not None and _is_context(resolver, module, inner)):
                wrappers.add(parameter.name)
            elif inner is not None and _derives(resolver, resolver.value(module, inner)):
                derived_wrappers.add(parameter.name)
        elif _is_one_of(resolver, module, outer, CONTEXTS):
            contexts.add(parameter.name)
        elif isinstance(outer, ast.Name | ast.Attribute) and _derives(resolver, resolver.value(module, outer)):
            derived.add(parameter.name)
    reads = list(_reads(function, wrappers, contexts)) if wrappers or contexts else []
    if derived_wrappers or derived:
        reads += [replace(read, knows_class=False) for read in _reads(function, derived_wrappers, derived)]
    return reads


def untyped_context_reads(function: Function) -> list[AttributeRead]:
    """Return what a helper reads of a parameter without a type hint that is called `context` or `ctx`."""
    names = {
        parameter.name
        for parameter in parameters_in(function.args)
        if parameter.node.annotation is None and parameter.name.rpartition("_")[2] in ("context", "ctx")
    }
    return [replace(read, knows_class=False) for read in _reads(function, names, names)] if names else []


def _derives(resolver: Resolver, symbol: Symbol) -> bool:
    return symbol.kind == "class" and derives(resolver, symbol, {"runtime.RuntimeContext"}) is True


def _is_one_of(resolver: Resolver, module: Module, node: ast.expr, names: frozenset[str]) -> bool:
    symbol = resolver.value(module, node)
    return symbol.kind == "external" and symbol.name in names


def _is_context(resolver: Resolver, module: Module, node: ast.expr) -> bool:
    return _is_one_of(resolver, module, node, frozenset({"runtime.RuntimeContext"}))


def _reads(function: Function, wrappers: set[str], contexts: set[str]) -> Iterator[AttributeRead]:
    nodes = list(ast.walk(function))
    stored = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del)]
    inner = {
        argument.arg
        for node in nodes
        if node is not function and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for argument in ast.walk(node.args)
        if isinstance(argument, ast.arg)
    }
    wrappers, contexts = wrappers - {*stored, *inner}, contexts - {*stored, *inner}

    def is_context(node: ast.expr) -> bool:
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr="context"):
                return name in wrappers
            case ast.Name(id=name):
                return name in contexts
        return False

    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if is_context(value) and stored.count(name) == 1:
                contexts.add(name)
    calls = {id(node.func): node for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and is_context(node.value):
            yield AttributeRead(node.attr, node, calls.get(id(node)))


def guarded_names(function: Function) -> set[str]:
    """Return the attribute names that a function tests or expects to be missing: `hasattr`, `except AttributeError`."""
    names: set[str] = set()
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Name(id="hasattr" | "getattr"), args=[_, ast.Constant(value=str() as name), *_]):
                names.add(name)
            case ast.Try():
                names |= {inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}
    return names


def payload_keys(function: Function, parameter: str) -> set[str]:
    """Return the keys that a handler reads of `action.payload` in every call, by `action.payload["key"]`.

    `parameter` is the name of the action's parameter.
    """
    nodes = list(ast.walk(function))
    stored = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del)]
    if parameter in stored:
        return set()
    payloads: set[str] = set()

    def is_payload(node: ast.expr) -> bool:
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr="payload"):
                return name == parameter
            case ast.Name(id=name):
                return name in payloads
        return False

    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if is_payload(value) and stored.count(name) == 1:
                payloads.add(name)
    keys: set[str] = set()
    for statement in _always_run(function.body):
        for node in ast.walk(statement):
            match node:
                case ast.Subscript(value=value, slice=ast.Constant(value=str() as key), ctx=ast.Load()):
                    keys |= {key} if is_payload(value) else set()
    return keys - _optional_keys(function)


def _always_run(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a function that each call runs, up to the first branch that may end it."""
    for statement in body:
        if isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr | ast.Return):
            yield from () if _branches(statement) else (statement,)
        elif isinstance(statement, ast.With | ast.AsyncWith):
            yield from _always_run(statement.body)
        elif not isinstance(statement, ast.Import | ast.ImportFrom | ast.Pass):
            return
        if isinstance(statement, ast.Return):
            return


def _branches(statement: ast.stmt) -> bool:
    kinds = ast.IfExp | ast.BoolOp | ast.Lambda | ast.comprehension
    return any(isinstance(node, kinds) for node in ast.walk(statement))


def _optional_keys(function: Function) -> set[str]:
    """Return the keys that a function tests with `in`, `.get` or `.setdefault`: they may be missing."""
    keys: set[str] = set()
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Attribute(), args=[ast.Constant(value=str() as key), *_]):
                keys.add(key)
            case ast.Compare(left=ast.Constant(value=str() as key)):
                keys.add(key)
    return keys
