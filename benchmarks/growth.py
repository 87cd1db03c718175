"""Fill the runtime and a handwritten ChatKit backend with more and more, and print what that makes dearer.

    python -m benchmarks.growth [--quick] [--only FIGURES] [--json FILE]

Each round measures every size on one server after the other, and each ratio is taken inside a round.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.children import SERVERS, Child, run_server
from benchmarks.drive import check_answers
from benchmarks.figures import Rounds, Sample
from benchmarks.growing import (
    READ_ITEMS,
    measure_agents,
    measure_approvals,
    measure_items,
    measure_threads,
    turns_per_thread,
)
from benchmarks.options import add_names, new_parser, positive, sizes
from benchmarks.prepare import Plan
from benchmarks.report import publish, summarise
from benchmarks.rounds import Step, run, take_round
from benchmarks.serve import HANDWRITTEN

FIGURES = ("items", "threads", "agents", "approvals")
_WARM_UP = 4


@dataclass(frozen=True, slots=True)
class Stage:
    """One figure: the sizes of what grows, what a server holds for each, what is measured, and on which servers."""

    figure: str
    plans: dict[int, Plan]
    measure: Callable[[Child, int, int], Awaitable[Sample]]
    servers: tuple[str, ...]


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    return run(_main(_parse(arguments)))


async def _main(options: argparse.Namespace) -> int:
    rounds: Rounds = {server: [] for server in options.servers}
    for figure in options.only:
        stage = _stage(figure, options)
        if stage.servers:
            await _take(stage, options, rounds, Console(stderr=True))
    counts = {"quick": options.quick, "turns": options.turns, "rounds": options.rounds}
    publish(summarise(rounds), options.servers, options.json, counts)
    return 0


async def _take(stage: Stage, options: argparse.Namespace, rounds: Rounds, progress: Console) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        started: dict[Plan, list[Child]] = {}
        for number, plan in enumerate(dict.fromkeys(stage.plans.values())):
            progress.print(f"{stage.figure}: filling servers", highlight=False)
            place = folder / str(number)
            place.mkdir()
            started[plan] = [await stack.enter_async_context(run_server(name, place, plan)) for name in stage.servers]
            for child in started[plan]:
                await check_answers(child)
        for size, plan in stage.plans.items():
            for child in started[plan]:
                await stage.measure(child, size, _WARM_UP)
        for number in range(options.rounds):
            for size, plan in stage.plans.items():
                step = _step(stage, size, options)
                await take_round(step, number, started[plan], rounds, progress)


def _step(stage: Stage, size: int, options: argparse.Namespace) -> Step[Child]:
    label = f"{stage.figure} with {size:,}"
    return Step(label, lambda child: stage.measure(child, size, options.turns), options.rounds)


def _stage(figure: str, options: argparse.Namespace) -> Stage:
    if figure == "items":
        turns = options.rounds * options.turns + _WARM_UP
        # One store holds the threads of every length: enough of each that none grows by more than a tenth.
        plan = Plan(tuple((items, -(-turns // turns_per_thread(items))) for items in options.items))
        return Stage(figure, dict.fromkeys(options.items, plan), measure_items, options.servers)
    if figure == "threads":
        plans = {threads: Plan(((2, threads - 1), (READ_ITEMS, 1))) for threads in options.threads}
        return Stage(figure, plans, measure_threads, options.servers)
    plans = {agents: Plan(agents=agents) for agents in options.agents}
    if figure == "agents":
        return Stage(figure, plans, measure_agents, options.servers)
    # The handwritten server asks nobody.
    ours = tuple(server for server in options.servers if server != HANDWRITTEN)
    return Stage(figure, plans, measure_approvals, ours)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = new_parser("growth", __doc__, "a few turns in small numbers")
    add_names(parser, "--only", FIGURES)
    add_names(parser, "--servers", SERVERS)
    parser.add_argument("--items", type=sizes, help="items in a thread (10,1000,5000)")
    parser.add_argument("--threads", type=sizes, help="threads in the store (10,1000,10000)")
    parser.add_argument("--agents", type=sizes, help="agents that can be reached (1,100,1000)")
    parser.add_argument("--turns", type=positive, help="turns per figure, size, round and server (32)")
    options = parser.parse_args(arguments)
    quick = options.quick
    options.rounds = options.rounds or (1 if quick else 5)
    options.turns = options.turns or (2 if quick else 32)
    options.items = options.items or ((10, 40) if quick else (10, 1000, 5000))
    options.threads = options.threads or ((10, 40) if quick else (10, 1000, 10000))
    options.agents = options.agents or ((1, 12) if quick else (1, 100, 1000))
    return options


if __name__ == "__main__":
    sys.exit(main())
