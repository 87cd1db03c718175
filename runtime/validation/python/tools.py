"""The tools that are Python: what of them the real build, the SDK or the model refuses."""

from __future__ import annotations

import ast
import re

from runtime.config.model.types import TOOL_NAME_PATTERN
from runtime.diagnostics.wording import quote, suggest
from runtime.static_analysis.calls import Parameter, describe_return, missing_names, unknown_names
from runtime.static_analysis.classes import is_callable, parameters_of
from runtime.static_analysis.hints import free_form, may_rename, own_parameters, takes_context
from runtime.static_analysis.known_symbols import AGENT, ROUTERS
from runtime.static_analysis.resolver import Symbol
from runtime.validation.python.import_paths import Use
from runtime.validation.python.report import Verdicts

_NAME = re.compile(TOOL_NAME_PATTERN.removesuffix("$") + r"\Z")
_A_TOOL = "give a @function_tool, a function with type hints, or any Tool of the Agents SDK"
_TYPE_HINT = "write one: the model is told of it"
_METHOD = "a method needs its object: name one that the module holds, as in module:object.method"


def check_tool(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    """Report what is wrong with a tool or function that agents.yaml names."""
    if symbol.kind == "result" and symbol.name == AGENT:
        verdicts.wrong_kind(use, symbol, "a tool", "write {agent: …} for an agent that is declared in agents.yaml")
    elif _is_no_tool(verdicts, symbol):
        verdicts.wrong_kind(use, symbol, "a tool", _A_TOOL)
    elif symbol.kind == "function":
        _check_function(verdicts, use, symbol)
    elif symbol.kind == "tool":
        _check_name(verdicts, use, symbol)
        if not symbol.decorated:
            _check_bound(verdicts, use, symbol, parameters_of(verdicts.resolver, symbol))


def _is_no_tool(verdicts: Verdicts, symbol: Symbol) -> bool:
    if symbol.kind == "result":
        return symbol.name in ROUTERS
    if symbol.kind == "instance":
        return is_callable(verdicts.resolver, symbol) is False
    return symbol.kind in ("literal", "module", "class")


def _check_function(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    """A plain function, which the build makes a tool of."""
    parameters = parameters_of(verdicts.resolver, symbol)
    module = symbol.module
    if parameters is None or module is None:
        return
    unhinted = [parameter for parameter in parameters if parameter.node.annotation is None]
    for parameter in unhinted:
        message = f"parameter {parameter.name!r} of {use.attributes[-1]!r} has no type hint"
        hint = _METHOD if parameter.name == "self" and parameter is parameters[0] else _TYPE_HINT
        verdicts.at_node(use, "A323", module, parameter.node, message, hint)
    _check_name(verdicts, use, symbol)
    if not unhinted:
        check_context_first(verdicts, use, symbol, parameters)
        _check_schema(verdicts, use, symbol, parameters)
        _check_bound(verdicts, use, symbol, parameters)


def check_context_first(verdicts: Verdicts, use: Use, symbol: Symbol, parameters: list[Parameter]) -> None:
    """Report a context that is not the first parameter: the SDK refuses it."""
    assert symbol.module is not None
    for parameter in parameters[1:]:
        if takes_context(verdicts.resolver, symbol.module, parameter):
            message = f"the context {parameter.name!r} is not the first parameter"
            verdicts.at_node(
                use, "A331", symbol.module, parameter.node, message, "the SDK gives it to the first one only"
            )


def _check_schema(verdicts: Verdicts, use: Use, symbol: Symbol, parameters: list[Parameter]) -> None:
    assert symbol.module is not None
    asked, _ = own_parameters(verdicts.resolver, symbol, parameters)
    for parameter in asked:
        kind = "dict" if parameter.kind == "**" else free_form(verdicts.resolver, symbol.module, parameter)
        if kind == "dict":
            message = f"{parameter.name!r} takes any keys, so the tool has no strict schema"
            hint = "a TypedDict or pydantic model says which keys there are, and the model keeps to them"
            verdicts.at_node(use, "A326", symbol.module, parameter.node, message, hint, "note")
        elif kind == "Any":
            message = f"{parameter.name!r} takes anything, which OpenAI refuses in a strict schema"
            verdicts.at_node(use, "A326", symbol.module, parameter.node, message, "say which type it is", "warning")


def _check_name(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    """The name that the tool brings along: a declared tool has the one of its key."""
    name = own_name(symbol)
    if use.declared is None and name and not _NAME.match(name):
        hint = "declare it in 'tools': the key becomes its name; 1 to 64 letters, digits, '_' and '-'"
        verdicts.at_path(use, "A328", f"the models refuse a tool that is named {name!r}", hint, "warning")


def own_name(symbol: Symbol) -> str:
    """Return the name that a function or tool brings along; empty where it can't be read."""
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
    """Return the options that a @function_tool is made with; None where they can't be read."""
    found = {} if symbol.call is None else {keyword.arg: keyword.value for keyword in symbol.call.keywords}
    return None if None in found else {name: value for name, value in found.items() if name is not None}


def _check_bound(verdicts: Verdicts, use: Use, symbol: Symbol, parameters: list[Parameter] | None) -> None:
    """Hold the arguments of `with` against those that the tool has."""
    module = symbol.module
    if not use.arguments or parameters is None or module is None:
        return
    asked, sure = own_parameters(verdicts.resolver, symbol, parameters)
    if any(may_rename(verdicts.resolver, module, parameter) for parameter in (asked if sure else parameters)):
        return
    known = [parameter.name for parameter in asked]
    doubtful = [] if sure else [parameters[0].name]
    for name in use.arguments:
        if name not in known and name not in doubtful:
            message = f"the tool {use.declared!r} has no argument {name!r}"
            verdicts.at_argument(use, name, message, suggest(name, known) or _has(known))


def _has(names: list[str]) -> str:
    return f"it has {', '.join(quote(names)) or 'none'}"


def check_factory(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    """Report what is wrong with a function that is called once, with `with`, and gives the tool."""
    if is_callable(verdicts.resolver, symbol) is False:
        verdicts.wrong_kind(use, symbol, "a function that makes a tool")
    else:
        check_maker(verdicts, use, symbol, "a tool")


def check_maker(verdicts: Verdicts, use: Use, symbol: Symbol, wanted: str) -> None:
    """Report a function that can't be called with the arguments of `with`, or gives something else than is wanted."""
    parameters = parameters_of(verdicts.resolver, symbol)
    if parameters is None:
        return
    known = [parameter.name for parameter in parameters if parameter.kind in ("either", "named")]
    unknown = unknown_names(parameters, use.arguments)
    for name in unknown:
        message = f"{use.text!r} has no argument {name!r}"
        verdicts.at_argument(use, name, message, suggest(name, known) or _has(known))
    missing = missing_names(parameters, use.arguments)
    if missing and not unknown:
        message = f"{use.text!r} can't be called as it will be: nothing is given for {missing[0]!r}"
        verdicts.at_path(use, "A331", message, f"add it to 'with'; all it gets is {_given(use)}")
    if symbol.kind == "function" and symbol.node is not None and (what := describe_return(symbol.node)):
        verdicts.gives(use, what, wanted, "return one from a plain function")


def _given(use: Use) -> str:
    return ", ".join(quote(use.arguments)) or "nothing"
