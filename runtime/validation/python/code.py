"""The Python that agents.yaml names, checked by static analysis: no module of the project is imported."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import replace

from runtime.config.references import ANOTHER_NAME, agents_of_one_name
from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.wording import nearest
from runtime.static_analysis.bindings import Function
from runtime.static_analysis.factories import made_tool
from runtime.static_analysis.instances import required_fields
from runtime.static_analysis.receivers import CONTEXT_ATTRIBUTES
from runtime.static_analysis.resolver import (
    AGENT,
    CONTEXTS,
    CONVERTERS,
    MCP_SERVERS,
    MODELS,
    ROUTERS,
    STORES,
    STREAM_CONVERTERS,
    Symbol,
)
from runtime.static_analysis.signatures import call_problem, count_words, derives, is_callable, parameters_of
from runtime.validation.checked_project import CheckedProject
from runtime.validation.python.context_reads import check_context_reads
from runtime.validation.python.hidden_packages import find_hidden_packages
from runtime.validation.python.import_paths import ImportPath, PythonDiagnostics, import_paths
from runtime.validation.python.imports import (
    check_computed_imports,
    check_import,
    check_module,
    check_starts,
    check_tools_made,
    follow,
    reached,
)
from runtime.validation.python.literal_trees import check_returned_trees
from runtime.validation.python.tools import (
    check_arguments,
    check_factory,
    check_maker,
    check_no_arguments,
    check_tool,
)


def check_code(project: CheckedProject) -> None:
    """Report faults of the import paths of agents.yaml, and of the code that they name."""
    paths = import_paths(project)
    diagnostics = PythonDiagnostics(project)
    for path in paths:
        check_module(diagnostics, path)
    modules_named = {path.module for path in paths}
    # The module of an unused model is not imported: the other paths come first.
    modules = list(reached(diagnostics, sorted(paths, key=lambda path: path.severity)))
    for module, path in modules:
        check_import(diagnostics, module, path)
        check_tools_made(diagnostics, module, path)
        check_starts(diagnostics, module, path)
        if module.name in modules_named:
            check_computed_imports(diagnostics, module, path)
    named: dict[ast.AST, list[ImportPath]] = {}
    own_agents: dict[str, tuple[ImportPath, Symbol]] = {}
    for path in paths:
        symbol = follow(diagnostics, path)
        if symbol is not None:
            _check_object(diagnostics, path, symbol)
            if symbol.node is not None:
                named.setdefault(symbol.node, []).append(path)
            made = made_tool(diagnostics.resolver, symbol) if path.role == "factory" else None
            if made is not None and made.node is not None:
                named.setdefault(made.node, [])
            if path.role == "agent":
                own_agents[str(path.key_path[1])] = path, symbol
            if path.role == "widget" and symbol.module is not None and isinstance(symbol.node, Function):
                check_returned_trees(diagnostics, symbol.module, path, symbol.node)
    _check_agent_names(diagnostics, own_agents)
    collector = diagnostics.project.collector
    root = diagnostics.resolver.modules.finder.root
    collector.diagnostics.extend(find_hidden_packages(root, collector.filled.source.file, diagnostics.failing))
    for module, path in modules:
        check_context_reads(diagnostics, module, path, named)


# How the function of a role is called: what is expected, the number of arguments, the call, and the severity.
# A warning is for a failure that leaves the rest of the turn working.
_CALLS: Mapping[str, tuple[str, int, str, Severity]] = {
    "widget": ("a function", 1, "a widget's renderer is called as `render(data)`", "warning"),
    "shell": ("a function of the request", 1, "it is called as `run(request)`", "error"),
    "title": ("a function", 1, "it is called as `write_title(text)`", "warning"),
    "summary": (
        "a function of three arguments",
        3,
        "it is called as `summarise(context, earlier_summary, items_as_text)`",
        "warning",
    ),
    "context": ("a function of the request", 1, "it is called as `build(request)`", "error"),
    "auth": ("a function of the request", 1, "it is called as `user(request)`", "error"),
    "entry": ("a function of the turn's context", 1, "it is called as `choose(context)`", "error"),
    "approval": ("a function", 2, "it is called as `needs_approval(ctx, args)`", "error"),
    "feedback": (
        "a function of four arguments",
        4,
        "it is called as `feedback(thread_id, item_ids, kind, context)`",
        "error",
    ),
    "dictation": ("a function of two arguments", 2, "it is called as `transcribe(audio, context)`", "error"),
    "enabled": ("a function of the turn's context", 1, "it is called as `enabled(context)`", "error"),
    "on_handoff": ("a function of two arguments", 2, "it is called as `on_handoff(ctx, data)`", "error"),
    "filter": ("a function of HandoffInputData", 1, "it is called as `filter(data)`", "error"),
}


# Roles of a class or an object of it: what is expected, the hint, and the base classes, None for any type.
_CLASSES: Mapping[str, tuple[str, str, frozenset[str] | None]] = {
    "output": ("a type", "give a pydantic model, a dataclass or a TypedDict", None),
}
# Roles of an object, or of what makes one with the arguments of `with`: what is expected, and its base classes.
_MADE: Mapping[str, tuple[str, frozenset[str]]] = {
    "store": ("a ChatKit Store", STORES),
    "model": ("an agents.Model", MODELS),
    "mcp": ("an agents.mcp.MCPServer", MCP_SERVERS),
}


def _check_object(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> None:
    if path.role in _CALLS:
        _check_called(diagnostics, path, symbol, *_CALLS[path.role])
    elif path.role in _CLASSES:
        _check_class(diagnostics, path, symbol, *_CLASSES[path.role])
    elif path.role in _MADE:
        _check_made(diagnostics, path, symbol, *_MADE[path.role])
    else:
        _CHECKS[path.role](diagnostics, path, symbol)


def _check_called(
    diagnostics: PythonDiagnostics,
    path: ImportPath,
    symbol: Symbol,
    wanted: str,
    given: int,
    called: str,
    severity: Severity = "error",
) -> None:
    if is_callable(diagnostics.resolver, symbol) is False:
        diagnostics.wrong_kind(path, symbol, wanted, called)
        return
    parameters = parameters_of(diagnostics.resolver, symbol)
    if parameters is not None and (reason := call_problem(parameters, given)):
        diagnostics.uncallable(path, symbol, reason, called, severity)


def _check_class(
    diagnostics: PythonDiagnostics,
    path: ImportPath,
    symbol: Symbol,
    wanted: str,
    hint: str,
    roots: frozenset[str] | None,
) -> None:
    is_none = symbol.kind in ("function", "literal", "module", "tool")
    if is_none or (roots is not None and derives(diagnostics.resolver, symbol, roots) is False):
        diagnostics.wrong_kind(path, symbol, wanted, hint)


def _check_made(
    diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol, wanted: str, roots: frozenset[str]
) -> None:
    is_one, can_call = derives(diagnostics.resolver, symbol, roots), is_callable(diagnostics.resolver, symbol)
    if symbol.kind == "instance":
        wrong = is_one is False and can_call is False
    else:
        wrong = can_call is False or (symbol.kind == "class" and is_one is False)
    if wrong:
        diagnostics.wrong_kind(path, symbol, f"{wanted}, nor a function that makes one")
    else:
        check_maker(diagnostics, path, symbol, wanted)


def _check_action(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> None:
    owner = _class_of_method(diagnostics, path, symbol)
    called = "an action's handler is called as `handler(ctx, action, sender)`"
    _check_called(diagnostics, path, replace(symbol, bound=True) if owner else symbol, "a function", 3, called)
    class_path = path.text.rpartition(".")[0]
    if owner is None or any(entry.python == class_path for entry in diagnostics.project.config.state.values()):
        return
    parameters = parameters_of(diagnostics.resolver, owner)
    if parameters is not None and (reason := call_problem(parameters)):
        hint = f"declare it under 'state' with its arguments: {{python: {class_path!r}, with: {{…}}}}"
        diagnostics.uncallable(path, owner, reason, hint)


def _class_of_method(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> Symbol | None:
    """Return the class whose method a path names; None where the function needs no object, or if that is unknown."""
    module = diagnostics.resolver.modules.get(path.module)
    if symbol.kind != "function" or symbol.bound or symbol.name == "static" or module is None:
        return None
    owner = diagnostics.resolver.follow(module, path.attributes[:-1]) if len(path.attributes) > 1 else None
    return owner if isinstance(owner, Symbol) and owner.kind == "class" else None


def _check_tags(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> None:
    calls = {"python": "resolve(tag, context)", "search": "search(query, context)", "lookup": "lookup(id, context)"}
    called = f"it is called as `{calls[str(path.key_path[-1])]}`"
    _check_called(diagnostics, path, symbol, "a function of two arguments", 2, called)


def _check_guardrail(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> None:
    # A guardrail of the SDK is an object that a decorator made.
    if symbol.kind == "function":
        _check_called(diagnostics, path, symbol, "a function", 2, "it is called as `guardrail(ctx, text)`")


def _check_instructions(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> None:
    wanted, called = "a string or a function", "instructions are called as `instructions(context, agent)`"
    if symbol.kind == "literal" and symbol.name == "str":
        return
    if is_callable(diagnostics.resolver, symbol) is False:
        diagnostics.wrong_kind(path, symbol, wanted, called)
    elif symbol.kind == "function" and (parameters := parameters_of(diagnostics.resolver, symbol)) is not None:
        # The SDK counts the parameters, also those with a default.
        count = len(parameters)
        reason = call_problem(parameters, 2) if count == 2 else f"it takes {count_words(count)}, not 2"
        if reason:
            section, name = path.key_path[:2]
            is_needed = section == "guardrails" or name in diagnostics.project.config.entry_agents
            diagnostics.uncallable(path, symbol, reason, called, "error" if is_needed else "warning")


def _check_route(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> None:
    is_none = symbol.kind in ("function", "class", "literal", "module", "tool")
    is_app = symbol.kind == "result" and symbol.name == "fastapi.FastAPI"
    if is_none or is_app or (symbol.kind == "instance" and derives(diagnostics.resolver, symbol, ROUTERS) is False):
        diagnostics.wrong_kind(path, symbol, "an APIRouter", "make one with fastapi.APIRouter() and name that")


def _check_state(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> None:
    # A bound method is stored as it is; functions and classes are called.
    if symbol.bound or symbol.kind in ("literal", "instance", "module", "tool"):
        check_no_arguments(diagnostics, path, symbol)
    elif symbol.kind in ("function", "class"):
        check_arguments(diagnostics, path, symbol)


def _check_stream_converter(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> None:
    hint = "derive it from chatkit.agents.ResponseStreamConverter"
    _check_class(diagnostics, path, symbol, "a ResponseStreamConverter", hint, STREAM_CONVERTERS)
    if derives(diagnostics.resolver, symbol, STREAM_CONVERTERS) is True:
        (check_arguments if symbol.kind == "class" else check_no_arguments)(diagnostics, path, symbol)


def _check_converter(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> None:
    hint = "derive it from chatkit.agents.ThreadItemConverter"
    _check_class(diagnostics, path, symbol, "a ThreadItemConverter", hint, CONVERTERS)
    if derives(diagnostics.resolver, symbol, CONVERTERS) is True:
        (check_arguments if symbol.kind == "class" else check_no_arguments)(diagnostics, path, symbol)


_AGENTS = frozenset({AGENT})


def _check_agent(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> None:
    is_other = symbol.kind == "result" and symbol.name in ROUTERS
    is_other = is_other or (symbol.kind == "instance" and derives(diagnostics.resolver, symbol, _AGENTS) is False)
    if is_other or symbol.kind in ("function", "class", "literal", "module", "tool"):
        diagnostics.wrong_kind(path, symbol, "an agents.Agent", "name an Agent of the Agents SDK that a module holds")


def _check_agent_names(diagnostics: PythonDiagnostics, own: Mapping[str, tuple[ImportPath, Symbol]]) -> None:
    """Report objects whose name another agent has (A216); `own` are the objects by the agents' keys."""
    agents = diagnostics.project.config.agents
    names = {key: agent.name or key for key, agent in agents.items() if agent.name or agent.python is None}
    names |= {key: name for key, (_, symbol) in own.items() if key not in names and (name := _name_of_agent(symbol))}
    for key, message in agents_of_one_name(names):
        if key in own and not agents[key].name:
            diagnostics.at_path(own[key][0], "A216", message, ANOTHER_NAME)


