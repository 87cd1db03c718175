"""Collect everything that fails while a project is built, each failure with its key path in the file.

Three names, one meaning each: code that builds one thing raises `BuildError`; `Problems.record` turns it into a
`Problem`, which is data; `AlreadyReported` is raised where the cause is a `Problem` already.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from runtime.diagnostics.diagnostic import Place
from runtime.diagnostics.key_path import KeyPath
from runtime.errors import RuntimeFault
from runtime.project_code.import_errors import place_of, raised_at
from runtime.project_code.loader import ResolveError
from runtime.project_code.sources import Sources
from runtime.resources.interrupts import is_interrupt


class BuildError(RuntimeFault):
    """One thing that can't be built; `hint` says how to fix it, `code` is set where the mistake has a code of its own.

    `about` is the function at fault, or the exception that it raised: the diagnostic is then placed in the Python
    rather than at the import path. `inside` is the key path of the mistake within the entry.
    """

    def __init__(
        self, message: str, hint: str = "", *, code: str = "", about: object = None, inside: KeyPath = ()
    ) -> None:
        self.message, self.hint, self.code, self.about, self.inside = message, hint, code, about, inside
        super().__init__(f"{message} ({hint})" if hint else message)


class AlreadyReported(RuntimeFault):
    """Something can't be built because of a mistake that is recorded already."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be built: its key path, and the faulty line of the project's Python, if it is there."""

    code: str
    path: KeyPath
    message: str
    hint: str = ""
    place: Place | None = None
    length: int = 1


@dataclass(slots=True)
class Problems:
    """The problems of one build, which continues after each; `sources` are the project's Python files."""

    sources: Sources
    recorded: list[Problem] = field(default_factory=list)

    def record(self, code: str, *path: str | int) -> _Recording:
        """Return a context manager that records an exception of its block as a problem at `path`, under `code`."""
        return _Recording(self, code, path)


@dataclass(frozen=True, slots=True)
class _Recording:
    problems: Problems
    code: str
    path: KeyPath

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if error is None or is_interrupt(error):
            return False
        if not isinstance(error, AlreadyReported):
            self.problems.recorded.append(self._problem(error))
        return True

    def _problem(self, error: BaseException) -> Problem:
        if isinstance(error, ResolveError):
            return Problem(error.code or self.code, self.path, error.message, error.hint, error.place, error.length)
        if isinstance(error, BuildError):
            place, length = place_of(error.about, self.problems.sources)
            code = error.code or self.code
            path = (*self.path[:2], *error.inside) if error.inside else self.path
            return Problem(code, path, error.message, error.hint, place if place.file else None, length)
        # The first line says what is wrong; the rest is for the author of the library.
        first = next(iter(str(error).splitlines()), "")
        place, length = raised_at(error, self.problems.sources)
        message = f"building it raised {type(error).__name__}: {first}"
        return Problem(self.code, self.path, message, place=place if place.file else None, length=length)
