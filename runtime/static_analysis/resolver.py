"""Resolves names in the project's Python statically: across imports, aliases and classes.

Three results: a `Symbol`, with what is known of it; `Missing`, which is certain; `Undecided`, with the reason.
"""

from __future__ import annotations

import ast
import builtins
import sys
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from runtime.static_analysis.bindings import Binding, Function, Imported, read_names
from runtime.static_analysis.module import Module, Modules

Kind = Literal["function", "class", "instance", "module", "literal", "tool", "result", "external", "unknown"]
_MAX_DEPTH = 40


@dataclass(frozen=True, slots=True)
class Symbol:
    """The object that a name refers to.

    `function`: `node` is the def or lambda; its first parameter is passed if `bound`. `class`: `node` is a plain
    class. `instance` of the class `node`. `literal` of the type `name`. `tool`: made by function_tool from the function
    `node`, if known, with the options `call`. `external`: `name` of another package. `result`: of the `call` of `name`
    of another package.
    """

    kind: Kind
    module: Module | None = None
    node: ast.AST | None = None
    name: str = ""
    bound: bool = False
    call: ast.Call | None = None
    decorated: bool = False


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no `name` in `where`, which has the names `known`."""

    where: str
    name: str
    known: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Undecided:
    """Unknown without running Python; the `reason` is empty if another check reports it."""

    reason: str = ""


Resolution = Symbol | Missing | Undecided
UNKNOWN = Symbol("unknown")


@dataclass(frozen=True, slots=True)
class Resolver:
    """Resolves names in the modules of one project."""

    modules: Modules

    def follow(self, module: Module, attributes: Sequence[str]) -> Resolution:
        """Resolve `module:name.attribute…`."""
        answer: Resolution = self.resolve_name(module, attributes[0])
        path = f"{module.name}:{attributes[0]}"
        for attribute in attributes[1:]:
            if not isinstance(answer, Symbol):
                return answer
            answer = self.attribute(answer, attribute, path)
            path = f"{path}.{attribute}"
        return answer

    def resolve_name(self, module: Module, name: str, depth: int = 0) -> Resolution:
        """Resolve a top-level name of a module."""
        if module.broken is not None or depth > _MAX_DEPTH:
            return Undecided()
        if module.opaque:
            return Undecided(f"{module.name!r} {module.opaque}")
        if bindings := module.names.bound.get(name):
            return self._bound(module, bindings, depth)
        if _is_dunder(name):
            return UNKNOWN
        if self.modules.finder.find(f"{module.name}.{name}") is not None:
            return Symbol("module", self.modules.get(f"{module.name}.{name}"), name=f"{module.name}.{name}")
        return self._resolve_unbound(module, name, depth)

    def _resolve_unbound(self, module: Module, name: str, depth: int) -> Resolution:
        doubt: Undecided | None = None
        for star in module.names.stars:
            source = self.modules.get(star)
            resolution = (
                Undecided(f"{star!r} is not found") if source is None else self.resolve_name(source, name, depth + 1)
            )
            if isinstance(resolution, Symbol) and resolution.kind != "module":
                return resolution
            if isinstance(resolution, Undecided):
                doubt = Undecided(f"{module.name!r} imports everything from {star!r}")
        if name in module.implicit.names:
            return UNKNOWN
        if doubt is None and "__getattr__" in module.names.bound:
            doubt = Undecided(f"{module.name!r} has a __getattr__")
        if doubt is None and module.implicit.dynamic:
            doubt = Undecided(f"{module.name!r} {module.implicit.dynamic}")
        return doubt or self._set_elsewhere(name) or Missing(f"module {module.name!r}", name, self._known(module))

    def _set_elsewhere(self, name: str) -> Undecided | None:
        for other in [module for module in self.modules.read.values() if module is not None and module.ours]:
            if name in other.implicit.attributes:
                return Undecided(f"{other.name!r} sets an attribute {name!r}")
            if other.implicit.sets_any:
                return Undecided(f"{other.name!r} {other.implicit.dynamic}")
        return None

    def _known(self, module: Module) -> list[str]:
        known = [name for name in module.names.bound if not _is_dunder(name)]
        for star in module.names.stars:
            source = self.modules.get(star)
            known += [] if source is None or source is module else source.names.bound
        return list(dict.fromkeys(known))

    def _bound(self, module: Module, bindings: Sequence[Binding], depth: int) -> Symbol:
        last = bindings[-1]
        if len(bindings) > 1 and not last.certain:
            return UNKNOWN
        match last:
            case Binding(node=ast.FunctionDef() | ast.AsyncFunctionDef() as node):
                return self.function(module, node, depth)
            case Binding(node=ast.ClassDef() as node):
                return self._class(module, node, depth)
            case Binding(node=ast.expr() as node):
                return self.value(module, node, depth + 1)
            case Binding(target=Imported() as target):
                return self._imported(module, target, depth)
        return UNKNOWN

    def function(self, module: Module, node: Function, depth: int = 0) -> Symbol:
        """Return the symbol that a `def` binds, with its decorators applied."""
        if not node.decorator_list:
            return Symbol("function", module, node)
        outermost = node.decorator_list[0]
        call = outermost if isinstance(outermost, ast.Call) else None
        made_by = self.value(module, outermost.func if isinstance(outermost, ast.Call) else outermost, depth + 1)
        if made_by.kind == "external" and made_by.name == FUNCTION_TOOL and not (call and call.args):
            return Symbol("tool", module, node, call=call, decorated=len(node.decorator_list) > 1)
        return UNKNOWN

    def _class(self, module: Module, node: ast.ClassDef, depth: int) -> Symbol:
        for decorator in node.decorator_list:
            made_by = decorator.func if isinstance(decorator, ast.Call) else decorator
            if self.value(module, made_by, depth + 1).name not in CLASS_DECORATORS:
                return UNKNOWN
        return Symbol("class", module, node, decorated=bool(node.decorator_list))

    def _imported(self, module: Module, target: Imported, depth: int) -> Symbol:
        if target.name is None:
            return self._module(target.module)
        ours = self.modules.finder.knows(target.module)
        if not ours and (known := external_name(target.module, target.name)):
            return Symbol("external", name=known)
        # Other packages are not read, except inside a package that agents.yaml names.
        if not ours and (module.ours or _top(target.module) != _top(module.name)):
            return Symbol("external", name=f"{target.module}.{target.name}")
        source = self.modules.get(target.module)
        resolution = None if source is None else self.resolve_name(source, target.name, depth + 1)
        return resolution if isinstance(resolution, Symbol) else UNKNOWN

    def _module(self, name: str) -> Symbol:
        return Symbol("module", self.modules.get(name) if self.modules.finder.knows(name) else None, name=name)

    def value(self, module: Module, node: ast.expr, depth: int = 0) -> Symbol:
        """Return the value of a top-level expression of a module."""
        if depth > _MAX_DEPTH:
            return UNKNOWN
        match node:
            case ast.Lambda():
                return Symbol("function", module, node)
            case ast.Name(id=name):
                return self._named(module, name, depth)
            case ast.Attribute(value=inner, attr=name):
                resolution = self.attribute(self.value(module, inner, depth + 1), name, "", depth + 1)
                return resolution if isinstance(resolution, Symbol) else UNKNOWN
            case ast.Call():
                return self._called(module, node, depth)
            case ast.Subscript(value=inner):
                # AgentContext[dict], to derive from.
                resolution = self.value(module, inner, depth + 1)
                return resolution if resolution.kind in ("class", "external") else UNKNOWN
        kind = literal_type(node)
        return Symbol("literal", name=kind) if kind else UNKNOWN

    def _named(self, module: Module, name: str, depth: int) -> Symbol:
        is_free = name not in module.names.bound and hasattr(builtins, name)
        if is_free and not module.names.stars:
            return Symbol("external", name=BUILTINS + name)
        resolution = self.resolve_name(module, name, depth + 1)
        if is_free and isinstance(resolution, Missing):
            return Symbol("external", name=BUILTINS + name)
        return resolution if isinstance(resolution, Symbol) else UNKNOWN

    def _called(self, module: Module, node: ast.Call, depth: int) -> Symbol:
        if isinstance(node.func, ast.Call) and not node.func.args:
            # function_tool(name_override="…")(function)
            maker = self.value(module, node.func.func, depth + 1)
            if maker.name == FUNCTION_TOOL and len(node.args) == 1:
                return self._tool(module, node.args[0], node.func, depth)
            return UNKNOWN
        maker = self.value(module, node.func, depth + 1)
        if maker.kind == "external" and maker.name == FUNCTION_TOOL:
            return self._tool(module, node.args[0], node, depth) if len(node.args) == 1 else UNKNOWN
        if maker.kind == "class" and not maker.decorated:
            return replace(maker, kind="instance")
        return Symbol("result", name=maker.name, call=node) if maker.kind == "external" else UNKNOWN

    def _tool(self, module: Module, function: ast.expr, call: ast.Call, depth: int) -> Symbol:
        inner = self.value(module, function, depth + 1)
        if inner.kind == "function":
            return replace(inner, kind="tool", call=call)
        return Symbol("tool", module, call=call, decorated=True)

    def attribute(self, symbol: Symbol, name: str, path: str = "", depth: int = 0) -> Resolution:
        """Resolve an attribute of a symbol; `path` names the symbol in messages."""
        if symbol.kind == "module" and symbol.module is not None:
            return self.resolve_name(symbol.module, name, depth + 1)
        if symbol.kind in ("module", "external"):
            return Symbol("external", name=external_name(symbol.name, name) or f"{symbol.name}.{name}")
        if symbol.kind == "function" and not symbol.bound and symbol.module is not None:
            return self._of_type(symbol.module, types.FunctionType, name, path)
        if symbol.kind == "literal" and (kind := getattr(builtins, symbol.name, None)) is not None:
            return self._of_type(None, kind, name, path)
        if symbol.kind in ("class", "instance") and symbol.module is not None and isinstance(symbol.node, ast.ClassDef):
            resolution = self._in_class(symbol.module, symbol.node, name, path, depth)
            if symbol.kind == "instance":
                return self._of_instance(symbol.module, symbol.node, resolution)
            return resolution
        return UNKNOWN

    def _of_type(self, module: Module | None, kind: type, name: str, path: str) -> Resolution:
        """Resolve an attribute of an object of a type of Python: a function may have others, if something sets them."""
        if hasattr(kind, name) or (module is not None and module.implicit.dynamic):
            return UNKNOWN
        return self._set_elsewhere(name) or Missing(repr(path) if path else kind.__name__, name)

    def _of_instance(self, module: Module, node: ast.ClassDef, resolution: Resolution) -> Resolution:
        if isinstance(resolution, Missing):
            makes_any = defines_method(self, module, node, "__getattr__", "__getattribute__", "__slots__") is not False
            # Attributes that a method sets on `self` were already found by `_set_elsewhere`.
            return Undecided() if makes_any or module.implicit.sets_self else resolution
        if not isinstance(resolution, Symbol):
            return resolution
        if resolution.kind != "function":
            return UNKNOWN
        return resolution if resolution.name == "static" else replace(resolution, bound=True)

    def _in_class(self, module: Module, node: ast.ClassDef, name: str, path: str, depth: int) -> Resolution:
        names = read_names(node.body)
        if depth > _MAX_DEPTH or node.keywords:
            return UNKNOWN
        if bindings := names.bound.get(name):
            return self._member(module, bindings, depth)
        if _is_dunder(name):
            return UNKNOWN
        for base in self.bases(module, node, depth):
            if base.kind == "class" and base.module is not None and isinstance(base.node, ast.ClassDef):
                resolution = self._in_class(base.module, base.node, name, path, depth + 1)
                if not isinstance(resolution, Missing):
                    return resolution
            elif base.name != BUILTINS + "object":
                return Undecided()
        known = [known for known in names.bound if not _is_dunder(known)]
        if node.decorator_list or module.implicit.dynamic:
            return Undecided()
        return self._set_elsewhere(name) or Missing(repr(path) if path else repr(node.name), name, known)

    def _member(self, module: Module, bindings: Sequence[Binding], depth: int) -> Symbol:
        node = bindings[-1].node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and len(node.decorator_list) == 1:
            decorator = node.decorator_list[0]
            how = decorator.id if isinstance(decorator, ast.Name) else ""
            if how == "staticmethod":
                return Symbol("function", module, node, name="static")
            if how == "classmethod":
                return Symbol("function", module, node, name="static", bound=True)
        resolution = self._bound(module, bindings, depth)
        # A name in a class body may be one of the class itself, which is not resolved.
        is_own = node is not None and resolution.node is node
        return resolution if is_own or resolution.kind == "literal" else UNKNOWN

    def bases(self, module: Module, node: ast.ClassDef, depth: int = 0) -> Iterable[Symbol]:
        """Yield the direct base classes of a class."""
        for base in node.bases:
            yield UNKNOWN if isinstance(base, ast.Starred) else self.value(module, base, depth + 1)


def defines_method(resolver: Resolver, module: Module, node: ast.ClassDef, *names: str) -> bool | None:
    """Return whether a class, or a base class, has one of these special methods; None if unknown."""
    bound = read_names(node.body).bound
    if any(name in bound for name in names):
        return True
    if node.keywords or "__new__" in bound:
        return None
    answers: list[bool | None] = []
    for base in resolver.bases(module, node):
        if base.kind == "class" and base.module is not None and isinstance(base.node, ast.ClassDef):
            answers.append(defines_method(resolver, base.module, base.node, *names))
        elif base.name in PYDANTIC:
            answers.append(None if "__getattr__" in names else False)
        else:
            answers.append(False if base.name in NO_INIT else None)
    return True if True in answers else None if None in answers else False


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _top(name: str) -> str:
    return name.partition(".")[0]


_LITERALS: dict[type[ast.expr], str] = {
    ast.JoinedStr: "str",
    ast.List: "list",
    ast.ListComp: "list",
    ast.Tuple: "tuple",
    ast.Dict: "dict",
    ast.DictComp: "dict",
    ast.Set: "set",
    ast.SetComp: "set",
}


def literal_type(node: ast.expr) -> str:
    """Return the name of the type of a literal; empty for any other expression."""
    return type(node.value).__name__ if isinstance(node, ast.Constant) else _LITERALS.get(type(node), "")


# The symbols of the SDKs and of Python whose meaning the checks know without reading their sources.

BUILTINS = "builtins."
FUNCTION_TOOL = "agents.function_tool"
CONTEXTS = frozenset({"chatkit.agents.AgentContext", "runtime.RuntimeContext"})
CONVERTERS = frozenset({"chatkit.agents.ThreadItemConverter"})
STREAM_CONVERTERS = frozenset({"chatkit.agents.ResponseStreamConverter"})
STORES = frozenset({"chatkit.store.Store"})
MODELS = frozenset({"agents.Model"})
MCP_SERVERS = frozenset(f"agents.mcp.MCPServer{kind}" for kind in ("", "Stdio", "Sse", "StreamableHttp"))
ROUTERS = frozenset({"fastapi.APIRouter"})
WRAPPERS = frozenset({"agents.RunContextWrapper", "agents.ToolContext"})
CLASS_DECORATORS = frozenset(
    {
        "dataclasses.dataclass",
        "functools.total_ordering",
        "typing.final",
        "typing.runtime_checkable",
        "typing_extensions.final",
        "pydantic.dataclasses.dataclass",
    }
)
"""Decorators that return a class of the same kind."""
NO_INIT = frozenset({BUILTINS + "object", "abc.ABC", "typing.Generic"}) | CONVERTERS | MODELS
"""Classes without a constructor of their own, whose instances can't be called."""
PYDANTIC = CONTEXTS | {"pydantic.BaseModel"}
"""Classes whose constructor takes keywords only, and whose instances can't be called."""
AGENT = "agents.Agent"
_SDK = CONTEXTS | CONVERTERS | STREAM_CONVERTERS | STORES | MODELS | MCP_SERVERS | ROUTERS | {AGENT}

