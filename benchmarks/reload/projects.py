"""The same agents twice: declared for the runtime, and in a module written by hand. And the edits of both.

A save changes a stamp in the instructions of the agent that answers, and the model says it: so an answer tells which
version of the project it came from. Stamps have the same length, so a save never changes the size of a file.
"""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.children import PROJECT
from benchmarks.serve import HANDWRITTEN
from benchmarks.team import agents_yaml, instructions_of

RUNTIME = "runtime"
SERVERS = (HANDWRITTEN, RUNTIME)

Edited = Literal["YAML", "Python"]

_STAMP = "STAMP"


@dataclass(frozen=True, slots=True)
class Project:
    """The files of one server, and the one that is edited: `text` with the place of the stamp, and `broken`."""

    server: str
    folder: Path
    edited: Path
    text: str
    broken: str
    _stamps: Iterator[str] = field(default_factory=lambda: (f"stamp-{n:06d}" for n in itertools.count()), repr=False)

    def save(self) -> Save:
        """Save a new version."""
        stamp = next(self._stamps)
        return Save(stamp.encode(), self._write(self.text.replace(_STAMP, stamp)))

    def break_off(self) -> float:
        """Save a version with a syntax error; return when, by `time.perf_counter`."""
        return self._write(self.broken)

    def _write(self, text: str) -> float:
        # In place, as most editors save; the clock starts when the last byte is written.
        self.edited.write_text(text, encoding="utf-8")
        return time.perf_counter()


@dataclass(frozen=True, slots=True)
class Save:
    """A version that was saved: what its answers hold, and when its last byte was written, by `time.perf_counter`."""

    stamp: bytes
    at: float


def write_project(server: str, folder: Path, agents: int, edited: Edited) -> Project:
    """Write the project of one of SERVERS with `agents` agents into `folder`, all but the file that is edited."""
    folder.mkdir()
    return _handwritten(folder, agents) if server == HANDWRITTEN else _runtime(folder, agents, edited)


def _runtime(folder: Path, agents: int, edited: Edited) -> Project:
    for name in ("zero.py", "cards.py"):
        shutil.copy(PROJECT / name, folder)
    config = folder / "agents.yaml"
    if edited == "YAML":
        text = agents_yaml(agents, f"Answer in one paragraph. {_STAMP}")
        return Project(RUNTIME, folder, config, text, text.replace("agents:", "agents: [", 1))
    config.write_text(agents_yaml(agents, '{python: "words:INSTRUCTIONS"}'), encoding="utf-8")
    text = f'INSTRUCTIONS = "Answer in one paragraph. {_STAMP}"\n'
    return Project(RUNTIME, folder, folder / "words.py", text, text + "def broken(:\n")


def _handwritten(folder: Path, agents: int) -> Project:
    # The other agents stand in a dict. Handoffs to all of them would cost the SDK a walk over each, at every turn.
    lines = [
        "from agents import Agent",
        "from benchmarks.handwritten import build_app",
        "from benchmarks.project import cards, zero",
        "",
        "MODEL = zero.build()",
        f'INSTRUCTIONS = "Answer in one paragraph. {_STAMP}"',
        'assistant = Agent(name="Assistant", model=MODEL, instructions=INSTRUCTIONS, tools=[cards.show_card])',
        "AGENTS = {",
    ]
    for number in range(1, agents):
        lines += [
            f'    "agent_{number}": Agent(',
            f'        name="Agent {number}",',
            "        model=MODEL,",
            f'        instructions="{instructions_of(number)}",',
            "        tools=[cards.show_card],",
            "    ),",
        ]
    lines += ["}", "app = build_app(assistant)"]
    text = "\n".join(lines) + "\n"
    return Project(HANDWRITTEN, folder, folder / "app.py", text, text + "def broken(:\n")
