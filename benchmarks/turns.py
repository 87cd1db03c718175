"""Run the runtime and a handwritten ChatKit backend side by side, and print what a turn and a request cost.

    python -m benchmarks.turns [--quick] [--only FIGURES] [--json FILE]

Each round measures one server after the other, and each ratio is taken inside a round: noise hits both sides.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from rich.console import Console

from benchmarks.children import Child, run_server
from benchmarks.drive import check_answers
from benchmarks.figures import Rounds
from benchmarks.measure import measure_reads, measure_turns
from benchmarks.options import add_names, new_parser, positive
from benchmarks.report import Line, publish, summarise
from benchmarks.rounds import Step, run, take

FIGURES = ("turns", "tool", "reads")


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    return run(_main(_parse(arguments)))


async def _main(options: argparse.Namespace) -> int:
    progress = Console(stderr=True)
    rounds: Rounds = {server: [] for server in options.servers}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        children = [await stack.enter_async_context(run_server(name, folder)) for name in options.servers]
        for child in children:
            progress.print(f"{child.name} is process {child.pid}", highlight=False)
        events = {child.name: await check_answers(child) for child in children}
        for child in children:
            await measure_turns(child, "plain", 4, min(options.turns, 32))
        for step in _steps(options):
            await take(step, children, rounds, progress)
    lines = summarise(rounds)
    counts = {"quick": options.quick, "turns": options.turns, "rounds": options.rounds}
    publish(lines, options.servers, options.json, counts, events_per_turn=events)
    return 0 if options.gate is None else _pass(lines, options.gate)


def _pass(lines: list[Line], most: float) -> int:
    """Return 1, and say why, where a turn costs more than this share of the handwritten server's CPU."""
    dear = [
        f"{line.figure.case}, {server}: {ratio:.2f}"
        for line in lines
        if line.figure.name == "CPU per turn"
        for server, ratio in line.ratios.items()
        if ratio > most
    ]
    for words in dear:
        print(f"error: the CPU of a turn is more than {most} of the handwritten server's: {words}", file=sys.stderr)
    return 1 if dear else 0


def _steps(options: argparse.Namespace) -> Iterator[Step[Child]]:
    turns, rounds = options.turns, options.rounds
    if "turns" in options.only:
        for count in (1, 4) if options.quick else (1, 16, 64):
            yield _turns_step("plain", count, max(turns, count), rounds)
    if "tool" in options.only:
        yield _turns_step("tool", 4 if options.quick else 16, turns, rounds)
    if "reads" in options.only:
        yield Step("reads", lambda child: measure_reads(child, turns), rounds)


def _turns_step(command: str, streams: int, turns: int, rounds: int) -> Step[Child]:
    return Step(
        f"{command} turns, {streams} at once", lambda child: measure_turns(child, command, streams, turns), rounds
    )


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = new_parser("turns", __doc__, "a few turns of everything")
    add_names(parser, "--only", FIGURES)
    add_names(parser, "--servers")
    parser.add_argument("--turns", type=positive, help="turns per figure, round and server (128)")
    parser.add_argument(
        "--gate", type=float, metavar="RATIO", help="exit with 1 where the CPU of a turn is above this ratio"
    )
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.turns = options.turns or (8 if options.quick else 128)
    return options


if __name__ == "__main__":
    sys.exit(main())
