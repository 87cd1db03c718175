"""What the project's modules do while they are imported that fails, outlives a reload, or hides from one."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from runtime.static_analysis.bindings import iter_expressions, iter_statements
from runtime.static_analysis.classes import derives, parameters_of
from runtime.static_analysis.hints import free_form, own_parameters
from runtime.static_analysis.module import Module
from runtime.static_analysis.resolver import Symbol
from runtime.validation.python.import_paths import Use
from runtime.validation.python.report import Verdicts
from runtime.validation.python.tools import check_context_first, options_of

_THREADS = frozenset({"threading.Thread", "threading.Timer"})
_PROCESSES = frozenset({"multiprocessing.Process", "multiprocessing.context.Process"})
_EXECUTORS = frozenset(
    f"concurrent.futures{module}.{name}"
    for name in ("ThreadPoolExecutor", "ProcessPoolExecutor")
    for module in ("", ".thread", ".process")
)
_METHODS = {
    "start": ((_THREADS, "a thread"), (_PROCESSES, "a process")),
    "submit": ((_EXECUTORS, "work in a pool"),),
    "map": ((_EXECUTORS, "work in a pool"),),
}
_CALLS = {
    **{f"subprocess.{name}": "a process" for name in ("Popen", "run", "call", "check_call", "check_output")},
    **{"os.system": "a process", "os.popen": "a process", "os.fork": "a process"},
    **{"multiprocessing.Pool": "processes", "_thread.start_new_thread": "a thread"},
}
_LATER = "every reload would start another one: start it when it is first needed, or in the lifespan of a route"


def check_tools_made(verdicts: Verdicts, module: Module, use: Use) -> None:
    """Report each @function_tool that raises where it is written, whether or not agents.yaml names it (A326, A331)."""
    for statement, certain in iter_statements(module.body):
        if not certain:
            continue
        made: Symbol | None = None
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement.decorator_list:
            made = verdicts.resolver.function(module, statement)
        elif isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Call):
            made = verdicts.resolver.value(module, statement.value)
        if made is not None and made.kind == "tool" and not made.decorated and made.module is module:
            _check_made(verdicts, made, use)


def _check_made(verdicts: Verdicts, symbol: Symbol, use: Use) -> None:
    parameters, options = parameters_of(verdicts.resolver, symbol), options_of(symbol)
    if parameters is None or options is None or symbol.module is None:
        return
    check_context_first(verdicts, use, symbol, parameters)
    strict = options.get("strict_mode")
    if strict is not None and not (isinstance(strict, ast.Constant) and strict.value is True):
        return
    for parameter in own_parameters(verdicts.resolver, symbol, parameters)[0]:
        if parameter.kind == "**" or free_form(verdicts.resolver, symbol.module, parameter) == "dict":
            message = f"{parameter.name!r} takes any keys, which @function_tool refuses in a strict schema"
            hint = "say which keys there are with a TypedDict or pydantic model, or write strict_mode=False"
            verdicts.at_node(use, "A326", symbol.module, parameter.node, message, hint)


def check_starts(verdicts: Verdicts, module: Module, use: Use) -> None:
    """Report threads and processes that importing a module starts (A330)."""
    for statement, _ in iter_statements(module.body):
        for node in iter_expressions(statement):
            if isinstance(node, ast.Call) and (what := _started(verdicts, module, node)):
                message = f"importing {module.name!r} starts {what}"
                verdicts.at_node(use, "A330", module, node, message, _LATER, "warning")


def _started(verdicts: Verdicts, module: Module, call: ast.Call) -> str:
    resolver = verdicts.resolver
    if isinstance(call.func, ast.Attribute) and call.func.attr in _METHODS:
        value = resolver.value(module, call.func.value)
        for classes, what in _METHODS[call.func.attr]:
            if value.name in classes if value.kind == "result" else _is_one(verdicts, value, classes):
                return what
    if isinstance(call.func, ast.Name | ast.Attribute):
        found = resolver.value(module, call.func)
        return _CALLS.get(found.name, "") if found.kind == "external" else ""
    return ""


def _is_one(verdicts: Verdicts, value: Symbol, classes: frozenset[str]) -> bool:
    """Say whether an object's own class derives from one of Python's."""
    return value.kind == "instance" and derives(verdicts.resolver, value, classes) is True


def check_computed_imports(verdicts: Verdicts, module: Module, use: Use) -> None:
    """Note modules that are imported by a name that no reader of the source knows (A329)."""
    if b"import_module" not in module.text and b"__import__" not in module.text:
        return
    for call in _computed(verdicts, module):
        message = f"{module.name!r} imports a module by a computed name, which is not checked"
        verdicts.at_node(use, "A329", module, call, message, "", "note")


def _computed(verdicts: Verdicts, module: Module) -> Iterator[ast.Call]:
    for node in ast.walk(ast.Module(module.body, [])):
        if not isinstance(node, ast.Call) or not node.args or isinstance(node.args[0], ast.Constant):
            continue
        is_builtin = isinstance(node.func, ast.Name) and node.func.id == "__import__"
        if is_builtin or verdicts.resolver.value(module, node.func).name == "importlib.import_module":
            yield node
