"""Where in the project's own Python an exception was raised: the line that its author can change."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import CodeType, TracebackType

from runtime.config.modules import Sources
from runtime.diagnostics import Place

_POSITIONS_PER_BYTE = 2
"""An instruction, for which `co_positions` has one entry, takes two bytes."""


def raised_at(error: BaseException, sources: Sources) -> tuple[Place, int]:
    """Return the innermost line of the project that led to the error, and how many characters of it are to blame.

    The place's file is relative to the project folder, and empty where no line of the project is involved.
    """
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename) in sources.files:
        return _syntax_place(error, Path(error.filename), sources)
    own = [step for step in _steps(error) if Path(step.tb_frame.f_code.co_filename) in sources.files]
    if not own:
        return Place(""), 1
    code, line = own[-1].tb_frame.f_code, own[-1].tb_lineno
    path = Path(code.co_filename)
    column, length = _columns(code, own[-1].tb_lasti, line, sources.files[path])
    return Place(path.relative_to(sources.root).as_posix(), line, column), length


def place_of(blamed: object, sources: Sources) -> tuple[Place, int]:
    """Return where an error was raised, or where a function of the project begins; no file for anything else."""
    if isinstance(blamed, BaseException):
        return raised_at(blamed, sources)
    code = getattr(blamed, "__code__", None)
    if not isinstance(code, CodeType) or Path(code.co_filename) not in sources.files:
        return Place(""), 1
    path = Path(code.co_filename)
    column, length = line_of_code(sources.files[path], code.co_firstlineno)
    return Place(path.relative_to(sources.root).as_posix(), code.co_firstlineno, column), length


def line_of_code(text: bytes, line: int) -> tuple[int, int]:
    """Return the column where the code on a line begins, from 1, and how long it is."""
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
    found = next(islice(code.co_positions(), instruction // _POSITIONS_PER_BYTE, None), (None,) * 4)
    first, last, start, end = found
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
