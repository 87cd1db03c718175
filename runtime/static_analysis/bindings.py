"""The names that the statements of a module or class bind: in any branch, `try` or loop of its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

Function = ast.FunctionDef | ast.AsyncFunctionDef
_NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


@dataclass(frozen=True, slots=True)
class Imported:
    """The target of an import: a module by its full name, and a name in it unless the module itself is imported."""

    module: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """One statement that binds a name to a `node` or import `target`, where known; `certain` if it runs in any case."""

    node: ast.AST | None = None
    certain: bool = True
    target: Imported | None = None


@dataclass(slots=True)
class NameTable:
    """The names that statements bind, each with its bindings in order; `stars` are the modules of `import *`."""

    bound: dict[str, list[Binding]] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)


def read_names(body: list[ast.stmt], package: str = "") -> NameTable:
    """Collect the names that statements bind; relative imports start from `package`."""
    names = NameTable()
    for statement, certain in iter_statements(body):
        for name, binding in _bindings(statement, certain, package):
            if name == "*" and binding.target is not None:
                names.stars.append(binding.target.module)
            else:
                names.bound.setdefault(name, []).append(binding)
    return names


def iter_statements(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, bool]]:
    """Yield each statement that an import of the body runs, in order, and whether it runs unconditionally."""
    # Not recursive: a chain of `elif` may be longer than Python's stack.
    waiting: list[tuple[ast.stmt, bool]] = [(statement, True) for statement in reversed(body)]
    while waiting:
        statement, certain = waiting.pop()
        yield statement, certain
        if not isinstance(statement, _NESTED):
            inner = [child for block in _blocks(statement) for child in block]
            waiting += [(child, False) for child in reversed(inner)]


def _blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    # An import does not run the blocks of `if TYPE_CHECKING` and `if __name__ == "__main__"`.
    if isinstance(statement, ast.If) and _never_runs(statement.test):
        yield statement.orelse
        return
    for name in ("body", "orelse", "finalbody"):
        yield getattr(statement, name, [])
    for handler in getattr(statement, "handlers", []):
        yield handler.body
    for case in getattr(statement, "cases", []):
        yield case.body


def _never_runs(test: ast.expr) -> bool:
    if isinstance(test, ast.Compare):
        return (
            isinstance(test.left, ast.Name)
            and test.left.id == "__name__"
            and isinstance(test.ops[0], ast.Eq)
            and isinstance(test.comparators[0], ast.Constant)
            and test.comparators[0].value == "__main__"
        )
    name = test.attr if isinstance(test, ast.Attribute) else test.id if isinstance(test, ast.Name) else ""
    return name == "TYPE_CHECKING"


def _bindings(statement: ast.stmt, certain: bool, package: str) -> Iterator[tuple[str, Binding]]:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield statement.name, Binding(statement, certain)
        case ast.Assign():
            for target in statement.targets:
                yield from _assigned(target, statement.value, certain)
        case ast.AnnAssign(value=ast.expr() as value):
            yield from _assigned(statement.target, value, certain)
        case ast.Import():
            yield from _imports(statement, certain)
        case ast.ImportFrom():
            yield from _from_imports(statement, certain, package)
        case _:
            for name in _other_names(statement):
                yield name, Binding(certain=False)


def _assigned(target: ast.expr, value: ast.expr, certain: bool) -> Iterator[tuple[str, Binding]]:
    if isinstance(target, ast.Name):
        yield target.id, Binding(value, certain)
    else:
        for name in _stored(target):
            yield name, Binding(certain=certain)


def _imports(statement: ast.Import, certain: bool) -> Iterator[tuple[str, Binding]]:
    for alias in statement.names:
        module = alias.name if alias.asname else alias.name.partition(".")[0]
        yield alias.asname or module, Binding(None, certain, Imported(module))


def _from_imports(statement: ast.ImportFrom, certain: bool, package: str) -> Iterator[tuple[str, Binding]]:
    module = absolute_name(statement, package)
    for alias in statement.names:
        target = None if module is None else Imported(module, alias.name)
        yield alias.asname or alias.name, Binding(None, certain, target)


def absolute_name(statement: ast.ImportFrom, package: str) -> str | None:
    """Return the full name of the module of a `from` import; None if it has more dots than parent packages."""
    if not statement.level:
        return statement.module or ""
    parts = package.split(".") if package else []
    if statement.level > len(parts):
        return None
    parts = parts[: len(parts) - statement.level + 1]
    return ".".join([*parts, statement.module] if statement.module else parts)


def _other_names(statement: ast.stmt) -> Iterable[str]:
    match statement:
        case ast.AugAssign() | ast.For() | ast.AsyncFor():
            return _stored(statement.target)
        case ast.With() | ast.AsyncWith():
            return [name for item in statement.items if item.optional_vars for name in _stored(item.optional_vars)]
        case ast.Try() | ast.TryStar():
            return [handler.name for handler in statement.handlers if handler.name]
        case ast.Match():
            return [name for case in statement.cases for name in _captured(case.pattern)]
        case ast.Delete():
            return [target.id for target in statement.targets if isinstance(target, ast.Name)]
    # `type X = …`, from Python 3.12 on.
    alias = getattr(statement, "name", None)
    return [alias.id] if isinstance(alias, ast.Name) else []


def _stored(target: ast.expr) -> list[str]:
    return [
        node.id for node in ast.walk(target) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del)
    ]


def _captured(pattern: ast.pattern) -> Iterator[str]:
    for node in ast.walk(pattern):
        name = getattr(node, "rest", None) if isinstance(node, ast.MatchMapping) else getattr(node, "name", None)
        if isinstance(name, str):
            yield name


def iter_expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    """Yield every expression that a statement itself evaluates, without its blocks and the bodies of functions."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.expr):
            yield node
        if isinstance(node, ast.Lambda):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
            continue
        inner = [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt | ast.ExceptHandler)]
        waiting += reversed(inner)