def _name_of_agent(symbol: Symbol) -> str:
    """Return the name that the call of `Agent` has as a text; empty if it is computed."""
    match symbol.call if symbol.kind == "result" else None:
        case ast.Call(args=[name, *_]):
            given = [name]
        case ast.Call(keywords=keywords):
            given = [each.value for each in keywords if each.arg == "name"]
        case _:
            return ""
    return next((each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)), "")


def _check_editor(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> None:
    if symbol.kind == "function":
        diagnostics.wrong_kind(path, symbol, "an agents.ApplyPatchEditor, nor its class")
    else:
        _check_plain_class(diagnostics, path, symbol)


def _check_hooks(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> None:
    _check_class(diagnostics, path, symbol, "an AgentHooks", "derive it from agents.AgentHooks", None)
    _check_plain_class(diagnostics, path, symbol)


def _check_plain_class(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> None:
    """Report a class that can't be made without arguments."""
    parameters = parameters_of(diagnostics.resolver, symbol) if symbol.kind == "class" else None
    if parameters is not None and (reason := call_problem(parameters)):
        diagnostics.uncallable(path, symbol, reason, "the class is called without arguments: name an object of it")


def _check_context_class(diagnostics: PythonDiagnostics, path: ImportPath, symbol: Symbol) -> None:
    hint = "derive it from runtime.RuntimeContext"
    _check_class(diagnostics, path, symbol, "a subclass of AgentContext", hint, CONTEXTS)
    if symbol.kind != "class" or derives(diagnostics.resolver, symbol, CONTEXTS) is not True:
        return
    state = diagnostics.project.config.state
    modules = [module for module in diagnostics.resolver.modules.read.values() if module is not None and module.ours]
    set_elsewhere = frozenset().union(*(module.implicit.attributes for module in modules))
    fields = required_fields(diagnostics.resolver, symbol)
    others = [name for name in state if name not in fields]
    for name in fields:
        if name not in CONTEXT_ATTRIBUTES | state.keys() | set_elsewhere:
            message = f"the field {name!r} of {path.text!r} is never filled"
            near = nearest(name, others)
            fill = f"name the object of 'state' {name!r}, and not {near!r}" if near else f"declare {name!r} in 'state'"
            diagnostics.at_path(path, "A331", message, f"{fill}, or give it a value")


_CHECKS: Mapping[str, Callable[[PythonDiagnostics, ImportPath, Symbol], None]] = {
    "tool": check_tool,
    "factory": check_factory,
    "agent": _check_agent,
    "editor": _check_editor,
    "hooks": _check_hooks,
    "context_class": _check_context_class,
    "tags": _check_tags,
    "guardrail": _check_guardrail,
    "action": _check_action,
    "instructions": _check_instructions,
    "route": _check_route,
    "state": _check_state,
    "converter": _check_converter,
    "stream_converter": _check_stream_converter,
}