# Other modules from which each can be imported.
_ALIASES = {
    ("agents.agent", "Agent"): AGENT,
    ("pydantic.main", "BaseModel"): "pydantic.BaseModel",
    ("agents.tool", "function_tool"): FUNCTION_TOOL,
    ("agents.run_context", "RunContextWrapper"): "agents.RunContextWrapper",
    ("agents.tool_context", "ToolContext"): "agents.ToolContext",
    ("agents.models.interface", "Model"): "agents.Model",
    ("fastapi.routing", "APIRouter"): "fastapi.APIRouter",
    ("fastapi.applications", "FastAPI"): "fastapi.FastAPI",
    ("runtime.assemble.context", "RuntimeContext"): "runtime.RuntimeContext",
}
_INDEPENDENT = sys.stdlib_module_names | {"pydantic", "typing_extensions"}


def external_name(module: str, name: str) -> str:
    """Return the canonical name of a known symbol that several modules export; empty for any other symbol."""
    full = f"{module}.{name}"
    if full in _SDK | WRAPPERS | {FUNCTION_TOOL}:
        return full
    return _ALIASES.get((module, name), "")


def is_unrelated(symbol: str) -> bool:
    """Return whether a class surely derives from no wanted one: classes of Python, pydantic, and the SDKs do not."""
    return symbol in _SDK or symbol.partition(".")[0] in _INDEPENDENT
