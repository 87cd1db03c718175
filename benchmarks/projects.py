"""The projects that the servers serve: a tree of agents, what a store holds at the start, and edits of a project.

An edit changes a stamp in the instructions of the entry agent. The model says the stamp, so that an answer identifies
the version it came from. All stamps have the same length, so that an edit keeps the size of the file.
"""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.harness import HANDWRITTEN

PROJECT = Path(__file__).resolve().parent / "project"
PLAN = "plan.json"
RUNTIME = "runtime"
INSTRUCTIONS = "Answer in one paragraph."

Edited = Literal["YAML", "Python"]

_BRANCHES = 10
_STAMP = "STAMP"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a server holds at the start: pairs (items, threads) in the order of creation, and the number of agents.

    With 0 agents, the server keeps those of PROJECT.
    """

    threads: tuple[tuple[int, int], ...] = ()
    agents: int = 0


def thread_name(items: int, number: int) -> str:
    """Return the id of the thread `number`, from 0, among those with this number of items."""
    return f"thr_{items:06d}_{number:06d}"


def handoffs_of(number: int, agents: int) -> range:
    """Return the numbers of the agents that agent `number`, from 0, hands over to: each has one parent."""
    first = number * _BRANCHES + 1
    return range(first, min(first + _BRANCHES, agents))


def instructions_of(number: int) -> str:
    """Return the instructions of an agent that is not the first."""
    return f"You know all about subject {number}. Answer in one paragraph, and say so when you are not sure."


def agents_yaml(agents: int, instructions: str = INSTRUCTIONS, *, with_approval: bool = False) -> str:
    """Declare a tree of agents; the first has these instructions and, with approval, a tool that needs one."""
    tools = {"show_card": "cards:show_card"}
    if with_approval:
        tools["archive"] = '{python: "cards:archive", needs_approval: true}'
    head = ["version: 1", "auth: none", "entry: assistant"]
    lines = [*head, 'models: {instant: {python: "instant_model:build"}}', "tools:"]
    lines += [f"  {name}: {tool}" for name, tool in tools.items()]
    lines.append("agents:")
    for number in range(agents):
        lines += [
            f"  agent_{number}:" if number else "  assistant:",
            f"    name: Agent {number}" if number else "    name: Assistant",
            "    model: instant",
            f"    instructions: {instructions_of(number) if number else instructions}",
            "    tools: [show_card]" if number else f"    tools: [{', '.join(tools)}]",
            f"    handoffs: [{', '.join(f'agent_{target}' for target in handoffs_of(number, agents))}]",
        ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class Save:
    """A saved version: the stamp in its answers, and when its last byte was written, by `time.perf_counter`."""

    stamp: bytes
    at: float


@dataclass(frozen=True, slots=True)
class EditedProject:
    """A project and the file that is edited: its text, in which the stamp is replaced, and a text with a mistake."""

    server: str
    folder: Path
    file: Path
    text: str
    broken: str
    _numbers: Iterator[int] = field(default_factory=itertools.count, repr=False)

    def save(self) -> Save:
        """Save a new version."""
        number = next(self._numbers)
        stamp = f"stamp-{number:06d}"
        # Python takes a module of the same size and the same second for the one that it has compiled.
        size = "\n" * (number % 8)
        return Save(stamp.encode(), self._write(self.text.replace(_STAMP, stamp) + size))

    def save_broken(self) -> float:
        """Save a version with a syntax error; return when, by `time.perf_counter`."""
        return self._write(self.broken)

    def _write(self, text: str) -> float:
        # In place, as most editors do.
        self.file.write_text(text, encoding="utf-8")
        return time.perf_counter()


def write_project(server: str, folder: Path, agents: int, edited: Edited) -> EditedProject:
    """Write a project for `handwritten` or `runtime`, without the file that is edited: `save` writes it."""
    folder.mkdir()
    if server == HANDWRITTEN:
        text = _handwritten_app(agents)
        return EditedProject(server, folder, folder / "app.py", text, text + "def broken(:\n")
    for name in ("instant_model.py", "cards.py"):
        shutil.copy(PROJECT / name, folder)
    config = folder / "agents.yaml"
    if edited == "YAML":
        text = agents_yaml(agents, f"{INSTRUCTIONS} {_STAMP}")
        return EditedProject(server, folder, config, text, text.replace("agents:", "agents: [", 1))
    config.write_text(agents_yaml(agents, '{python: "words:INSTRUCTIONS"}'), encoding="utf-8")
    text = f'INSTRUCTIONS = "{INSTRUCTIONS} {_STAMP}"\n'
    return EditedProject(server, folder, folder / "words.py", text, text + "def broken(:\n")


def _handwritten_app(agents: int) -> str:
    # The other agents are values of a dict: handoffs to all of them would cost the SDK a walk over each in every turn.
    lines = [
        "from agents import Agent",
        "from benchmarks.handwritten import build_app",
        "from benchmarks.project import cards, instant_model",
        "",
        "MODEL = instant_model.build()",
        f'INSTRUCTIONS = "{INSTRUCTIONS} {_STAMP}"',
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
    return "\n".join([*lines, "}", "app = build_app(assistant)"]) + "\n"
