"""Edit a project many times while clients stream from it, and check that no client notices.

    python -m benchmarks.soak [--reloads 1000] [--clients 20] [--seed 7] [--quick] [--json FILE]

A `chatkit-runtime serve` watches a folder. Edits change the YAML, the Python, or both; every tenth edit is broken. Each
answer contains the version six times: in the instructions at the turn's first and second model call, in the model's
module, in the tool's module, in a module two imports deep, and in one that is imported while the tool runs. An answer
with two versions, or with a pair of YAML and Python that was never saved, is mixed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from benchmarks.client import Answer, Client, Tally
from benchmarks.harness import BenchmarkError, Options, run, write_json
from benchmarks.servers import Server, run_server

_FILES = Path(__file__).resolve().parent / "soak_project"
_TIMEOUT_S = 30.0
_APART_S = 0.08
"""The server may take two files that were written further apart than this for two edits, in seconds."""
_MEMORY_FROM = 500
"""With fewer reloads, the growth of memory says nothing."""
_VERSIONS = re.compile(
    r"first=(?P<first>\w+) second=(?P<second>\w+) model=(?P<model>\w+) tool=(?P<tool>\w+) deep=(?P<deep>\w+) "
    r"late=(?P<late>\w+)"
)
_YAML = """\
version: 1
auth: none
models: {default: {python: "desk.model:build"}}
agents:
  helper:
    instructions: %s
    tools: [desk.tools:stamp]
