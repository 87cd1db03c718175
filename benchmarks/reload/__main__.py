"""Edit a running project, declared and handwritten, and print what an edit costs and whom it disturbs.

    python -m benchmarks.reload [--quick] [--only FIGURES] [--json FILE]

Each round measures one server after the other, and each ratio is taken inside a round: noise hits both sides.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.figures import Rounds, counted
from benchmarks.options import add_names, new_parser, positive, sizes
from benchmarks.reload.measure import check_saves, measure_broken, measure_load, measure_save
from benchmarks.reload.projects import RUNTIME, SERVERS, Edited
from benchmarks.reload.servers import Reloading, run_reloading
from benchmarks.report import publish, summarise
from benchmarks.rounds import Step, run, take
from benchmarks.serve import HANDWRITTEN

FIGURES = ("save", "load", "broken")
WAITS = {
    HANDWRITTEN: "uvicorn --reload: what its watcher takes, the end of open streams, a new process with all imports",
    RUNTIME: "chatkit-runtime serve: what its watcher takes, two readings 100 ms apart, a build beside the old version",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is measured."""

    figures: tuple[str, ...]
    servers: tuple[str, ...]
    rounds: int
    agents: tuple[int, ...]
    edited: tuple[Edited, ...]
    streams: int
    saves: int


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    return run(_main(_parse(arguments)))


async def _main(options: argparse.Namespace) -> int:
    settings = _settings(options)
    rounds: Rounds = {server: [] for server in settings.servers}
    for edited in settings.edited:
        for agents in settings.agents:
            await _measure(settings, agents, edited, rounds, Console(stderr=True))
    included = {server: WAITS[server] for server in settings.servers}
    counts = {
        "quick": options.quick,
        "rounds": settings.rounds,
        "streams": settings.streams,
        "saves": settings.saves,
    }
    notes = ("included:", *(f"  {words}" for words in included.values()))
    publish(summarise(rounds), settings.servers, options.json, counts, *notes, included=included)
    return 0


async def _measure(settings: Settings, agents: int, edited: Edited, rounds: Rounds, progress: Console) -> None:
    """Take every figure of projects of one size, edited in one way."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        servers = [
            await stack.enter_async_context(run_reloading(name, folder, agents, edited)) for name in settings.servers
        ]
        for server in servers:
            await check_saves(server)
        for step in _steps(settings, agents, edited):
            await take(step, servers, rounds, progress)


def _steps(settings: Settings, agents: int, edited: Edited) -> Iterator[Step[Reloading]]:
    case = f"{counted(agents, 'agent')}, {edited} edited"
    few = min(settings.rounds, 3)
    if "save" in settings.figures:
        yield Step(f"saves, {case}", lambda server: measure_save(server, case), settings.rounds)
    if edited == "YAML" and "load" in settings.figures:
        loaded = f"{case}, {settings.streams} streams"
        yield Step(
            f"saves, {loaded}", lambda server: measure_load(server, loaded, settings.streams, settings.saves), few
        )
    if edited == "YAML" and "broken" in settings.figures:
        yield Step(f"broken saves, {case}", lambda server: measure_broken(server, case), few)


def _settings(options: argparse.Namespace) -> Settings:
    quick = options.quick
    return Settings(
        figures=options.only,
        servers=options.servers,
        rounds=options.rounds or (1 if quick else 5),
        agents=options.agents or ((2,) if quick else (1, 100, 1000)),
        edited=("YAML", "Python"),
        streams=options.streams or (3 if quick else 20),
        saves=1 if quick else 3,
    )


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = new_parser("reload", __doc__, "one save of everything")
    add_names(parser, "--only", FIGURES)
    add_names(parser, "--servers", SERVERS)
    parser.add_argument("--agents", type=sizes, help="agents per project (1,100,1000)")
    parser.add_argument("--streams", type=positive, help="clients that stream while a project is saved (20)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
