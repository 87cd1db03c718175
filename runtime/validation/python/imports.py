"""Whether the modules of import paths exist and can be imported, and what an import starts."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from runtime.diagnostics.diagnostic import Place
from runtime.diagnostics.wording import nearest, suggest
from runtime.static_analysis.bindings import absolute_name, iter_expressions, iter_statements
from runtime.static_analysis.module import Module, ModuleFinder
from runtime.static_analysis.resolver import Missing, Symbol, Undecided
from runtime.static_analysis.signatures import derives, free_form, own_parameters, parameters_of
from runtime.validation.python.import_paths import ImportPath, PythonDiagnostics
from runtime.validation.python.sdk_names import hint_sdk_name, is_of_sdk, missing_in_sdk
from runtime.validation.python.tools import check_context_first, options_of

_NOT_FOUND = "install the project's packages where 'validate' runs, or correct the name"
# How a package may define modules that no file shows.
_MAKES_MODULES = (b"__path__", b"sys.modules", b"meta_path", b"path_hooks")


_LOADED = frozenset(
    {
        *("agents", "anyio", "chatkit", "fastapi", "httpx", "jinja2", "mcp", "openai", "pydantic", "pydantic_core"),
        *("runtime", "starlette", "typing_extensions", "uvicorn", "watchfiles", "yaml"),
    }
)


def is_taken(name: str) -> bool:
    """Return whether the server has certainly loaded an installed module of this name, so that it keeps the name."""
    return name in _LOADED or (name in sys.stdlib_module_names and name in sys.modules)


def prefixes(name: str) -> list[str]:
    """Return a module's packages and the module itself, outermost first: an import runs all of them."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def follow(diagnostics: PythonDiagnostics, path: ImportPath) -> Symbol | None:
    """Return the symbol that an import path names; report why there is none (A321, A339)."""
    module = diagnostics.resolver.modules.get(path.module)
    if module is None or _missing(diagnostics, path.module) is not None:
        return None
    match diagnostics.resolver.follow(module, path.attributes):
        case Symbol() as symbol:
            return symbol
        case Missing(where, name, known):
            hint = suggest(name, known) or _imported_elsewhere(module, name)
            diagnostics.at_path(path, "A321", f"{where} has no {name!r}", hint)
        case Undecided(reason) if reason:
            diagnostics.doubt(path, path.module, reason)
    return None


def _missing(diagnostics: PythonDiagnostics, name: str) -> str | None:
    """Return the outermost package, or the module itself, that does not exist."""
    finder = diagnostics.resolver.modules.finder
    return next((prefix for prefix in prefixes(name) if finder.find(prefix) is None), None)


def _imported_elsewhere(module: Module, name: str) -> str:
    for node in ast.walk(ast.Module(module.body, [])):
        if isinstance(node, ast.ImportFrom) and any((alias.asname or alias.name) == name for alias in node.names):
            return f"line {node.lineno} imports it, but does not run when the module is imported"
    return ""


def check_module(diagnostics: PythonDiagnostics, path: ImportPath) -> None:
    """Report a module that does not exist (A320)."""
    finder = diagnostics.resolver.modules.finder
    missing = _missing(diagnostics, path.module)
    if missing is None:
        return
    message = f"no module named {missing!r}"
    parent = missing.rpartition(".")[0]
    top = path.module.partition(".")[0]
    if finder.knows(top):
        near = _near(diagnostics, path, missing)
        diagnostics.at_path(path, "A320", message, near, wanted="" if near else path.text)
    elif parent and _makes_modules(diagnostics, parent):
        diagnostics.doubt(path, parent, f"{parent!r} may define modules at run time")
    elif parent and _is_namespace(diagnostics, parent):
        _report_elsewhere(diagnostics, path, missing)
    elif parent:
        gives_way = f"the folder {top!r} has no __init__.py, so the name means the installed package"
        diagnostics.at_path(path, "A320", message, gives_way if finder.gives_way(top) else "")
    elif path.role == "tool" and path.module in diagnostics.project.config.mcp:
        meant = f"{path.module}.{path.attributes[-1]}"
        diagnostics.at_path(path, "A320", message, f"did you mean {meant!r}?")
    else:
        _report_elsewhere(diagnostics, path, missing)


