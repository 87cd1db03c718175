"""Edit a project a thousand times while clients stream from it, and count what that costs them: nothing, it must be.

    python -m benchmarks.soak [--reloads 1000] [--clients 20] [--seed 7] [--quick] [--json FILE]

A real `chatkit-runtime serve` watches a real folder. Edits change the YAML, the Python, or both; every tenth is broken.
Each answer says which version it came from, six times over: the instructions at the turn's first and second call of the
model, the model's own module, the tool's module, a module two imports deep, and one that is imported while the tool
runs. An answer that names two versions, or a pair of YAML and Python that was never saved, is a mixed one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from benchmarks.children import ROOT, environment, stop, tail
from benchmarks.client import Answer, BenchmarkError, Connection
from benchmarks.drive import create_thread
from benchmarks.options import positive
from benchmarks.rounds import run

_FILES = Path(__file__).resolve().parent / "soaked"
_START_S, _PATIENCE_S = 60.0, 30.0
_STALLED_S = 0.08
"""Two files of one edit that were written further apart than this may be taken for two edits, in seconds."""
_FULL = 500
"""From so many reloads on, the growth of memory says something."""
_SAID = re.compile(
    r"first=(?P<first>\w+) second=(?P<second>\w+) model=(?P<model>\w+) tool=(?P<tool>\w+) deep=(?P<deep>\w+) "
    r"late=(?P<late>\w+)"
)
_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
_YAML = """\
version: 1
models: {default: {python: "desk.model:build"}}
agents:
  helper:
    instructions: %s
    tools: [desk.tools:stamp]