routes: [desk.alive:router]
"""
_STAMP = "STAMP = %r\n"
END = "That is all."
"""The end of each answer: one without it was cut."""
BROKEN = ("YAML", "schema", "reference", "Python syntax", "Python raises")

Pair = tuple[str, str]
"""The stamps of the YAML and of the Python in one version of the project."""


@dataclass(slots=True)
class Report:
    """The counts of a run; times in seconds, memory in MiB."""

    reloaded: int = 0
    refusals: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """The refusals by cause, as counted by the server."""
    broken_edits: int = 0
    other_outcomes: Counter[str] = field(default_factory=Counter)
    stalled: int = 0
    turns: int = 0
    dropped: int = 0
    failed: int = 0
    mixed: int = 0
    valid_edits: int = 0
    served_edits: int = 0
    draining_at_most: int = 0
    snapshots_too_many: int = 0
    snapshots_at_end: int = 0
    memory: list[float] = field(default_factory=list)
    applied_s: list[float] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def served(self) -> float:
        """The share of the valid edits that answered at least one turn."""
        return self.served_edits / max(self.valid_edits, 1)

    @property
    def growth(self) -> float:
        """The growth of resident memory from the end of the first quarter to the end, as a share."""
        settled = self.memory[len(self.memory) // 4 :]
        return settled[-1] / settled[0] - 1 if len(settled) > 1 else 0.0

    def violations(self) -> list[str]:
        """Return the promises that were broken."""
        checks = [
            (self.dropped, "streams were dropped"),
            (self.failed, "requests failed"),
            (self.mixed, "answers mixed two versions"),
            (self.served < 0.9, "fewer than 90 % of the valid edits answered a turn"),
            (self.snapshots_too_many, "more versions were alive than serve, drain or are being built"),
            (self.snapshots_at_end != 1, "not exactly one version was left at the end"),
            (self.refusals != self.broken_edits, "not exactly the broken edits were refused"),
            (self.reloaded != self.valid_edits, "not exactly the valid edits were applied"),
            (self.reloaded >= _MEMORY_FROM and self.growth > 0.1, "memory grew by more than 10 %"),
        ]
        return [text for violated, text in checks if violated]


def judge(text: str, saved: set[Pair]) -> Pair | None:
    """Return the version that an answer came from, or None if it has two, or one that was never saved."""
    versions = _VERSIONS.search(text)
    if versions is None or versions["first"] != versions["second"]:
        return None
    if len({versions["model"], versions["tool"], versions["deep"], versions["late"]}) != 1:
        return None
    pair = (versions["first"], versions["tool"])
    return pair if pair in saved else None


def last_message(answer: Answer) -> str | None:
    """Return the last message of an answer, or None if the stream ended before the end of that message."""
    items = [event["item"] for event in answer.events if event["type"] == "thread.item.done"]
    texts = ["".join(part["text"] for part in item["content"]) for item in items if item["type"] == "assistant_message"]
    return texts[-1] if texts and texts[-1].endswith(END) else None


class Project:
    """The folder that is edited."""

    def __init__(self, folder: Path, random_: random.Random) -> None:
        self.folder, self._random = folder, random_
        self.yaml = self.code = "v0"
        self.saved: set[Pair] = {("v0", "v0")}
        for source in sorted(_FILES.rglob("*.py")):
            target = folder / "desk" / source.relative_to(_FILES)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
        self._write("agents.yaml", _YAML % "v0")
        self._write("desk/inner/stamp.py", _STAMP % "v0")

    @property
    def pair(self) -> Pair:
        """The version in the files, if they are not broken."""
        return self.yaml, self.code

    def edit(self, number: int) -> float:
        """Save a valid version; return the seconds between the writes of its files."""
        stamp, changed = f"v{number}", self._random.choice(("yaml", "code", "both"))
        self.yaml = self.yaml if changed == "code" else stamp
        self.code = self.code if changed == "yaml" else stamp
        self.saved.add(self.pair)
        began = time.perf_counter()
        # Both are written each time: the previous edit may have broken either.
        self._write("agents.yaml", _YAML % self.yaml)
        self._write("desk/inner/stamp.py", _STAMP % self.code)
        return time.perf_counter() - began

    def save_broken(self, how: str, number: int) -> None:
        """Save an invalid version; `how` is one of BROKEN."""
        match how:
            case "YAML":
                self._write("agents.yaml", f"version: 1\nagents: {{broken_{number}: [\n")
            case "schema":
                self._write("agents.yaml", _YAML.replace("instructions", "instructoins") % f"x{number}")
            case "reference":
                self._write("agents.yaml", _YAML % f"x{number}" + f"entry: nobody_{number}\n")
            case "Python syntax":
                self._write("desk/inner/stamp.py", f"STAMP = (  # {number}\n")
            case _:
                self._write("desk/inner/stamp.py", f"STAMP = 'x{number}'\nraise ValueError(STAMP)\n")

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if self._random.random() < 0.5:
            path.write_text(text)
        else:
            aside = path.with_name(f".{path.name}.new")
            aside.write_text(text)
            os.replace(aside, path)


async def soak(reloads: int, clients: int, seed: int, progress: Console | None = None, *, fork: bool = False) -> Report:
    """Run the soak test; raise BenchmarkError if the server does not start, or reports no outcome of an edit."""
    random_, report, tally = random.Random(seed), Report(), Tally()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        project = Project(Path(name, "project"), random_)
        async with (
            run_server("runtime", "runtime-reload", project.folder, fork=fork) as server,
            _outcomes(server.port) as outcomes,
        ):
            seen: set[Pair] = set()
            done = asyncio.Event()
            streams = [
                asyncio.create_task(_stream(server.port, random.Random(seed + n), project, report, tally, seen, done))
                for n in range(clients)
            ]
            try:
                for number in range(1, reloads + 1):
                    await _edit(project, number, outcomes, report)
                    if number % max(5, reloads // 40) == 0:
                        await _inspect(server, report)
                        if progress is not None:
                            progress.print(f"{number} edits, {tally.turns} turns, {report.memory[-1]:.0f} MiB")
            finally:
                done.set()
                await asyncio.gather(*streams)
            report.turns, report.failed = tally.turns, tally.failed
            report.dropped += tally.cut
            report.served_edits = len(seen & (project.saved - {("v0", "v0")}))
            report.snapshots_at_end = (await _get(server.port, "/alive"))["alive"]
            counts = (await _get(server.port, "/-/config"))["reloads"]
            report.refused = {
                name.removeprefix("refused:"): count for name, count in counts.items() if name.startswith("refused:")
            }
    return report


async def _edit(project: Project, number: int, outcomes: asyncio.Queue[tuple[str, Any]], report: Report) -> None:
    """Save a version, and wait until the server reports that it was applied or refused."""
    is_broken = number % 10 == 0
    if is_broken:
        report.broken_edits += 1
        project.save_broken(BROKEN[number // 10 % len(BROKEN)], number)
        began = time.perf_counter()
    else:
        report.valid_edits += 1
        before = project.pair
        apart_s = project.edit(number)
        began = time.perf_counter()
        if apart_s > _APART_S:
            report.stalled += 1
            project.saved.add((project.yaml, before[1]))
    expected = "refused" if is_broken else "reloaded"
    status = ""
    while status not in ("reloaded", "refused"):
        try:
            status, outcome = await asyncio.wait_for(outcomes.get(), _TIMEOUT_S)
        except TimeoutError:
            raise BenchmarkError(f"edit {number} had no outcome within {_TIMEOUT_S:.0f} s") from None
        if status == "reloaded":
            report.reloaded += 1
        elif status == "refused":
            report.refusals += 1
        else:
            report.other_outcomes[status] += 1
    if status != expected:
        report.complaints.append(f"edit {number}: {status} instead of {expected}: {outcome['summary']}")
    report.applied_s.append(time.perf_counter() - began)


async def _stream(
    port: int,
    random_: random.Random,
    project: Project,
    report: Report,
    tally: Tally,
    seen: set[Pair],
    done: asyncio.Event,
) -> None:
    """Take one turn after another until `done`; a third of them lasts long enough to outlive several versions."""
    client = Client(port, tally, _TIMEOUT_S, resend=False)
    while not done.is_set():
        answer = await client.ask(random_.choice(("long", "short", "short")))
        if answer is None:
            report.complaints.append(f"failed: {tally.last_failure}")
        elif (text := last_message(answer)) is None:
            report.dropped += 1
            report.complaints.append(f"cut: {answer.content[-300:].decode()}")
        elif (pair := judge(text, project.saved)) is None:
            report.mixed += 1
            report.complaints.append(f"mixed: {text}")
        else:
            seen.add(pair)
    client.close()


async def _inspect(server: Server, report: Report) -> None:
    alive = await _get(server.port, "/alive")
    report.draining_at_most = max(report.draining_at_most, alive["draining"])
    # One more may be under construction.
    report.snapshots_too_many += alive["alive"] > alive["draining"] + 2
    report.memory.append(server.resident_bytes / 2**20)


async def _get(port: int, path: str) -> dict[str, Any]:
    async with httpx.AsyncClient(trust_env=False, timeout=_TIMEOUT_S) as client:
        response = await client.get(f"http://127.0.0.1:{port}{path}")
        response.raise_for_status()
        return dict(response.json())


@asynccontextmanager
async def _outcomes(port: int) -> AsyncIterator[asyncio.Queue[tuple[str, Any]]]:
    """Collect the events of `/-/events`: the outcome of each edit, and its details."""
    queue: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    ready = asyncio.Event()

    async def listen() -> None:
        async with (
            httpx.AsyncClient(trust_env=False, timeout=None) as client,
            client.stream("GET", f"http://127.0.0.1:{port}/-/events") as response,
        ):
            name = ""
            async for line in response.aiter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: ") and name == "serving":
                    ready.set()
                elif line.startswith("data: "):
                    queue.put_nowait((name, json.loads(line.removeprefix("data: "))))

    listening = asyncio.create_task(listen())
    try:
        await asyncio.wait_for(ready.wait(), _TIMEOUT_S)
        yield queue
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


def print_report(report: Report, console: Console) -> None:
    """Print every figure, and each broken promise."""
    applied = sorted(report.applied_s) or [0.0]
    refused = ", ".join(f"{cause} {count}" for cause, count in sorted(report.refused.items()))
    others = ", ".join(f"{status} {count}" for status, count in sorted(report.other_outcomes.items()))
    rows = {
        "valid edits, applied": f"{report.reloaded} of {report.valid_edits}",
        "broken edits, refused": f"{report.refusals} of {report.broken_edits} ({refused})",
        "other outcomes": others or "none",
        "turns": report.turns,
        "streams dropped": report.dropped,
        "requests failed": report.failed,
        "answers that mix versions": report.mixed,
        "valid edits that answered a turn": f"{report.served:.1%}",
        "old versions alive at once, at most": report.draining_at_most,
        "inspections with a version too many": report.snapshots_too_many,
        "versions alive at the end": report.snapshots_at_end,
        "memory, first quarter to end": f"{report.memory[len(report.memory) // 4]:.0f} to {report.memory[-1]:.0f} MiB "
        f"({report.growth:+.1%})",
        "save to applied, median / worst": f"{applied[len(applied) // 2] * 1000:.0f} / {applied[-1] * 1000:.0f} ms",
        "edits whose files were written far apart": report.stalled,
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        console.print(f"{name:<{width}}  {value}")
    for text in (*report.violations(), *report.complaints[:10]):
        console.print(f"BROKEN: {text}")


async def _main(options: argparse.Namespace) -> int:
    report = await soak(options.reloads, options.clients, options.seed, Console(stderr=True), fork=options.quick)
    print_report(report, Console(markup=False, highlight=False, width=160))
    violations = report.violations()
    if options.json:
        figures = {"broken": violations, "served": report.served, "growth": report.growth}
        write_json(options.json, asdict(report) | figures)
    return 1 if violations else 0


def main(arguments: list[str] | None = None) -> int:
    """Run the soak test; return the exit code."""
    parser = Options("soak", __doc__, "30 edits, 8 clients")
    parser.add_size("--reloads", 1000, 30, "edits")
    parser.add_size("--clients", 20, 8, "clients that stream")
    parser.add_argument("--seed", type=int, default=7, help="seed of the edits and turns (7)")
    return run(_main(parser.parse(arguments)))


if __name__ == "__main__":
    sys.exit(main())
