"""Collect everything that goes wrong while objects are built, each at its path in the file."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from types import TracebackType

from runtime.diagnostics.diagnostic import Place
from runtime.errors import RuntimeFault
from runtime.project_code.import_errors import place_of, raised_at
from runtime.project_code.loader import ResolveError
from runtime.project_code.sources import Sources


class BuildError(RuntimeFault):
    """One thing that can't be built; `hint` is the way out, `code` says which mistake it is where that is known.

    `about` is the function that is wrong, or what it has raised, rather than the path that leads to it; `inside` is
    where in its entry the mistake is.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        code: str = "",
        about: object = None,
        inside: tuple[str | int, ...] = (),
    ) -> None:
        self.message, self.hint, self.code, self.about, self.inside = message, hint, code, about, inside
        super().__init__(f"{message} ({hint})" if hint else message)


def refuse_coroutine(value: object, path: str) -> None:
    """Raise BuildError for what an async function gave where a plain one is wanted."""
    if inspect.isawaitable(value):
        if inspect.iscoroutine(value):
            # It is never awaited, and needs no warning about that.
            value.close()
        raise BuildError(f"{path!r} is async", "make it a plain function", code="A324")


class ReportedError(RuntimeFault):
    """Something can't be built because of a mistake that is reported already."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What could not be built: `path` is where it is declared, such as `("tools", "refund")`.

    `place` is the line of the project's Python that is wrong; None for a mistake of agents.yaml.
    """

    code: str
    path: tuple[str | int, ...]
    message: str
    hint: str = ""
    place: Place | None = None
    length: int = 1


@dataclass(slots=True)
class Problems:
    """The mistakes found so far; building goes on past each so that one run reports them all.

    `sources` are the project's Python, so that what it raises is reported at its own line.
    """

    sources: Sources
    found: list[Problem] = field(default_factory=list)

    def at(self, code: str, *path: str | int) -> Recording:
        """Record what a `with` block raises as a problem at `path`, under `code`."""
        return Recording(self, code, path)


@dataclass(frozen=True, slots=True)
class Recording:
    """A block whose exceptions become problems."""

    problems: Problems
    code: str
    path: tuple[str | int, ...]

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Take note of an exception and let building go on."""
        if not isinstance(error, Exception | SystemExit):
            return False
        if isinstance(error, ReportedError):
            return True
        self.problems.found.append(self._problem(error))
        return True

    def _problem(self, error: Exception | SystemExit) -> Problem:
        if isinstance(error, ResolveError):
            return Problem(error.code or self.code, self.path, error.message, error.hint, error.place, error.length)
        if isinstance(error, BuildError):
            place, length = place_of(error.about, self.problems.sources)
            code = error.code or self.code
            path = (*self.path[:2], *error.inside) if error.inside else self.path
            return Problem(code, path, error.message, error.hint, place if place.file else None, length)
        # The first line says what is wrong; what follows is for whoever wrote the library.
        first = next(iter(str(error).splitlines()), "")
        place, length = raised_at(error, self.problems.sources)
        message = f"building it raised {type(error).__name__}: {first}"
        return Problem(self.code, self.path, message, place=place if place.file else None, length=length)
