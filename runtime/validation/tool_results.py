"""The shape of what a tool returns, where its Python says it: in literals, or in the type hint of a TypedDict.

A result that is built of literals has exactly their keys, as long as nothing in the project changes them.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field as dataclass_field

from runtime.config.model.tools import FactoryTool, PythonTool
from runtime.static_analysis.bindings import Function
from runtime.static_analysis.changes import changes_anything, last_name, may_change, stores
from runtime.static_analysis.instances import TYPED_DICTS
from runtime.static_analysis.module import Module, parse
from runtime.static_analysis.resolver import BUILTINS, Resolver, Symbol
from runtime.static_analysis.signatures import own_nodes, type_name, unquoted
from runtime.validation.checked_project import CheckedProject
from runtime.validation.identifier_search import IdentifierSearch
from runtime.validation.shapes import METHODS, TEXT, UNKNOWN, Shape, union_of

_MAX_DEPTH = 12
# Functions of Python that return some or all items of their first argument, and change none.
_SAME_LIST = frozenset(BUILTINS + name for name in ("list", "sorted", "reversed"))
_AN_ITEM = frozenset(BUILTINS + name for name in ("next", "min", "max"))


def shape_of_tool_result(project: CheckedProject, reference: str) -> Shape:
    """Return the shape of the result of a tool that an agent names by `reference`."""
    tool = project.config.tools.get(reference)
    if isinstance(tool, PythonTool | FactoryTool) and tool.guardrails.output:
        return UNKNOWN  # a guardrail may replace the result
    match tool:
        case PythonTool(python=import_path):
            symbol = project.find_symbol(import_path)
        case FactoryTool(factory=import_path):
            symbol = project.find_made_tool(import_path)
        case None if ":" in reference:
            symbol = project.find_symbol(reference)
        case _:
            return UNKNOWN
    if symbol is None or symbol.kind not in ("function", "tool") or symbol.decorated or symbol.module is None:
        return UNKNOWN
    options = [] if symbol.call is None else [keyword.arg or "guardrail" for keyword in symbol.call.keywords]
    if any("guardrail" in option for option in options):
        return UNKNOWN
    if not isinstance(symbol.node, ast.FunctionDef | ast.AsyncFunctionDef):
        return UNKNOWN
    return _Literals(project, symbol.module, symbol.node.name).returned_by(symbol.node)


@dataclass(slots=True)
class _Literals:
    """Evaluates expressions of one module, for a `function`, to shapes; `local` are those of the function's names."""

    project: CheckedProject
    module: Module
    function: str
    local: dict[str, Shape] = dataclass_field(default_factory=dict)
    depth: int = 0

    @property
    def resolver(self) -> Resolver:
        return self.project.resolver

    def returned_by(self, node: Function) -> Shape:
        """Return the union of what a function returns."""
        inside = list(own_nodes(node))
        returned = [each.value for each in inside if isinstance(each, ast.Return)]
        if any(isinstance(each, ast.Yield | ast.YieldFrom) for each in inside) or not returned:
            return UNKNOWN
        stored = {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)}
        names = stored | {each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)} | _defined(inside)
        self.local = dict.fromkeys(names, UNKNOWN)
        if not changes_anything(ast.walk(node)):
            self._assign(inside, list(ast.walk(node)))
        shape = union_of(map(self.value, returned))
        return shape if shape != UNKNOWN else self._hinted(node.returns)

    def _assign(self, inside: list[ast.AST], everything: list[ast.AST]) -> None:
        """Read the names that a function assigns once, and does not pass on."""
        for each in inside:
            match each:
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=value)
                    | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                ):
                    named = [node for node in everything if isinstance(node, ast.Name) and node.id == name]
                    if sum(map(stores, named)) == 1 and not may_change(everything, name):
                        self.local[name] = self.value(value)

    def value(self, node: ast.expr | None) -> Shape:
        """Return the shape of an expression; UNKNOWN where Python would have to be run."""
        self.depth += 1
        try:
            return UNKNOWN if self.depth > _MAX_DEPTH else self._value(node)
        finally:
            self.depth -= 1

    def _value(self, node: ast.expr | None) -> Shape:
        match node:
            case None:
                return TEXT
            case ast.Constant(value=value):
                return _of_constant(value)
            case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]) if start.strip()[:1] not in ("", "{", "["):
                return TEXT
            case ast.Dict(keys=keys, values=values):
                return self._of_entries([key.value if isinstance(key, ast.Constant) else None for key in keys], values)
            case ast.List(elts=items):
                is_plain = not any(isinstance(item, ast.Starred) for item in items)
                return list_of(union_of(map(self.value, items)) if items and is_plain else UNKNOWN)
            case ast.ListComp(elt=element, generators=[generator]):
                return list_of(self._element(element, generator))
            case ast.Name(id=name):
                return self.local[name] if name in self.local else self._constant(name)
            case ast.IfExp(body=body, orelse=other):
                return union_of((self.value(body), self.value(other)))
            case ast.BoolOp(op=ast.Or(), values=values):
                return union_of(map(self.value, values))
            case ast.Subscript(value=of, slice=ast.Slice()):
                return self.value(of)
            case ast.Subscript(value=of):
                return _any_part(self.value(of))
            case ast.Call():
                return self._called(node)
        return UNKNOWN

    def _of_entries(self, names: Iterable[object], values: Iterable[ast.expr]) -> Shape:
        fields = dict(zip(names, map(self.value, values), strict=True))
        if not all(isinstance(name, str) for name in fields):
            return UNKNOWN
        return Shape({str(name): shape for name, shape in fields.items()}, closed=True, methods=METHODS)

    def _element(self, element: ast.expr, generator: ast.comprehension) -> Shape:
        if not isinstance(generator.target, ast.Name):
            return UNKNOWN
        item = self.value(generator.iter).item or UNKNOWN
        inner = _Literals(
            self.project, self.module, self.function, {**self.local, generator.target.id: item}, self.depth
        )
        return inner.value(element)

    def _called(self, node: ast.Call) -> Shape:
        match node:
            case ast.Call(func=ast.Attribute(value=of, attr="get"), args=[_, *default], keywords=[]) if (
                len(default) < 2
            ):
                return union_of((_any_part(self.value(of)), self.value(default[0] if default else None)))
            case ast.Call(func=ast.Attribute(value=ast.Name(id="json"), attr="dumps"), args=[dumped, *_]):
                return self.value(dumped)
            case ast.Call(func=ast.Name(id=name)) if name in self.local:
                return UNKNOWN
        name = self.resolver.value(self.module, node.func).name
        if name == f"{BUILTINS}dict" and not node.args:
            return self._of_entries([each.arg for each in node.keywords], [each.value for each in node.keywords])
        if (name in _SAME_LIST and len(node.args) == 1) or (name == "json.dumps" and node.args):
            return self.value(node.args[0])
        if name in _AN_ITEM and len(node.args) in (1, 2):
            first, *default = node.args
            if isinstance(first, ast.GeneratorExp) and len(first.generators) == 1:
                item = self._element(first.elt, first.generators[0])
            else:
                item = self.value(first).item or UNKNOWN
            defaults = [*default, *(each.value for each in node.keywords if each.arg == "default")]
            return union_of((item, *map(self.value, defaults)))
        return UNKNOWN

    def _constant(self, name: str) -> Shape:
        """Return the shape of a name of the module that is assigned once and that nothing in the project changes."""
        module = self.module
        bound = module.names.bound.get(name, [])
        value = bound[0].node if len(bound) == 1 and bound[0].certain else None
        if not isinstance(value, ast.expr) or module.names.stars or module.implicit.dynamic:
            return UNKNOWN
        search = IdentifierSearch.of(self.project)
        texts = [search.python_with(word) for word in (name, self.function)]
        if None in texts or not _is_only_read({each for part in texts for each in part or ()}, name, self.function):
            return UNKNOWN
        return _Literals(self.project, module, self.function, {}, self.depth).value(value)

    def _hinted(self, written: ast.expr | None) -> Shape:
        """Return what a type hint declares: a TypedDict, or a list of one. Python does not check it."""
        hint = unquoted(written)
        if isinstance(hint, ast.Subscript) and type_name(self.resolver, self.module, hint.value) in ("list", "List"):
            item = self._hinted(hint.slice)
            return UNKNOWN if item == UNKNOWN else list_of(item)
        symbol = self.resolver.value(self.module, hint) if isinstance(hint, ast.Name | ast.Attribute) else None
        if symbol is None or symbol.kind != "class" or symbol.module is None or not _is_typed_dict(self, symbol):
            return UNKNOWN
        assert isinstance(symbol.node, ast.ClassDef)
        fields = [each for each in symbol.node.body if isinstance(each, ast.AnnAssign)]
        names = [each.target.id for each in fields if isinstance(each.target, ast.Name)]
        return Shape(dict.fromkeys(names, UNKNOWN), methods=METHODS)


