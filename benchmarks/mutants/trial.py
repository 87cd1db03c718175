"""One mutant on trial: what the checks say of it without running it, and what happens when it runs."""

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

from benchmarks.client import BenchmarkError
from benchmarks.mutants.documents import write_project
from benchmarks.mutants.forks import in_child
from benchmarks.mutants.oracle import CONVERSATIONS, ENVIRON, try_out

LIMIT_S = 30.0
"""How long a check, and a mutant's life, may take."""

_FIRST_S = 120.0

Depth = Literal["the build", "the first turn", "later turns and clicks"]
Outcome = Literal["caught", "warned", "missed", "working", "refused"]
"""Broken and an error says so, only a warning does, nothing does; works, and works but an error refuses it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """`errors` and `warnings` are what the checks said; `step` and `reason` are what broke, None where all worked."""

    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    step: str | None
    reason: str | None
    crash: str | None = None
    """What the checks themselves died of."""

    @property
    def outcome(self) -> Outcome:
        """What the checks are worth here."""
        if self.step is None:
            return "refused" if self.errors else "working"
        return "caught" if self.errors else "warned" if self.warnings else "missed"

    @property
    def depth(self) -> Depth | None:
        """How far the project came before it broke; None where it works."""
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
    """Check and try out the project at `root` with other texts in some of its files, each in a child of its own."""
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
    """Import here whatever a trial imports, so that each of its children has it; return the original's trial.

    May raise BenchmarkError: where the original does not work, no mutant can tell anything.
    """
    # No key and no tracing: nothing may leave this machine.
    for name in [name for name in os.environ if name.startswith(("OPENAI_", "CHATKIT_"))]:
        del os.environ[name]
    os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "1"
    for module in ("runtime.server.runtime", "runtime.server.warmup", "runtime.testing", "runtime.validation.project"):
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

    said: dict[str, Any] = {"error": [], "warning": [], "note": []}
    for diagnostic in check_project(load_config(folder, environ=ENVIRON)):
        said[diagnostic.severity].append(str(diagnostic))
    return said


def _learn(folder: Path) -> dict[str, Any]:
    """Tell which modules a trial imports, and which classes of the SDKs it makes pydantic finish."""
    from pydantic import BaseModel

    imported = set(sys.modules)
    try_out(folder)
    _check(folder)
    modules = [name for name in sys.modules if name not in imported and name.partition(".")[0] != "tools"]
    finished = [(one.__module__, one.__qualname__) for one in _below(BaseModel) if one.__pydantic_complete__]
    return {"modules": modules, "finished": [names for names in finished if names[0].partition(".")[0] != "tools"]}


def _prepare(used: dict[str, Any]) -> None:
    """Do now what each trial would do."""
    from pydantic import BaseModel

    for module in used["modules"]:
        with suppress(Exception):
            importlib.import_module(module)
    wanted = {tuple(names) for names in used["finished"]}
    for one in list(_below(BaseModel)):
        if (one.__module__, one.__qualname__) in wanted and not one.__pydantic_complete__:
            one.model_rebuild(raise_errors=False)
    # A collection in a child would touch, and so copy, every page that it shares with this process.
    gc.collect()
    gc.freeze()


def _below(cls: type[Any]) -> Iterator[type[Any]]:
    for one in cls.__subclasses__():
        yield one
        yield from _below(one)
