"""Measure what an edit of a running project costs and which requests it disturbs, against `uvicorn --reload`.

python -m benchmarks.reload [--quick] [--only FIGURES] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.client import Client, Tally, has_text
from benchmarks.harness import HANDWRITTEN, BenchmarkError, Figure, Options, Sample, Session, count_noun, run
from benchmarks.project.instant_model import PACES_S, TEXT
from benchmarks.projects import RUNTIME, Edited, EditedProject, Save, write_project
from benchmarks.servers import Server, run_server

SERVERS = (HANDWRITTEN, RUNTIME)
FIGURES = ("save", "load", "broken")
INCLUDED = {
    HANDWRITTEN: "uvicorn --reload: its file watcher, the end of open streams, a new process with all imports",
    RUNTIME: "chatkit-runtime serve: its file watcher, two readings 100 ms apart, a build beside the old version",
}
BROKEN_S = 2.0
_BROKEN_EVERY_S = 0.1
_BROKEN_HANG_S = 2.0
_CALM_S = 1.0
_TURNS_WITHOUT_SAVE = 9
_LIMIT_S, _POLL_S, _RETRY_S = 60.0, 0.01, 0.05
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Reloading:
    """A server that reloads, and the project that it serves."""

    server: Server
    project: EditedProject


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    parser = Options("reload", __doc__, "one save of everything")
    parser.add_names("--only", FIGURES)
    parser.add_names("--servers", SERVERS)
    parser.add_size("--rounds", 5, 1, "rounds per figure")
    parser.add_size("--agents", (1, 100, 1000), (2,), "agents per project")
    parser.add_size("--streams", 20, 3, "clients that stream during a save")
    options = parser.parse(arguments)
    options.saves = 1 if options.quick else 3
    return run(_main(options))


async def _main(options: argparse.Namespace) -> int:
    session = Session(options.servers)
    edits: tuple[Edited, ...] = ("YAML",) if options.quick else ("YAML", "Python")
    for edited in edits:
        for agents in options.agents:
            await _measure_projects(session, options, agents, edited)
    included = {name: INCLUDED[name] for name in options.servers}
    notes = ("included:", *(f"  {text}" for text in included.values()))
    session.publish(options, "streams", "saves", notes=notes, included=included)
    return 0


async def _measure_projects(session: Session, options: argparse.Namespace, agents: int, edited: Edited) -> None:
    """Take every figure of projects of one size that are edited in one way."""
    case = f"{count_noun(agents, 'agent')}, {edited} edited"
    few = min(options.rounds, 3)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        servers = {
            name: await stack.enter_async_context(serve_edited(name, folder, agents, edited, fork=options.quick))
            for name in options.servers
        }
        if "save" in options.only:
            await session.measure(f"saves, {case}", servers, partial(measure_save, case), options.rounds)
        if edited == "YAML" and "load" in options.only:
            loaded = f"{case}, {options.streams} streams"
            take = partial(measure_load, loaded, options.streams, options.saves)
            await session.measure(f"saves, {loaded}", servers, take, few)
        if edited == "YAML" and "broken" in options.only:
            await session.measure(f"broken saves, {case}", servers, partial(measure_broken, case), few)


@asynccontextmanager
async def serve_edited(
    name: str, folder: Path, agents: int, edited: Edited, *, fork: bool = False
) -> AsyncIterator[Reloading]:
    """Serve a new project until the block ends; a first save has been answered. May raise BenchmarkError."""
    project = write_project(name, folder / name, agents, edited)
    first = project.save()
    async with run_server(name, f"{name}-reload", project.folder, fork=fork) as server:
        await wait_for(server.port, first, Tally())
        await _save_until_seen(server.port, project)
        yield Reloading(server, project)


async def _save_until_seen(port: int, project: EditedProject) -> None:
    """Save until a saved version answers: a server may answer before it watches its files."""
    for _ in range(_TRIES):
        with suppress(BenchmarkError):
            await wait_for(port, project.save(), Tally(), _LIMIT_S / _TRIES)
            return
    raise BenchmarkError(f"no saved version answered within {_LIMIT_S:.0f} s")


async def measure_save(case: str, reloading: Reloading) -> Sample:
    """Save without other requests; then take turns without a save, for comparison."""
    tally, port = Tally(), reloading.server.port
    took_s = await wait_for(port, reloading.project.save(), tally)
    client, turns_s = Client(port, tally), []
    try:
        for _ in range(_TURNS_WITHOUT_SAVE):
            if (answer := await client.ask("stamp")) is None:
                raise BenchmarkError(f"{reloading.server.name!r} does not answer after a reload: {tally.last_failure}")
            turns_s.append(answer.total_s)
    finally:
        client.close()
    return {
        Figure("save to first new answer", case, "ms"): 1000 * took_s,
        Figure("a turn without a save", case, "ms"): 1000 * median(turns_s),
    }


async def measure_load(case: str, streams: int, saves: int, reloading: Reloading) -> Sample:
    """Save several times while clients take one turn after another."""
    streamed, asked, done, took_s = Tally(), Tally(), asyncio.Event(), []
    port, began, turn_s = reloading.server.port, time.perf_counter(), len(TEXT.split()) * PACES_S["paced"]
    # Spread over a turn, so that a save coincides with answers that have just begun and answers that are nearly over.
    starts_s = [turn_s * number / streams for number in range(streams)]
    clients = [asyncio.create_task(stream(port, streamed, done, start_s)) for start_s in starts_s]
    try:
        for _ in range(saves):
            await asyncio.sleep(turn_s + _CALM_S)
            took_s.append(await wait_for(port, reloading.project.save(), asked))
        await asyncio.sleep(_CALM_S)
        done.set()
        await asyncio.gather(*clients)
    finally:
        for client in clients:
            client.cancel()
    elapsed_s = time.perf_counter() - began
    longest_stall_s = max(streamed.longest_stall_s, asked.longest_stall_s)
    return {
        Figure("save to first new answer", case, "ms"): 1000 * median(took_s),
        Figure("streams cut", case, "", keep="sum"): streamed.cut + asked.cut,
        Figure("requests failed", case, "", keep="sum"): streamed.failed + asked.failed,
        Figure("longest stall of a request", case, "ms", keep="worst"): 1000 * longest_stall_s,
        Figure("longest gap in a stream", case, "ms", keep="worst"): 1000 * streamed.longest_gap_s,
        Figure("turns per second", case, "1/s", "higher"): streamed.turns / elapsed_s,
    }


async def measure_broken(case: str, reloading: Reloading) -> Sample:
    """Save a syntax error, send requests for BROKEN_S seconds, and save a correct version."""
    tally, port = Tally(), reloading.server.port
    reloading.project.save_broken()
    async with asyncio.TaskGroup() as group:
        for number in range(round(BROKEN_S / _BROKEN_EVERY_S)):
            group.create_task(_ask_once(port, tally, number * _BROKEN_EVERY_S))
    repaired_s = await wait_for(port, reloading.project.save(), Tally())
    lost = tally.failed + tally.cut
    return {
        Figure("requests lost after a broken save", case, "%"): 100 * lost / (lost + tally.turns),
        Figure("repair to first new answer", case, "ms"): 1000 * repaired_s,
    }


async def _ask_once(port: int, tally: Tally, after_s: float) -> None:
    client = Client(port, tally, _BROKEN_HANG_S)
    await asyncio.sleep(after_s)
    try:
        await client.ask("stamp")
    finally:
        client.close()


async def stream(port: int, tally: Tally, done: asyncio.Event, after_s: float) -> None:
    """Take one turn after another, from `after_s` seconds on until `done`; an open turn is completed."""
    client = Client(port, tally)
    await asyncio.sleep(after_s)
    try:
        while not done.is_set():
            answer = await client.ask("paced")
            if answer is None:
                await asyncio.sleep(_RETRY_S)
            elif not has_text(answer):
                raise BenchmarkError(f"an answer lacks its text: {answer.content[-500:]!r}")
    finally:
        client.close()


async def wait_for(port: int, save: Save, tally: Tally, limit_s: float = _LIMIT_S) -> float:
    """Send requests until the saved version answers; return the seconds since its last byte was written."""
    deadline = save.at + limit_s
    while time.perf_counter() < deadline:
        client = Client(port, tally)
        try:
            answer = await client.ask("stamp")
        finally:
            client.close()
        if answer is not None and save.stamp in answer.content:
            return time.perf_counter() - save.at
        await asyncio.sleep(_POLL_S)
    raise BenchmarkError(f"a saved version did not answer within {limit_s:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