routes: [desk.alive:router]
"""
_STAMP = "STAMP = %r\n"
END = "That is all."
"""How each answer ends: one without it was cut."""
BROKEN = ("YAML", "schema", "reference", "Python syntax", "Python raises")

Pair = tuple[str, str]
"""The stamps of the YAML and of the Python in one version of the project."""


@dataclass(slots=True)
class Report:
    """What happened; times in seconds, memory in MiB."""

    reloaded: int = 0
    refusals: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """By cause, as the server itself has counted."""
    broken_edits: int = 0
    other_outcomes: dict[str, int] = field(default_factory=dict)
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
        """How much the resident memory grew from the first quarter of the run to its end, as a share."""
        settled = self.memory[len(self.memory) // 4 :]
        return settled[-1] / settled[0] - 1 if len(settled) > 1 else 0.0

    def broken(self) -> list[str]:
        """Every promise that did not hold."""
        found = [
            (self.dropped, "streams were dropped"),
            (self.failed, "requests failed"),
            (self.mixed, "answers mixed two versions"),
            (self.served < 0.9, "fewer than 90 % of the valid edits answered a turn"),
            (self.snapshots_too_many, "looks found more versions alive than serve, drain or are being built"),
            (self.snapshots_at_end != 1, "not exactly one version was left at the end"),
            (self.refusals != self.broken_edits, "not exactly the broken edits were refused"),
            (self.reloaded != self.valid_edits, "not exactly the valid edits were applied"),
            (self.reloaded >= _FULL and self.growth > 0.1, "memory grew by more than 10 %"),
        ]
        return [words for count, words in found if count]


def judge(text: str, saved: set[Pair]) -> Pair | None:
    """Return the version that an answer came from; None for one that names two, or one that was never saved."""
    said = _SAID.search(text)
    if said is None or said["first"] != said["second"]:
        return None
    if len({said["model"], said["tool"], said["deep"], said["late"]}) != 1:
        return None
    pair = (said["first"], said["tool"])
    return pair if pair in saved else None


def last_words(answer: Answer) -> str | None:
    """Return the last message of an answer; None where the stream ended before that message was done."""
    done = [event["item"] for event in answer.events if event["type"] == "thread.item.done"]
    said = ["".join(part["text"] for part in item["content"]) for item in done if item["type"] == "assistant_message"]
    return said[-1] if said and said[-1].endswith(END) else None


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
        """What is in the files, when they are not broken."""
        return self.yaml, self.code

    def edit(self, number: int) -> float:
        """Save a version that is right; return how far apart its files were written."""
        stamp, what = f"v{number}", self._random.choice(("yaml", "code", "both"))
        self.yaml = self.yaml if what == "code" else stamp
        self.code = self.code if what == "yaml" else stamp
        self.saved.add(self.pair)
        began = time.perf_counter()
        # Both are written each time: the edit before may have broken either.
        self._write("agents.yaml", _YAML % self.yaml)
        self._write("desk/inner/stamp.py", _STAMP % self.code)
        return time.perf_counter() - began

    def break_(self, how: str, number: int) -> None:
        """Save a version that is wrong."""
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


async def soak(reloads: int, clients: int, seed: int, progress: Console | None = None) -> Report:
    """Run it all; may raise BenchmarkError when the server does not start, or an edit is never answered."""
    random_, report = random.Random(seed), Report()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        project = Project(Path(name), random_)
        async with _serving(project.folder) as (port, pid), _outcomes(port) as outcomes:
            seen: set[Pair] = set()
            done = asyncio.Event()
            talking = [
                asyncio.create_task(_talk(port, random.Random(seed + n), project, report, seen, done))
                for n in range(clients)
            ]
            try:
                for number in range(1, reloads + 1):
                    await _edit(project, number, outcomes, report)
                    if number % max(5, reloads // 40) == 0:
                        await _look(port, pid, report)
                        if progress is not None:
                            progress.print(f"{number} edits, {report.turns} turns, {report.memory[-1]:.0f} MiB")
            finally:
                done.set()
                await asyncio.gather(*talking)
            report.served_edits = len(seen & (project.saved - {("v0", "v0")}))
            report.snapshots_at_end = (await _get(port, "/alive"))["alive"]
            counted = (await _get(port, "/-/config"))["reloads"]
            report.refused = {
                name.removeprefix("refused:"): count for name, count in counted.items() if name.startswith("refused:")
            }
    return report


async def _edit(project: Project, number: int, outcomes: asyncio.Queue[tuple[str, Any]], report: Report) -> None:
    """Save, and wait until the server has said what became of it."""
    is_broken = number % 10 == 0
    if is_broken:
        report.broken_edits += 1
        project.break_(BROKEN[number // 10 % len(BROKEN)], number)
        began = time.perf_counter()
    else:
        report.valid_edits += 1
        before = project.pair
        apart_s = project.edit(number)
        began = time.perf_counter()
        if apart_s > _STALLED_S:
            report.stalled += 1
            project.saved.add((project.yaml, before[1]))
    final = "refused" if is_broken else "reloaded"
    while True:
        try:
            status, outcome = await asyncio.wait_for(outcomes.get(), _PATIENCE_S)
        except TimeoutError:
            raise BenchmarkError(f"edit {number} was answered by nothing within {_PATIENCE_S:.0f} s") from None
        if status == "reloaded":
            report.reloaded += 1
        elif status == "refused":
            report.refusals += 1
        else:
            report.other_outcomes[status] = report.other_outcomes.get(status, 0) + 1
        if status == final:
            break
        if status in ("reloaded", "refused"):
            report.complaints.append(f"edit {number}: {status} instead of {final}: {outcome['summary']}")
            break
    report.applied_s.append(time.perf_counter() - began)


async def _talk(
    port: int, random_: random.Random, project: Project, report: Report, seen: set[Pair], done: asyncio.Event
) -> None:
    """Take one turn after the other until `done`; a third of them lasts long enough to outlive several versions."""
    connection: Connection | None = None
    while not done.is_set():
        try:
            if connection is None or not connection.is_open:
                connection = await Connection.open(port)
            answer = await asyncio.wait_for(
                connection.post(create_thread(random_.choice(("long", "short", "short")))), _PATIENCE_S
            )
        except (OSError, BenchmarkError, TimeoutError) as error:
            report.dropped += 1
            report.complaints.append(f"dropped: {type(error).__name__}: {error}")
            connection = None
            continue
        report.turns += 1
        body = answer.content.decode()
        if answer.status != 200 or '"type":"error"' in body:
            report.failed += 1
            report.complaints.append(f"failed: {answer.status} {body[-300:]}")
        elif (last := last_words(answer)) is None:
            report.dropped += 1
            report.complaints.append(f"cut: {body[-300:]}")
        elif (pair := judge(last, project.saved)) is None:
            report.mixed += 1
            report.complaints.append(f"mixed: {last}")
        else:
            seen.add(pair)
    if connection is not None:
        connection.close()


async def _look(port: int, pid: int, report: Report) -> None:
    alive = await _get(port, "/alive")
    report.draining_at_most = max(report.draining_at_most, alive["draining"])
    # One more may be under construction.
    report.snapshots_too_many += alive["alive"] > alive["draining"] + 2
    report.memory.append(_resident_mib(pid))


async def _get(port: int, path: str) -> dict[str, Any]:
    async with httpx.AsyncClient(trust_env=False, timeout=_PATIENCE_S) as client:
        answer = await client.get(f"http://127.0.0.1:{port}{path}")
        answer.raise_for_status()
        return dict(answer.json())


def _resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return 0.0
    return int(re.search(r"VmRSS:\s+(\d+)", status.read_text())[1]) / 1024  # type: ignore[index]  # Linux has it


@asynccontextmanager
async def _outcomes(port: int) -> AsyncIterator[asyncio.Queue[tuple[str, Any]]]:
    """What the server says on `/-/events`."""
    queue: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    ready = asyncio.Event()

    async def listen() -> None:
        async with (
            httpx.AsyncClient(trust_env=False, timeout=None) as client,
            client.stream("GET", f"http://127.0.0.1:{port}/-/events") as answer,
        ):
            name = ""
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: ") and name == "serving":
                    ready.set()
                elif line.startswith("data: "):
                    queue.put_nowait((name, json.loads(line.removeprefix("data: "))))

    listening = asyncio.create_task(listen())
    try:
        await asyncio.wait_for(ready.wait(), _PATIENCE_S)
        yield queue
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


@asynccontextmanager
async def _serving(folder: Path) -> AsyncIterator[tuple[int, int]]:
    """Run `chatkit-runtime serve` on the folder; gives its port and its process id."""
    log = folder / "serve.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "runtime", "serve", str(folder), "--port", "0"),
            cwd=ROOT,
            env={**environment("sqlite"), "NO_COLOR": "1"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            until = time.perf_counter() + _START_S
            while not (found := _ADDRESS.search(log.read_text(errors="replace"))):
                if process.returncode is not None or time.perf_counter() > until:
                    raise BenchmarkError(f"the server did not start:\n{tail(log)}")
                await asyncio.sleep(0.05)
            yield int(found[1]), process.pid
        finally:
            await stop(process)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def print_report(report: Report, console: Console) -> None:
    """Print every figure, and each promise that did not hold."""
    applied = sorted(report.applied_s) or [0.0]
    refused = ", ".join(f"{cause} {count}" for cause, count in sorted(report.refused.items()))
    others = ", ".join(f"{status} {count}" for status, count in sorted(report.other_outcomes.items()))
    rows = {
        "edits that were right, applied": f"{report.reloaded} of {report.valid_edits}",
        "broken edits, refused": f"{report.refusals} of {report.broken_edits} ({refused})",
        "other outcomes": others or "none",
        "turns": report.turns,
        "streams dropped": report.dropped,
        "requests failed": report.failed,
        "answers that mix versions": report.mixed,
        "right edits that answered a turn": f"{report.served:.1%}",
        "old versions alive at once, at most": report.draining_at_most,
        "looks with a version too many": report.snapshots_too_many,
        "versions alive at the end": report.snapshots_at_end,
        "memory, first quarter to end": f"{report.memory[len(report.memory) // 4]:.0f} to {report.memory[-1]:.0f} MiB "
        f"({report.growth:+.1%})",
        "save to applied, median / worst": f"{applied[len(applied) // 2] * 1000:.0f} / {applied[-1] * 1000:.0f} ms",
        "edits whose files were written far apart": report.stalled,
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        console.print(f"{name:<{width}}  {value}")
    for words in (*report.broken(), *report.complaints[:10]):
        console.print(f"BROKEN: {words}")


async def _main(options: argparse.Namespace) -> int:
    reloads, clients = (30, 8) if options.quick else (options.reloads, options.clients)
    report = await soak(reloads, clients, options.seed, Console(stderr=True))
    print_report(report, Console(markup=False, highlight=False, width=160))
    if options.json:
        figures = asdict(report) | {"broken": report.broken(), "served": report.served, "growth": report.growth}
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 1 if report.broken() else 0


def main(arguments: list[str] | None = None) -> int:
    """Run the soak test; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--reloads", type=positive, default=1000, help="how many edits (1000)")
    parser.add_argument("--clients", type=positive, default=20, help="how many clients stream meanwhile (20)")
    parser.add_argument("--seed", type=int, default=7, help="for the order of edits and turns (7)")
    parser.add_argument("--quick", action="store_true", help="30 edits, 8 clients")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return run(_main(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