def _report_elsewhere(diagnostics: PythonDiagnostics, path: ImportPath, missing: str) -> None:
    """Report a module that is not here. Another package or PYTHONPATH may provide it where the project runs.

    It is an error only where the module with the nearest name has what the path names: then it was meant.
    """
    message, finder = f"no module named {missing!r}", diagnostics.resolver.modules.finder
    top = path.module.partition(".")[0]
    if folder := _folder_of(finder.root, top):
        hint = f"{folder!r} has it: add the folder to PYTHONPATH where 'validate' runs"
        diagnostics.at_path(path, "A320", message, hint, "warning")
        return
    near = _near(diagnostics, path, top)
    meant = diagnostics.resolver.modules.get((_nearest(finder, top) or "") + path.module.removeprefix(top))
    if meant is not None and isinstance(diagnostics.resolver.follow(meant, path.attributes), Symbol):
        diagnostics.at_path(path, "A320", message, near)
    else:
        diagnostics.at_path(path, "A320", message, near or _NOT_FOUND, "warning", wanted=path.text)


def _folder_of(root: Path, top: str) -> str:
    """Return the folder of the project's repository that has a top-level module; empty if none has."""
    folders = (root, *root.parents)
    depth = next((index for index, folder in enumerate(folders) if (folder / ".git").exists()), 0)
    patterns = [f"{inside}{top}{end}" for inside in ("", "*/", "*/*/") for end in ("/__init__.py", "/*.py", ".py")]
    modules = (found for folder in folders[: depth + 1] for pattern in patterns for found in folder.glob(pattern))
    found = next(modules, None)
    if found is None:
        return ""
    folder = found.parent if found.stem == top else found.parent.parent
    return Path(os.path.relpath(folder, root)).as_posix()


def _is_namespace(diagnostics: PythonDiagnostics, package: str) -> bool:
    """Return whether a package has no code of its own: another distribution may add modules to it."""
    location = diagnostics.resolver.modules.finder.find(package)
    return location is not None and location.is_package and location.path is None and not location.opaque


def _near(diagnostics: PythonDiagnostics, path: ImportPath, missing: str) -> str:
    """Return a hint at the module that was probably meant: the whole path, if the rest of it exists."""
    finder = diagnostics.resolver.modules.finder
    parent, _, leaf = missing.rpartition(".")
    module = diagnostics.resolver.modules.get(parent) if parent else None
    if module is not None and not module.location.is_package:
        if leaf == "py" and path.module == missing:
            return f"did you mean {':'.join((parent, '.'.join(path.attributes)))!r}?"
        right = f"{parent}:{leaf}"
        return f"did you mean {right!r}?" if leaf in module.names.bound else f"{parent!r} is a module, not a package"
    near = _nearest(finder, missing)
    if near is None:
        return ""
    whole = near + path.module.removeprefix(missing)
    meant = whole if finder.find(whole) is not None else near
    return f"did you mean {meant!r}?"


def _nearest(finder: ModuleFinder, missing: str) -> str | None:
    """Return the module in the same package whose name is nearest to a missing one."""
    parent, _, leaf = missing.rpartition(".")
    by_leaf = {name.rpartition(".")[2]: name for name in finder.names_in(parent)}
    near = nearest(leaf, by_leaf)
    return None if near is None else by_leaf[near]


def _makes_modules(diagnostics: PythonDiagnostics, package: str) -> bool:
    modules = [diagnostics.resolver.modules.get(name) for name in prefixes(package)]
    known = [module for module in modules if module is not None and not module.opaque]
    return len(known) < len(modules) or any(word in module.text for module in known for word in _MAKES_MODULES)


def reached(diagnostics: PythonDiagnostics, paths: Sequence[ImportPath]) -> Iterator[tuple[Module, ImportPath]]:
    """Yield each module of the project that importing the paths certainly runs, with the first such path."""
    seen: set[str] = set()
    waiting = [(name, path) for path in reversed(paths) for name in reversed(prefixes(path.module))]
    while waiting:
        name, path = waiting.pop()
        if name in seen or not diagnostics.resolver.modules.finder.knows(name):
            continue
        seen.add(name)
        module = diagnostics.resolver.modules.get(name)
        if module is not None:
            yield module, path
            for imported in _imported(diagnostics, module):
                waiting += [(inner, path) for inner in reversed(prefixes(imported))]


