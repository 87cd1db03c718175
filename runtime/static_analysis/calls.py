"""Whether a function, given its source, can be called with the arguments of the runtime."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass


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
    inside = list(_own_nodes(node))
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


def _own_nodes(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterable[ast.AST]:
    waiting: list[ast.AST] = list(node.body)
    while waiting:
        inner = waiting.pop()
        yield inner
        if not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting += ast.iter_child_nodes(inner)
