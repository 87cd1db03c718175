"""Functions, classes and instances as the SDK and the runtime call them: parameters, type hints and base classes."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterable
from dataclasses import dataclass

from runtime.static_analysis.bindings import read_names
from runtime.static_analysis.module import Module
from runtime.static_analysis.resolver import (
    AGENT,
    BUILTINS,
    NO_INIT,
    PYDANTIC,
    WRAPPERS,
    Resolver,
    Symbol,
    defines_method,
    is_unrelated,
    literal_type,
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: `kind` is `positional`, `either`, `named`, `*` or `**`."""

    name: str
    kind: str
    node: ast.arg
    default: ast.expr | None = None

    @property
    def required(self) -> bool:
        """Whether a call must pass it."""
        return self.default is None and self.kind not in ("*", "**")


def parameters_in(arguments: ast.arguments) -> list[Parameter]:
    """Return the parameters of a function, in their order."""
    positional = [(argument, "positional") for argument in arguments.posonlyargs]
    positional += [(argument, "either") for argument in arguments.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    parameters = [
        Parameter(argument.arg, kind, argument, default)
        for (argument, kind), default in zip(positional, [*missing, *arguments.defaults], strict=True)
    ]
    if arguments.vararg:
        parameters.append(Parameter(arguments.vararg.arg, "*", arguments.vararg))
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        parameters.append(Parameter(argument.arg, "named", argument, default))
    if arguments.kwarg:
        parameters.append(Parameter(arguments.kwarg.arg, "**", arguments.kwarg))
    return parameters


def call_problem(parameters: Iterable[Parameter], given: int = 0) -> str:
    """Return why a call with `given` positional arguments fails; empty if it works."""
    parameters = list(parameters)
    places = [parameter for parameter in parameters if parameter.kind in ("positional", "either")]
    if given > len(places) and not any(parameter.kind == "*" for parameter in parameters):
        return f"it takes {count_words(len(places))}"
    wanted = next((each.name for each in parameters if each.required and each not in places[:given]), None)
    return "" if wanted is None else f"nothing is given for {wanted!r}"


def count_words(number: int) -> str:
    """Return a number of arguments in words."""
    return "no arguments" if not number else "one argument" if number == 1 else f"{number} arguments"


def unknown_names(parameters: Iterable[Parameter], names: Iterable[str]) -> list[str]:
    """Return the names that no parameter accepts as a keyword."""
    parameters = list(parameters)
    if any(parameter.kind == "**" for parameter in parameters):
        return []
    known = {parameter.name for parameter in parameters if parameter.kind in ("either", "named")}
    return [name for name in names if name not in known]


def missing_names(parameters: Iterable[Parameter], names: Iterable[str]) -> list[str]:
    """Return the required parameters that are not among the names."""
    given = set(names)
    return [
        parameter.name
        for parameter in parameters
        if parameter.required and (parameter.kind == "positional" or parameter.name not in given)
    ]


def describe_return(node: ast.AST) -> str:
    """Return what a function returns, in words, where that is clear: `a coroutine`, `nothing`, `str`; else empty."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return ""
    inside = list(own_nodes(node))
    yields = any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in inside)
    if isinstance(node, ast.AsyncFunctionDef):
        return "an async generator" if yields else "a coroutine"
    if yields:
        return "a generator"
    returns = [inner.value for inner in inside if isinstance(inner, ast.Return) and inner.value is not None]
    if not returns:
        return "nothing"
    kinds = {literal_type(value) for value in returns}
    return "" if "" in kinds else " or ".join(sorted(kinds))


def own_nodes(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterable[ast.AST]:
    """Yield the nodes of a function's body, without those of functions and classes inside it."""
    waiting: list[ast.AST] = list(node.body)
    while waiting:
        inner = waiting.pop()
        yield inner
        if not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting += ast.iter_child_nodes(inner)


# Classes and their instances.


def derives(resolver: Resolver, symbol: Symbol, roots: Container[str]) -> bool | None:
    """Return whether a class, or the class of an instance, is or derives from one of `roots`; None if unknown."""
    if symbol.kind == "external":
        return True if symbol.name in roots else False if is_unrelated(symbol.name) else None
    if symbol.kind not in ("class", "instance") or symbol.module is None or not isinstance(symbol.node, ast.ClassDef):
        return None
    # A class may also be registered with an abstract base class.
    if symbol.node.keywords or b".register(" in symbol.module.text:
        return None
    answers = [derives(resolver, base, roots) for base in resolver.bases(symbol.module, symbol.node)]
    return True if True in answers else None if None in answers else False


def is_callable(resolver: Resolver, symbol: Symbol) -> bool | None:
    """Return whether a symbol can be called; None if unknown."""
    if symbol.kind in ("function", "class"):
        return True
    if symbol.kind in ("literal", "module", "tool"):
        return False
    if symbol.kind == "instance" and symbol.module is not None and isinstance(symbol.node, ast.ClassDef):
        return defines_method(resolver, symbol.module, symbol.node, "__call__")
    return False if symbol.kind == "result" and symbol.name == AGENT else None


def parameters_of(resolver: Resolver, symbol: Symbol) -> list[Parameter] | None:
    """Return the parameters of a call of a function, class or instance; None if unknown."""
    node = symbol.node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and symbol.kind in ("function", "tool"):
        parameters = parameters_in(node.args)
        return parameters[1:] if symbol.bound and parameters and parameters[0].kind != "*" else parameters
    if symbol.module is None or not isinstance(node, ast.ClassDef):
        return None
    if symbol.kind == "class":
        return _constructor_parameters(resolver, symbol.module, node)
    return _method(node, "__call__") if symbol.kind == "instance" else None


def _constructor_parameters(resolver: Resolver, module: Module, node: ast.ClassDef) -> list[Parameter] | None:
    if node.keywords or "__new__" in read_names(node.body).bound:
        return None
    if node.decorator_list:
        return _fields(node)
    if "__init__" in read_names(node.body).bound:
        return _method(node, "__init__")
    inherited = [_inherited(resolver, base) for base in resolver.bases(module, node)]
    return None if None in inherited else next((parameters for parameters in inherited if parameters), [])


def _inherited(resolver: Resolver, base: Symbol) -> list[Parameter] | None:
    if base.kind == "class" and base.module is not None and isinstance(base.node, ast.ClassDef):
        return _constructor_parameters(resolver, base.module, base.node)
    if base.name in PYDANTIC:
        return [Parameter("data", "**", ast.arg("data"))]
    return [] if base.name in NO_INIT else None


def _method(node: ast.ClassDef, name: str) -> list[Parameter] | None:
    bound = read_names(node.body).bound.get(name, [])
    function = bound[0].node if len(bound) == 1 else None
    if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and not function.decorator_list:
        return parameters_in(function.args)[1:]
    return None


def _fields(node: ast.ClassDef) -> list[Parameter] | None:
    """Return the constructor parameters of a plain dataclass without bases and options; None for any other class."""
    decorator = node.decorator_list[0]
    name = decorator.func if isinstance(decorator, ast.Call) else decorator
    keywords = {keyword.arg for keyword in decorator.keywords} if isinstance(decorator, ast.Call) else set()
    is_dataclass = getattr(name, "attr", getattr(name, "id", "")) == "dataclass"
    names = read_names(node.body).bound
    if not is_dataclass or len(node.decorator_list) > 1 or node.bases or keywords - {"frozen", "slots", "eq"}:
        return None
    fields: list[Parameter] = []
    for statement in node.body:
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        # Only simple fields are supported: no field(init=False), ClassVar, ….
        if isinstance(statement.value, ast.Call) or not _is_simple(statement.annotation):
            return None
        argument = ast.arg(statement.target.id, lineno=statement.lineno, col_offset=statement.col_offset)
        fields.append(Parameter(argument.arg, "either", argument, statement.value))
    return None if "__init__" in names else fields


def _is_simple(annotation: ast.expr) -> bool:
    words = {getattr(node, "id", getattr(node, "attr", "")) for node in ast.walk(annotation)}
    quoted = any(isinstance(node, ast.Constant) and isinstance(node.value, str) for node in ast.walk(annotation))
    return not quoted and not words & {"ClassVar", "InitVar", "KW_ONLY"}


# The meaning of a tool's type hints for its schema, and for the SDK, which passes the context.

_TYPING = ("typing.", "collections.", "collections.abc.", "typing_extensions.", BUILTINS)
_DICTS = {"dict", "Dict", "Mapping", "MutableMapping", "OrderedDict", "Counter", "DefaultDict", "defaultdict"}
_ANY = {"Any", "object"}
_LISTS = {"list", "List", "set", "Set", "frozenset", "Sequence", "Iterable", "Optional", "Union"}


def takes_context(resolver: Resolver, module: Module, parameter: Parameter) -> bool | None:
    """Return whether the SDK passes the run's context as this parameter; None if unknown."""
    hint = unquoted(parameter.node.annotation)
    if hint is None:
        return False
    if isinstance(hint, ast.Subscript):
        if type_name(resolver, module, hint.value) == "Annotated":
            return None
        hint = hint.value
    symbol = resolver.value(module, hint)
    if symbol.kind == "external":
        return symbol.name in WRAPPERS or (None if symbol.name.startswith("agents.") else False)
    return False if symbol.kind in ("class", "literal") or isinstance(hint, ast.BinOp) else None


def own_parameters(resolver: Resolver, symbol: Symbol, parameters: list[Parameter]) -> tuple[list[Parameter], bool]:
    """Return the parameters that the model fills, all but the context, and whether that is certain."""
    if not parameters or symbol.module is None:
        return parameters, True
    first = takes_context(resolver, symbol.module, parameters[0])
    return parameters[1:] if first is not False else parameters, first is not None


def free_form(resolver: Resolver, module: Module, parameter: Parameter) -> str:
    """Return the part of a hint that accepts any keys or any value, `dict` or `Any`; empty if there is none."""
    if isinstance(parameter.default, ast.Call):
        return ""  # a Field() may say more than the hint
    return _free_form(resolver, module, parameter.node.annotation)


def _free_form(resolver: Resolver, module: Module, written: ast.expr | None) -> str:
    hint = unquoted(written)
    match hint:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _worst(_free_form(resolver, module, part) for part in (left, right))
        case ast.Subscript(value=outer, slice=inner):
            name = type_name(resolver, module, outer)
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            if name == "Annotated":
                # A call or a name in the annotations may change the schema.
                changed = any(isinstance(node, ast.Call | ast.Name | ast.Attribute) for node in parts[1:])
                return "" if changed else _free_form(resolver, module, parts[0])
            if name in _LISTS:
                return _worst(_free_form(resolver, module, part) for part in parts)
            return "dict" if name in _DICTS else ""
        case ast.Name() | ast.Attribute():
            name = type_name(resolver, module, hint)
            return "dict" if name in _DICTS - {"defaultdict", "DefaultDict"} else "Any" if name in _ANY else ""
    return ""


def _worst(parts: Iterable[str]) -> str:
    kinds = set(parts)
    return "dict" if "dict" in kinds else "Any" if "Any" in kinds else ""


def may_rename(resolver: Resolver, module: Module, parameter: Parameter) -> bool:
    """Return whether the schema may have another name for a parameter: a Field() has an `alias`."""
    hint = unquoted(parameter.node.annotation)
    nodes = [node for root in (hint, parameter.default) if root is not None for node in ast.walk(root)]
    if any(isinstance(node, ast.Call) for node in nodes):
        return True
    known = {"class", "external", "literal", "module"}
    names = [node for node in nodes if isinstance(node, ast.Name)]
    return any(resolver.value(module, name).kind not in known for name in names)


def type_name(resolver: Resolver, module: Module, node: ast.expr) -> str:
    """Return the name of a type of the standard library, however it is imported; empty for anything else."""
    symbol = resolver.value(module, node) if isinstance(node, ast.Name | ast.Attribute) else None
    if symbol is None or symbol.kind != "external":
        return ""
    prefix, _, name = symbol.name.rpartition(".")
    return name if f"{prefix}." in _TYPING else ""


def unquoted(hint: ast.expr | None) -> ast.expr | None:
    """Return a type hint without quotes; None for none, or for quotes around something else."""
    if isinstance(hint, ast.Constant) and isinstance(hint.value, str):
        try:
            return ast.parse(hint.value.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
    return hint
