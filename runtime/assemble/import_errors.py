"""Say why an import path of the project leads nowhere, in the words and at the line of the user's own code."""

from __future__ import annotations

import difflib
import re
import traceback
from collections.abc import Callable, Iterable
from types import FrameType

from runtime.assemble.raised import raised_at
from runtime.config.modules import Sources
from runtime.diagnostics import Place

# What packages say when something is registered with them again: the package that raises, and its words.
_TWICE = (
    ("sqlalchemy", re.compile(r"is already defined for this MetaData instance|Multiple classes found for path")),
    ("prometheus_client", re.compile(r"Duplicated timeseries in CollectorRegistry")),
    ("multiprocessing", re.compile(r"context has already been set")),
    # Raised by C, which has no frame of its own.
    ("", re.compile(r"Couldn't build proto file into descriptor pool")),
)
_ONCE_ONLY = (
    "{module!r} registers something in {package}, outside of the project folder, where what the load before has "
    "registered stays: use a registry (MetaData, Base, CollectorRegistry) that is made in the project, or move this "
    "code into an installed package, or restart to load the edit"
)


class ResolveError(Exception):
    """An import path that leads nowhere, or to a module that raises; `hint` is the way out.

    `place` is the line of the project that raises, relative to its folder, and `length` how much of it; `code` says
    which mistake it is.
    """

    def __init__(
        self, message: str, hint: str = "", *, code: str = "", place: Place | None = None, length: int = 1
    ) -> None:
        self.message, self.hint, self.code = message, hint, code
        self.place, self.length = place, length
        where = f" at {place.file}:{place.line}" if place is not None else ""
        super().__init__(f"{message}{where} ({hint})" if hint else message + where)


def near_miss(name: str, names: Iterable[str]) -> str:
    """Return a hint at the name that may have been meant, or an empty one."""
    near = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean {near[0]!r}?" if near else ""


def explain(
    error: Exception | SystemExit, name: str, sources: Sources, ran_before: Callable[[str], bool]
) -> ResolveError:
    """Turn what importing the module has raised into a message and a hint.

    `ran_before` says of a module whether it had begun to run before in this process, in this generation or another.
    """
    if isinstance(error, ModuleNotFoundError) and _is_parent(error.name, name):
        looked_up = f"modules are looked up in {sources.root.name}/ first"
        hint = near_miss(name, sources.modules) or looked_up
        return ResolveError(f"no module named {error.name!r}", hint, code="A320")
    # The path is right and the user's module is broken: show their error at their line, not ours.
    place, length = raised_at(error, sources)
    if isinstance(error, SystemExit):
        message, hint = f"importing {name!r} called sys.exit({error.code!r})", ""
    else:
        message = f"importing {name!r} raised {type(error).__name__}: {_text(error, place)}"
        hint = _once_only(error, sources, ran_before)
    return ResolveError(message, hint, code="A322", place=place if place.file else None, length=length)


def _is_parent(missing: str | None, name: str) -> bool:
    return missing is not None and (name == missing or name.startswith(missing + "."))


def _text(error: Exception, place: Place) -> str:
    """Return the error's words; with the place of a syntax error that no line of the project has."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.msg if place.file else f"{error.msg} at {error.filename}:{error.lineno}"
    return str(error)


def _once_only(error: Exception, sources: Sources, ran_before: Callable[[str], bool]) -> str:
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    modules = [frame for frame in frames if frame.f_code.co_name == "<module>" and _module(frame) in sources.modules]
    if not modules or not ran_before(module := _module(modules[-1])):
        return ""
    raised_in = _module(frames[-1]).partition(".")[0]
    for package, words in _TWICE:
        if package in ("", raised_in) and words.search(str(error)):
            return _ONCE_ONLY.format(module=module, package=package or "protobuf")
    return ""


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