@dataclass(slots=True)
class ImplicitBindings:
    """Bindings without a statement: `names` by `global` and `:=`, `attributes` that are set on any object.

    `dynamic` is the reason why the module may bind any name, such as `calls globals()`; `sets_any` means that it may
    bind names of other modules, `sets_self` that objects get attributes by computed names.
    """

    names: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    dynamic: str = ""
    sets_any: bool = False
    sets_self: bool = False


def read_implicit(tree: ast.Module) -> ImplicitBindings:
    """Collect the bindings without a statement, from every node."""
    implicit = ImplicitBindings()
    for node in ast.walk(tree):
        match node:
            case ast.Global():
                implicit.names.update(node.names)
            case ast.NamedExpr():
                implicit.names.add(node.target.id)
            case ast.Attribute(ctx=ast.Store()):
                implicit.attributes.add(node.attr)
            case ast.Attribute(value=ast.Name(id="sys"), attr="modules"):
                implicit.dynamic = implicit.dynamic or "changes sys.modules"
                implicit.sets_any = True
            case (
                ast.Call(func=ast.Name(id="exec" | "globals" as name))
                | ast.Call(func=ast.Name(id="vars" as name), args=[])
            ):
                implicit.dynamic = implicit.dynamic or f"calls {name}()"
            case ast.Call(func=ast.Name(id="setattr"), args=[_, ast.Constant(value=str() as attribute), *_]):
                implicit.attributes.add(attribute)
            case ast.Call(func=ast.Name(id="setattr"), args=[subject, *_]):
                implicit.sets_self = True
                if not _is_self(subject):
                    implicit.dynamic = implicit.dynamic or "calls setattr()"
            case ast.Attribute(attr="__dict__"):
                implicit.sets_self = True
            case ast.ImportFrom(module="sys", names=names) if any(alias.name == "modules" for alias in names):
                implicit.dynamic = implicit.dynamic or "changes sys.modules"
                implicit.sets_any = True
    return implicit


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")