def list_of(item: Shape) -> Shape:
    """Return the shape of a list of such items."""
    return Shape(closed=True, methods=frozenset(dir(list)), item=item)


def _of_constant(value: object) -> Shape:
    """Return the shape of a constant; a text may be JSON, which a script reads as data."""
    if not isinstance(value, str):
        return Shape(closed=True, methods=frozenset(dir(type(value))))
    try:
        json.loads(value)
    except ValueError:
        return TEXT if value.strip()[:1] not in ("{", "[") else UNKNOWN
    return UNKNOWN


def _any_part(shape: Shape) -> Shape:
    """Return the shape of a part that is chosen at run time: an item of a list, or a value of a dict."""
    if shape.item is not None:
        return shape.item
    return union_of(shape.fields.values()) if shape.closed and shape.fields else UNKNOWN


def _defined(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the names of the functions, classes and imports of a function."""
    names = {each.name for each in nodes if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    imports = [each for each in nodes if isinstance(each, ast.Import | ast.ImportFrom)]
    return names | {alias.asname or alias.name for each in imports for alias in each.names}


def _is_only_read(texts: Iterable[str], name: str, function: str) -> bool:
    """Return whether the files that mention a value set it once, and change neither the value nor a part of it."""
    count = 0
    for text in texts:
        tree = parse(text.encode(), "")
        nodes = list(ast.walk(tree)) if isinstance(tree, ast.Module) else []
        # `setattr(trails, "TRAILS", …)` replaces the value, too.
        is_named = any(isinstance(node, ast.Constant) and node.value == name for node in nodes)
        if not nodes or is_named or may_change(nodes, name, function):
            return False
        count += sum(stores(node) and last_name(node) == name for node in nodes)
    return count == 1


def _is_typed_dict(literals: _Literals, symbol: Symbol) -> bool:
    node, module = symbol.node, symbol.module
    if not isinstance(node, ast.ClassDef) or module is None or len(node.bases) != 1:
        return False
    return literals.resolver.value(module, node.bases[0]).name in TYPED_DICTS
