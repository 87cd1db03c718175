"""What else agents.yaml names in Python: held against what the real build, or the first call, accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from runtime.diagnostics.diagnostic import Severity
from runtime.static_analysis.calls import call_problem, count_words
from runtime.static_analysis.classes import derives, is_callable, parameters_of
from runtime.static_analysis.known_symbols import CONTEXTS, CONVERTERS, MCP_SERVERS, MODELS, ROUTERS, STORES
from runtime.static_analysis.resolver import Symbol
from runtime.validation.python.import_paths import Role, Use
from runtime.validation.python.report import Verdicts
from runtime.validation.python.tools import check_factory, check_maker, check_tool

Check = Callable[[Verdicts, Use, Symbol], None]


def check_object(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    """Report what is wrong with the thing that an import path leads to, for what it is there for."""
    _CHECKS[use.role](verdicts, use, symbol)


def _check_called(
    verdicts: Verdicts, use: Use, symbol: Symbol, wanted: str, given: int, called: str, severity: Severity = "error"
) -> None:
    """A function that is called with so many arguments."""
    if is_callable(verdicts.resolver, symbol) is False:
        verdicts.wrong_kind(use, symbol, wanted, called)
    elif (parameters := parameters_of(verdicts.resolver, symbol)) is not None and (
        reason := call_problem(parameters, given)
    ):
        verdicts.uncallable(use, symbol, reason, called, severity)


def _check_action(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    called = "an action's handler is called as `handler(ctx, action, sender)`"
    _check_called(verdicts, use, symbol, "a function", 3, called)


def _check_widget(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    called = "a widget's renderer is called as `render(data)`"
    # Found out when the widget is shown.
    _check_called(verdicts, use, symbol, "a function", 1, called, "warning")


def _check_title(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    called = "it is called as `write_title(text)`"
    # The thread goes on without a title.
    _check_called(verdicts, use, symbol, "a function", 1, called, "warning")


def _check_summary(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    called = "it is called as `summarise(context, earlier_summary, items_as_text)`"
    # The thread goes on without a summary.
    _check_called(verdicts, use, symbol, "a function of three arguments", 3, called, "warning")


def _check_context(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    _check_called(verdicts, use, symbol, "a function of the request", 1, "it is called as `build(request)`")


def _check_entry(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    _check_called(verdicts, use, symbol, "a function of the turn's context", 1, "it is called as `choose(context)`")


def _check_tags(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    what = {"python": "resolve(tag, context)", "search": "search(query, context)"}.get(
        str(use.path[-1]), "lookup(id, context)"
    )
    _check_called(verdicts, use, symbol, "a function of two arguments", 2, f"it is called as `{what}`")


def _check_approval(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    _check_called(verdicts, use, symbol, "a function", 2, "it is called as `needs_approval(ctx, args)`")


def _check_guardrail(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    # One of the SDK's is made by a decorator, and is no function any more.
    if symbol.kind == "function":
        _check_called(verdicts, use, symbol, "a function", 2, "it is called as `guardrail(ctx, text)`")


def _check_output(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    if symbol.kind in ("function", "literal", "module", "tool"):
        verdicts.wrong_kind(use, symbol, "a type", "give a pydantic model, a dataclass or a TypedDict")


def _check_dictation(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    _check_called(
        verdicts, use, symbol, "a function of two arguments", 2, "it is called as `transcribe(audio, context)`"
    )


def _check_enabled(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    _check_called(verdicts, use, symbol, "a function of the turn's context", 1, "it is called as `enabled(context)`")


def _check_on_handoff(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    _check_called(verdicts, use, symbol, "a function of two arguments", 2, "it is called as `on_handoff(ctx, data)`")


def _check_filter(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    _check_called(verdicts, use, symbol, "a function of HandoffInputData", 1, "it is called as `filter(data)`")


def _check_hooks(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    if symbol.kind in ("function", "literal", "module", "tool"):
        verdicts.wrong_kind(use, symbol, "an AgentHooks", "derive it from agents.AgentHooks")


def _check_instructions(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    wanted, called = "a string or a function", "instructions are called as `instructions(context, agent)`"
    if symbol.kind == "literal" and symbol.name == "str":
        return
    if is_callable(verdicts.resolver, symbol) is False:
        verdicts.wrong_kind(use, symbol, wanted, called)
    elif symbol.kind == "function" and (parameters := parameters_of(verdicts.resolver, symbol)) is not None:
        # The SDK counts the parameters, also those with a default.
        reason = (
            call_problem(parameters, 2) if len(parameters) == 2 else f"it takes {count_words(len(parameters))}, not 2"
        )
        if reason:
            is_entry = use.path[1] in verdicts.project.config.entry_agents
            verdicts.uncallable(use, symbol, reason, called, "error" if is_entry else "warning")


def _check_context_class(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    is_none = symbol.kind in ("function", "literal", "module", "tool")
    if is_none or derives(verdicts.resolver, symbol, CONTEXTS) is False:
        verdicts.wrong_kind(use, symbol, "a subclass of AgentContext", "derive it from runtime.RuntimeContext")


def _check_converter(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    is_none = symbol.kind in ("function", "literal", "module", "tool")
    if is_none or derives(verdicts.resolver, symbol, CONVERTERS) is False:
        verdicts.wrong_kind(use, symbol, "a ThreadItemConverter", "derive it from chatkit.agents.ThreadItemConverter")


def _check_route(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    is_none = symbol.kind in ("function", "class", "literal", "module", "tool")
    is_app = symbol.kind == "result" and symbol.name == "fastapi.FastAPI"
    if is_none or is_app or (symbol.kind == "instance" and derives(verdicts.resolver, symbol, ROUTERS) is False):
        verdicts.wrong_kind(use, symbol, "an APIRouter", "make one with fastapi.APIRouter() and name that")


def _check_state(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    # A bound method is kept as it is; functions and classes are called.
    if symbol.bound or symbol.kind not in ("function", "class"):
        return
    if (parameters := parameters_of(verdicts.resolver, symbol)) is not None and (reason := call_problem(parameters)):
        verdicts.uncallable(use, symbol, reason, "an object of `state` is made without arguments")


def _check_store(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    _check_made(verdicts, use, symbol, "a ChatKit Store", STORES)


def _check_model(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    _check_made(verdicts, use, symbol, "an agents.Model", MODELS)


def _check_shell(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    _check_called(verdicts, use, symbol, "a function of the request", 1, "it is called as `run(request)`")


def _check_editor(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    if symbol.kind == "function":
        verdicts.wrong_kind(use, symbol, "an agents.ApplyPatchEditor, nor its class")


def _check_mcp(verdicts: Verdicts, use: Use, symbol: Symbol) -> None:
    _check_made(verdicts, use, symbol, "an agents.mcp.MCPServer", MCP_SERVERS)


def _check_made(verdicts: Verdicts, use: Use, symbol: Symbol, wanted: str, roots: frozenset[str]) -> None:
    """An object of these classes, or what makes one when it is called with the arguments of `with`."""
    is_one, can_call = derives(verdicts.resolver, symbol, roots), is_callable(verdicts.resolver, symbol)
    if symbol.kind == "instance":
        wrong = is_one is False and can_call is False
    else:
        wrong = can_call is False or (symbol.kind == "class" and is_one is False)
    if wrong:
        verdicts.wrong_kind(use, symbol, f"{wanted}, nor a function that makes one")
    else:
        check_maker(verdicts, use, symbol, wanted)


_CHECKS: Mapping[Role, Check] = {
    "tool": check_tool,
    "factory": check_factory,
    "action": _check_action,
    "widget": _check_widget,
    "mcp": _check_mcp,
    "shell": _check_shell,
    "editor": _check_editor,
    "title": _check_title,
    "summary": _check_summary,
    "context": _check_context,
    "entry": _check_entry,
    "tags": _check_tags,
    "approval": _check_approval,
    "guardrail": _check_guardrail,
    "output": _check_output,
    "enabled": _check_enabled,
    "on_handoff": _check_on_handoff,
    "filter": _check_filter,
    "hooks": _check_hooks,
    "dictation": _check_dictation,
    "instructions": _check_instructions,
    "context_class": _check_context_class,
    "converter": _check_converter,
    "route": _check_route,
    "state": _check_state,
    "store": _check_store,
    "model": _check_model,
}