def _imported(diagnostics: PythonDiagnostics, module: Module) -> list[str]:
    names: list[str] = []
    for statement in _certain(module):
        if isinstance(statement, ast.Import):
            names += [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom) and (name := absolute_name(statement, module.package)):
            source = diagnostics.resolver.modules.get(name) if diagnostics.resolver.modules.finder.knows(name) else None
            bound = source.names.bound if source is not None else {}
            names += [name, *(f"{name}.{alias.name}" for alias in statement.names if alias.name not in bound)]
    return names[::-1]


def _certain(module: Module) -> Iterator[ast.stmt]:
    for statement, certain in iter_statements(module.body):
        if certain:
            yield statement
            if isinstance(statement, ast.Raise):
                return


def check_import(diagnostics: PythonDiagnostics, module: Module, path: ImportPath) -> None:
    """Report an import that certainly fails (A322)."""
    if module.ours and is_taken(module.name):
        message = f"importing {module.name!r} raises ImportError: the project's {module.name!r} has the name of"
        name = Path(module.file).name if module.file and not module.location.is_package else f"{module.name}/"
        diagnostics.failing.add(module.name)
        diagnostics.at_path(path, "A322", f"{message} an installed module", f"rename {name}")
        return
    if module.broken is not None:
        message = f"importing {module.name!r} raises {module.broken.message}"
        diagnostics.failing.add(module.name)
        if module.broken.line:
            place = Place(module.file, module.broken.line, module.broken.column)
            diagnostics.at_node(path, "A322", module, place, message)
        else:
            diagnostics.at_path(path, "A322", message)
        return
    for statement in _certain(module):
        for message, hint in _failures(diagnostics, module, statement):
            message = f"importing {module.name!r} raises {message}"
            diagnostics.failing.add(module.name)
            diagnostics.at_node(path, "A322", module, statement, message, hint)


def _failures(diagnostics: PythonDiagnostics, module: Module, statement: ast.stmt) -> Iterator[tuple[str, str]]:
    match statement:
        case ast.Raise():
            yield "an error: this line always runs", "raise it in a function, or under a condition"
        case ast.Import(names=names):
            for alias in names:
                yield from _no_module(diagnostics, alias.name)
        case ast.ImportFrom(names=names):
            source = absolute_name(statement, module.package)
            if source is None:
                yield "ImportError: the dots go beyond the top-level package", "write the module's whole name"
                return
            modules = diagnostics.resolver.modules
            missing = list(_no_module(diagnostics, source))
            for message, hint in missing:
                is_sdk = not hint and is_of_sdk(source, modules.finder)
                yield message, hint_sdk_name(names[0].name, Missing(source, "", ()), modules) if is_sdk else hint
            if not missing:
                for alias in names:
                    yield from _no_name(diagnostics, source, alias.name)


def _no_module(diagnostics: PythonDiagnostics, name: str) -> Iterator[tuple[str, str]]:
    """Yield a missing module of the project or of an SDK; others may be installed only where the project runs."""
    finder = diagnostics.resolver.modules.finder
    missing = _missing(diagnostics, name) if finder.knows(name) or is_of_sdk(name, finder) else None
    if missing is not None:
        near = _nearest(finder, missing)
        yield f"ModuleNotFoundError: no module named {missing!r}", f"did you mean {near!r}?" if near else ""


def _no_name(diagnostics: PythonDiagnostics, source: str, name: str) -> Iterator[tuple[str, str]]:
    resolver = diagnostics.resolver
    if is_of_sdk(source, resolver.modules.finder):
        if (absent := missing_in_sdk(resolver, source, name)) is not None:
            hint = hint_sdk_name(name, absent, resolver.modules)
            yield f"ImportError: {absent.where} has no {name!r}", hint
        return
    module = diagnostics.resolver.modules.get(source) if diagnostics.resolver.modules.finder.knows(source) else None
    if name == "*" or module is None:
        return
    resolution = diagnostics.resolver.resolve_name(module, name)
    if isinstance(resolution, Missing):
        yield f"ImportError: {resolution.where} has no {name!r}", suggest(name, resolution.known)


