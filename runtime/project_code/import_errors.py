"""Why an import path of the project can't be resolved: the message, and the line of the user's own code."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType, TracebackType

from runtime.diagnostics.diagnostic import Place
from runtime.diagnostics.wording import suggest
from runtime.errors import RuntimeFault
from runtime.project_code.sources import Sources

# The errors of packages in which a name can be registered only once: the raising package, and a part of its message.
_TWICE = (
    ("sqlalchemy", re.compile(r"is already defined for this MetaData instance|Multiple classes found for path")),
    ("prometheus_client", re.compile(r"Duplicated timeseries in CollectorRegistry")),
    ("multiprocessing", re.compile(r"context has already been set")),
    # Raised by C, which has no frame of its own.
    ("", re.compile(r"Couldn't build proto file into descriptor pool")),
)
_ONCE_ONLY = (
    "{module!r} registers a name in {package}, which still holds the one from the previous load: use a registry "
    "(MetaData, Base, CollectorRegistry) that is created in the project, or move this code into an installed package, "
    "or restart to load the edit"
)


class ResolveError(RuntimeFault):
    """An import path that names no object, or a module that raises; `code` is that of the diagnostic.

    `place` is the line of the project that raises, relative to its folder, and `length` the number of characters.
    `message` includes neither the place nor the `hint`.
    """

    def __init__(
        self, message: str, hint: str = "", *, code: str = "", place: Place | None = None, length: int = 1
    ) -> None:
        self.message, self.hint, self.code = message, hint, code
        self.place, self.length = place, length
        where = f" at {place.file}:{place.line}" if place is not None else ""
        super().__init__(f"{message}{where} ({hint})" if hint else message + where)


def explain_import_error(
    error: BaseException, name: str, sources: Sources, has_run_before: Callable[[str], bool]
) -> ResolveError:
    """Turn an exception of importing the module into a ResolveError; `has_run_before` is true for a reloaded module."""
    if isinstance(error, ModuleNotFoundError) and _is_parent(error.name, name):
        looked_up = f"modules are looked up in {sources.root.name}/ first"
        hint = suggest(name, sources.modules) or looked_up
        return ResolveError(f"no module named {error.name!r}", hint, code="A320")
    # The path is right and the user's module is broken: show their error at their line, not ours.
    place, length = raised_at(error, sources)
    if isinstance(error, SystemExit):
        message, hint = f"importing {name!r} called sys.exit({error.code!r})", ""
    else:
        message = f"importing {name!r} raised {type(error).__name__}: {_text(error, place)}"
        hint = _once_only(error, sources, has_run_before)
    return ResolveError(message, hint, code="A322", place=place if place.file else None, length=length)


def _is_parent(missing: str | None, name: str) -> bool:
    return missing is not None and (name == missing or name.startswith(missing + "."))


def _text(error: BaseException, place: Place) -> str:
    """Return the error's message, with the place of a syntax error outside of the project."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.msg if place.file else f"{error.msg} at {error.filename}:{error.lineno}"
    return str(error)


def _once_only(error: BaseException, sources: Sources, has_run_before: Callable[[str], bool]) -> str:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    modules = [frame for frame in frames if frame.f_code.co_name == "<module>" and _module(frame) in sources.modules]
    if not modules or not has_run_before(module := _module(modules[-1])):
        return ""
    raised_in = _module(frames[-1]).partition(".")[0]
    for package, pattern in _TWICE:
        if package in ("", raised_in) and pattern.search(str(error)):
            return _ONCE_ONLY.format(module=module, package=package or "protobuf")
    return ""


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


# The line of the project's own Python at which an exception was raised: the line that its author can change.

# `co_positions` has one entry for each instruction.
_BYTES_PER_INSTRUCTION = 2


def raised_at(error: BaseException, sources: Sources) -> tuple[Place, int]:
    """Return the innermost project line of the traceback, with an empty file if none, and the number of characters."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename) in sources.files:
        return _syntax_place(error, Path(error.filename), sources)
    own = [step for step in _steps(error) if Path(step.tb_frame.f_code.co_filename) in sources.files]
    if not own:
        return Place(""), 1
    code, line = own[-1].tb_frame.f_code, own[-1].tb_lineno
    path = Path(code.co_filename)
    column, length = _columns(code, own[-1].tb_lasti, line, sources.files[path])
    return Place(path.relative_to(sources.root).as_posix(), line, column), length


def place_of(source: object, sources: Sources) -> tuple[Place, int]:
    """Return where an error was raised, or where a function of the project starts; no file for anything else."""
    if isinstance(source, BaseException):
        return raised_at(source, sources)
    code = getattr(source, "__code__", None)
    if not isinstance(code, CodeType) or Path(code.co_filename) not in sources.files:
        return Place(""), 1
    path = Path(code.co_filename)
    column, length = line_of_code(sources.files[path], code.co_firstlineno)
    return Place(path.relative_to(sources.root).as_posix(), code.co_firstlineno, column), length


def line_of_code(text: bytes, line: int) -> tuple[int, int]:
    """Return the column where the code on a line starts, from 1, and its length."""
    row = _row(text, line).decode("utf-8", "replace")
    return len(row) - len(row.lstrip()) + 1, max(len(row.strip()), 1)


def _steps(error: BaseException) -> Iterator[TracebackType]:
    step = error.__traceback__
    while step is not None:
        yield step
        step = step.tb_next


def _syntax_place(error: SyntaxError, path: Path, sources: Sources) -> tuple[Place, int]:
    place = Place(path.relative_to(sources.root).as_posix(), error.lineno or 1, max(error.offset or 1, 1))
    on_one_line = error.end_lineno == error.lineno and error.end_offset is not None
    return place, max((error.end_offset or 0) - place.column, 1) if on_one_line else 1


def _columns(code: CodeType, instruction: int, line: int, text: bytes) -> tuple[int, int]:
    """Return the first column of the expression that raised, from 1, and its length; else those of its line."""
    positions = islice(code.co_positions(), instruction // _BYTES_PER_INSTRUCTION, None)
    first, last, start, end = next(positions, (None,) * 4)
    if first != line or start is None or end is None:
        return line_of_code(text, line)
    row = _row(text, line)
    # Python counts the bytes of UTF-8, a reader counts characters.
    column = len(row[:start].decode("utf-8", "replace"))
    length = len(row[start : end if last == first else None].decode("utf-8", "replace").rstrip())
    return column + 1, max(length, 1)


def _row(text: bytes, line: int) -> bytes:
    rows = text.splitlines()
    return rows[line - 1] if 0 < line <= len(rows) else b""
