"""Python tools: what the build, the SDK or the model's API rejects."""

from __future__ import annotations

import ast
import re

from runtime.config.model.types import TOOL_NAME_PATTERN
from runtime.diagnostics.wording import quote, suggest
from runtime.static_analysis.resolver import AGENT, ROUTERS, Symbol
from runtime.static_analysis.signatures import (
    Parameter,
    describe_return,
    free_form,
    is_callable,
    may_rename,
    missing_names,
    own_parameters,
    parameters_of,
    takes_context,
    unknown_names,
)
from runtime.validation.python.import_paths import ImportPath, PythonDiagnostics, describe
from runtime.validation.python.type_hints import expected_instead

_NAME = re.compile(TOOL_NAME_PATTERN.removesuffix("$") + r"\Z")
_A_TOOL = "give a @function_tool, a function with type hints, or any Tool of the Agents SDK"
_TYPE_HINT = "write one: the tool's schema needs it"
_METHOD = "a method needs its object: name one of the module, as in module:object.method"


def check_tool(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> None:
    """Report faults of a tool or function that agents.yaml names."""
    if symbol.kind == "result" and symbol.name == AGENT:
        diagnostics.wrong_kind(path, symbol, "a tool", "write {agent: …} for an agent that is declared in agents.yaml")
    elif _is_no_tool(diagnostics, symbol):
        diagnostics.wrong_kind(path, symbol, "a tool", _A_TOOL)
    elif symbol.kind == "function":
        _check_function(diagnostics, path, symbol)
    elif symbol.kind == "tool":
        _check_name(diagnostics, path, symbol)
        if not symbol.decorated:
            _check_bound(diagnostics, path, symbol, parameters_of(diagnostics.resolver, symbol))


def _is_no_tool(diagnostics: PythonDiagnostics, symbol: Symbol) -> bool:
    if symbol.kind == "result":
        return symbol.name in ROUTERS
    if symbol.kind == "instance":
        return is_callable(diagnostics.resolver, symbol) is False
    return symbol.kind in ("literal", "module", "class")


def _check_function(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> None:
    parameters = parameters_of(diagnostics.resolver, symbol)
    module = symbol.module
    if parameters is None or module is None:
        return
    unhinted = [parameter for parameter in parameters if parameter.node.annotation is None]
    for parameter in unhinted:
        message = f"parameter {parameter.name!r} of {path.attributes[-1]!r} has no type hint"
        hint = _METHOD if parameter.name == "self" and parameter is parameters[0] else _TYPE_HINT
        diagnostics.at_node(path, "A323", module, parameter.node, message, hint)
    _check_name(diagnostics, path, symbol)
    if not unhinted:
        check_context_first(diagnostics, path, symbol, parameters)
        _check_schema(diagnostics, path, symbol, parameters)
        _check_bound(diagnostics, path, symbol, parameters)


def check_context_first(
    diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol, parameters: list[Parameter]
) -> None:
    """Report a context that is not the first parameter: the SDK rejects it."""
    assert symbol.module is not None
    for parameter in parameters[1:]:
        if takes_context(diagnostics.resolver, symbol.module, parameter):
            message = f"the context {parameter.name!r} is not the first parameter"
            hint = "the SDK passes it as the first argument only"
            diagnostics.at_node(path, "A331", symbol.module, parameter.node, message, hint)


def _check_schema(
    diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol, parameters: list[Parameter]
) -> None:
    assert symbol.module is not None
    asked, _ = own_parameters(diagnostics.resolver, symbol, parameters)
    for parameter in asked:
        kind = "dict" if parameter.kind == "**" else free_form(diagnostics.resolver, symbol.module, parameter)
        if kind == "dict":
            message = f"{parameter.name!r} accepts any keys, so the tool has no strict schema"
            hint = "with a TypedDict or pydantic model, the model sends only declared keys"
            diagnostics.at_node(path, "A326", symbol.module, parameter.node, message, hint, "note")
        elif kind == "Any":
            message = f"{parameter.name!r} accepts anything, which OpenAI rejects in a strict schema"
            diagnostics.at_node(path, "A326", symbol.module, parameter.node, message, "declare its type", "warning")


def _check_name(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> None:
    name = own_name(symbol)
    if path.declared is None and name and not _NAME.match(name):
        hint = "declare it in 'tools': the key becomes its name; 1 to 64 letters, digits, '_' and '-'"
        diagnostics.at_path(path, "A328", f"the models reject a tool named {name!r}", hint, "warning")


def own_name(symbol: Symbol) -> str:
    """Return the name of a function or tool; empty if static analysis does not know it."""
    options = options_of(symbol)
    if options is None:
        return ""
    match options.get("name_override"):
        case None | ast.Constant(value=None | ""):
            return getattr(symbol.node, "name", "<lambda>" if isinstance(symbol.node, ast.Lambda) else "")
        case ast.Constant(value=str() as name):
            return name
    return ""


def options_of(symbol: Symbol) -> dict[str, ast.expr] | None:
    """Return the options of a @function_tool; None if static analysis does not know them."""
    options = {} if symbol.call is None else {keyword.arg: keyword.value for keyword in symbol.call.keywords}
    return None if None in options else {name: value for name, value in options.items() if name is not None}


def _check_bound(
    diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol, parameters: list[Parameter] | None
) -> None:
    module = symbol.module
    if not path.arguments or parameters is None or module is None:
        return
    asked, sure = own_parameters(diagnostics.resolver, symbol, parameters)
    if any(may_rename(diagnostics.resolver, module, parameter) for parameter in (asked if sure else parameters)):
        return
    known = [parameter.name for parameter in asked]
    doubtful = [] if sure else [parameters[0].name]
    for name in path.arguments:
        if name not in known and name not in doubtful:
            message = f"the tool {path.declared!r} has no argument {name!r}"
            diagnostics.at_argument(path, name, message, suggest(name, known) or _has(known))
    for parameter in asked if sure else ():
        value, hint = path.arguments.get(parameter.name), parameter.node.annotation
        if value is not None and (expected := expected_instead(diagnostics.resolver, module, hint, value)):
            message = f"expected {expected} for {parameter.name!r}, which the type hint of {path.declared!r} says"
            diagnostics.at_argument(path, parameter.name, message, severity="warning")


def _has(names: list[str]) -> str:
    return f"it has {', '.join(quote(names)) or 'none'}"


def check_factory(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> None:
    """Report faults of a function that is called once, with the arguments of `with`, and returns the tool."""
    if is_callable(diagnostics.resolver, symbol) is False:
        diagnostics.wrong_kind(path, symbol, "a function that returns a tool")
    else:
        check_maker(diagnostics, path, symbol, "a tool")


def check_maker(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol, wanted: str) -> None:
    """Report a function that does not accept the arguments of `with`, or returns something else than `wanted`."""
    parameters = parameters_of(diagnostics.resolver, symbol)
    if parameters is None:
        return
    unknown = _check_unknown(diagnostics, path, parameters)
    missing = missing_names(parameters, path.arguments)
    if missing and not unknown:
        message = f"{path.text!r} does not match its call: missing argument {missing[0]!r}"
        diagnostics.at_path(path, "A331", message, _add_to_with(path))
    if symbol.kind == "function" and symbol.node is not None and (what := describe_return(symbol.node)):
        message = f"{path.text!r} returns {what}, not {wanted}"
        diagnostics.at_path(path, "A324", message, "return one from a plain function")


def check_arguments(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> None:
    """Report a class or function that does not accept the arguments of `with`; the object that it makes is not held."""
    parameters = parameters_of(diagnostics.resolver, symbol)
    if parameters is None or _check_unknown(diagnostics, path, parameters):
        return
    if missing := missing_names(parameters, path.arguments):
        diagnostics.uncallable(path, symbol, f"nothing is given for {missing[0]!r}", _add_to_with(path))


def check_no_arguments(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> None:
    """Report `with` for an object, which is not called."""
    if path.arguments:
        message = f"{path.text!r} is {describe(symbol)} and takes no arguments"
        diagnostics.at_argument(path, next(iter(path.arguments)), message, "name its class, or remove 'with'")


def _check_unknown(diagnostics: PythonDiagnostics, path: ImportPath, parameters: list[Parameter]) -> list[str]:
    """Report the arguments of `with` that a call does not accept; return their names."""
    known = [parameter.name for parameter in parameters if parameter.kind in ("either", "named")]
    unknown = unknown_names(parameters, path.arguments)
    for name in unknown:
        message = f"{path.text!r} has no argument {name!r}"
        diagnostics.at_argument(path, name, message, suggest(name, known) or _has(known))
    return unknown


def _add_to_with(path: ImportPath) -> str:
    return f"add it to 'with', which has {', '.join(quote(path.arguments)) or 'nothing'}"