_THREADS = frozenset({"threading.Thread", "threading.Timer"})
_PROCESSES = frozenset({"multiprocessing.Process", "multiprocessing.context.Process"})
_EXECUTORS = frozenset(
    f"concurrent.futures{module}.{name}"
    for name in ("ThreadPoolExecutor", "ProcessPoolExecutor")
    for module in ("", ".thread", ".process")
)
_STARTING_METHODS = {
    "start": ((_THREADS, "a thread"), (_PROCESSES, "a process")),
    "submit": ((_EXECUTORS, "work in a pool"),),
    "map": ((_EXECUTORS, "work in a pool"),),
}
_STARTING_CALLS = {
    **{f"subprocess.{name}": "a process" for name in ("Popen", "run", "call", "check_call", "check_output")},
    **{"os.system": "a process", "os.popen": "a process", "os.fork": "a process"},
    **{"multiprocessing.Pool": "processes", "_thread.start_new_thread": "a thread"},
}
_LATER = "every reload would start another one: start it on first use, or in the lifespan of a route"


def check_tools_made(diagnostics: PythonDiagnostics, module: Module, path: ImportPath) -> None:
    """Report each @function_tool that raises when it is defined, also if agents.yaml does not name it (A326, A331)."""
    for statement, certain in iter_statements(module.body):
        if not certain:
            continue
        symbol: Symbol | None = None
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement.decorator_list:
            symbol = diagnostics.resolver.function(module, statement)
        elif isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Call):
            symbol = diagnostics.resolver.value(module, statement.value)
        if symbol is not None and symbol.kind == "tool" and not symbol.decorated and symbol.module is module:
            _check_tool(diagnostics, symbol, path)


def _check_tool(diagnostics: PythonDiagnostics, symbol: Symbol, path: ImportPath) -> None:
    parameters, options = parameters_of(diagnostics.resolver, symbol), options_of(symbol)
    if parameters is None or options is None or symbol.module is None:
        return
    check_context_first(diagnostics, path, symbol, parameters)
    strict = options.get("strict_mode")
    if strict is not None and not (isinstance(strict, ast.Constant) and strict.value is True):
        return
    for parameter in own_parameters(diagnostics.resolver, symbol, parameters)[0]:
        if parameter.kind == "**" or free_form(diagnostics.resolver, symbol.module, parameter) == "dict":
            message = f"{parameter.name!r} accepts any keys, which @function_tool rejects in a strict schema"
            hint = "declare the keys with a TypedDict or pydantic model, or write strict_mode=False"
            diagnostics.at_node(path, "A326", symbol.module, parameter.node, message, hint)


def check_starts(diagnostics: PythonDiagnostics, module: Module, path: ImportPath) -> None:
    """Report threads and processes that importing a module starts (A330)."""
    for statement, _ in iter_statements(module.body):
        for node in iter_expressions(statement):
            if isinstance(node, ast.Call) and (what := _started(diagnostics, module, node)):
                message = f"importing {module.name!r} starts {what}"
                diagnostics.at_node(path, "A330", module, node, message, _LATER, "warning")


def _started(diagnostics: PythonDiagnostics, module: Module, call: ast.Call) -> str:
    resolver = diagnostics.resolver
    if isinstance(call.func, ast.Attribute) and call.func.attr in _STARTING_METHODS:
        value = resolver.value(module, call.func.value)
        for classes, what in _STARTING_METHODS[call.func.attr]:
            is_one = value.kind == "instance" and derives(resolver, value, classes) is True
            if value.name in classes if value.kind == "result" else is_one:
                return what
    if isinstance(call.func, ast.Name | ast.Attribute):
        symbol = resolver.value(module, call.func)
        return _STARTING_CALLS.get(symbol.name, "") if symbol.kind == "external" else ""
    return ""


def check_computed_imports(diagnostics: PythonDiagnostics, module: Module, path: ImportPath) -> None:
    """Note imports whose module name is computed at run time (A329)."""
    if b"import_module" not in module.text and b"__import__" not in module.text:
        return
    for node in ast.walk(ast.Module(module.body, [])):
        if not isinstance(node, ast.Call) or not node.args or isinstance(node.args[0], ast.Constant):
            continue
        is_builtin = isinstance(node.func, ast.Name) and node.func.id == "__import__"
        if is_builtin or diagnostics.resolver.value(module, node.func).name == "importlib.import_module":
            message = f"{module.name!r} imports a module by a computed name, which is not checked"
            diagnostics.at_node(path, "A329", module, node, message, "", "note")
