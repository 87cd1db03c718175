"""Try one mutant: check it without running it, then run it."""

from __future__ import annotations

import gc
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from benchmarks.harness import BenchmarkError
from benchmarks.mutants.documents import write_project
from benchmarks.mutants.forks import in_child
from benchmarks.mutants.oracle import CONVERSATIONS, ENVIRON, try_out

LIMIT_S = 30.0
"""The time limit of a check, and of a run, in seconds."""

_FIRST_S = 120.0

Depth = Literal["the build", "the first turn", "later turns and clicks"]
Outcome = Literal["caught", "warned", "missed", "working", "refused"]
"""Broken, and reported as an error, as a warning, or not at all; or working, without or with an error."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The errors and warnings of the checks; the step of the run that failed, and why, or None."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    step: str | None
    reason: str | None
    crash: str | None = None
    """The failure of the checks themselves."""

    @property
    def outcome(self) -> Outcome:
        """Whether the checks were right."""
        if self.step is None:
            return "refused" if self.errors else "working"
        return "caught" if self.errors else "warned" if self.warnings else "missed"

    @property
    def depth(self) -> Depth | None:
        """How far the run came before it failed; None if it works."""
        match (self.step or "").partition(" "):
            case ("", _, _):
                return None
            case ("turn", _, message):
                return "the first turn" if message == repr(CONVERSATIONS[0][0]) else "later turns and clicks"
            case ("click" | "result", _, _):
                return "later turns and clicks"
            case _:
                return "the build"


def try_project(root: Path, texts: Mapping[str, str]) -> Trial:
    """Check and run the project at `root` with other texts in some files, each in its own process."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name)
        write_project(root, folder, texts)
        checked = in_child(partial(_check, folder), LIMIT_S)
        tried = in_child(partial(try_out, folder), LIMIT_S)
    if "hung" in tried:
        tried = {"step": "time", "reason": f"not done after {LIMIT_S:.0f} s"}
    elif "crashed" in tried:
        tried = {"step": "process", "reason": tried["crashed"]}
    crash = f"not done after {LIMIT_S:.0f} s" if "hung" in checked else checked.get("crashed")
    return Trial(
        tuple(checked.get("error", ())), tuple(checked.get("warning", ())), tried["step"], tried["reason"], crash
    )


def warm_up(root: Path, texts: Mapping[str, str]) -> Trial:
    """Import what a trial imports, so that its forks need not; return the trial of the original.

    Raise BenchmarkError if the original does not work.
    """
    # No key and no tracing: nothing leaves this machine.
    for name in [name for name in os.environ if name.startswith(("OPENAI_", "CHATKIT_"))]:
        del os.environ[name]
    os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "1"
    for module in ("runtime.server.runtime", "runtime.testing", "runtime.validation.project"):
        importlib.import_module(module)
    with tempfile.TemporaryDirectory(prefix="mutant-") as name:
        folder = Path(name)
        write_project(root, folder, texts)
        _prepare(in_child(partial(_learn, folder), _FIRST_S))
    original = try_project(root, texts)
    if original.outcome != "working" or original.warnings or original.crash:
        raise BenchmarkError(f"the original does not pass: {original}")
    return original


def _check(folder: Path) -> dict[str, Any]:
    from runtime.config.load import load_config
    from runtime.validation.project import check_project

    texts: dict[str, Any] = {"error": [], "warning": [], "note": []}
    for diagnostic in check_project(load_config(folder, environ=ENVIRON)):
        texts[diagnostic.severity].append(str(diagnostic))
    return texts


def _learn(folder: Path) -> dict[str, Any]:
    """Return the modules that a trial imports, and the pydantic classes that it completes."""
    from pydantic import BaseModel

    imported = set(sys.modules)
    try_out(folder)
    _check(folder)
    modules = [name for name in sys.modules if name not in imported and name.partition(".")[0] != "tools"]
    classes = [(cls.__module__, cls.__qualname__) for cls in _subclasses(BaseModel) if cls.__pydantic_complete__]
    return {"modules": modules, "classes": [names for names in classes if names[0].partition(".")[0] != "tools"]}


def _prepare(used: dict[str, Any]) -> None:
    """Import and complete them in this process."""
    from pydantic import BaseModel

    for module in used["modules"]:
        with suppress(Exception):
            importlib.import_module(module)
    classes = {tuple(names) for names in used["classes"]}
    for cls in list(_subclasses(BaseModel)):
        if (cls.__module__, cls.__qualname__) in classes and not cls.__pydantic_complete__:
            cls.model_rebuild(raise_errors=False)
    # A collection in a fork would write to, and so copy, every page that it shares with this process.
    gc.collect()
    gc.freeze()


def _subclasses(cls: type[Any]) -> Iterator[type[Any]]:
    for subclass in cls.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)
