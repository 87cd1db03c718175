"""Run the runtime and a handwritten ChatKit backend side by side, and print how they compare.

    python -m benchmarks.turns [--quick] [--only FIGURES] [--json FILE]

Each round measures one server after the other, and each ratio is taken inside a round: noise hits both sides.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.children import SERVERS, Child, run_server
from benchmarks.measure import (
    check_answers,
    measure_idle,
    measure_length,
    measure_reads,
    measure_turns,
)
from benchmarks.report import Line, Rounds, as_document, print_table, summarise
from benchmarks.rounds import Step, names, output_console, positive, run, take

FIGURES = ("idle", "turns", "tool", "reads", "length")


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is measured."""

    figures: tuple[str, ...]
    servers: tuple[str, ...]
    rounds: int
    turns: int
    streams: tuple[int, ...]
    tool_streams: int
    idle_streams: int
    lengths: tuple[int, ...]


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    return run(_main(_parse(arguments)))


async def _main(options: argparse.Namespace) -> int:
    settings = _settings(options)
    progress = Console(stderr=True)
    rounds: Rounds = {server: [] for server in settings.servers}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        children = [await stack.enter_async_context(run_server(name, folder)) for name in settings.servers]
        events = {child.name: await check_answers(child) for child in children}
        await _warm_up(children, settings)
        for step in _steps(settings):
            await take(step, children, rounds, progress)
    lines = summarise(rounds)
    print_table(output_console(), lines, settings.servers)
    if options.json:
        counts = {"quick": options.quick, "turns": settings.turns, "rounds": settings.rounds}
        document = as_document(lines, counts, events_per_turn=events)
        options.json.write_text(json.dumps(document, indent=2) + "\n")
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


async def _warm_up(children: list[Child], settings: Settings) -> None:
    for child in children:
        await measure_turns(child, "plain", 4, min(settings.turns, 32))


def _steps(settings: Settings) -> Iterator[Step[Child]]:
    turns, rounds = settings.turns, settings.rounds
    for figure in settings.figures:
        if figure == "idle":
            # First and once: memory that was used and freed before would hide what a stream takes.
            yield Step("idle streams", lambda child: measure_idle(child, settings.idle_streams), 1)
        if figure == "turns":
            for count in settings.streams:
                yield _turns_step("plain", count, max(turns, count), rounds)
        if figure == "tool":
            yield _turns_step("tool", settings.tool_streams, turns, rounds)
        if figure == "reads":
            yield Step("reads", lambda child: measure_reads(child, turns), rounds)
        if figure == "length":
            for items in settings.lengths:
                yield _length_step(items, max(turns // 8, 2), min(rounds, 3))


def _turns_step(command: str, streams: int, turns: int, rounds: int) -> Step[Child]:
    return Step(
        f"{command} turns, {streams} at once", lambda child: measure_turns(child, command, streams, turns), rounds
    )


def _length_step(items: int, turns: int, rounds: int) -> Step[Child]:
    return Step(f"threads of {items:,} items", lambda child: measure_length(child, items, turns), rounds)


def _settings(options: argparse.Namespace) -> Settings:
    quick = options.quick
    return Settings(
        figures=tuple(figure for figure in FIGURES if figure in options.only),
        servers=tuple(server for server in SERVERS if server in options.servers),
        rounds=options.rounds or (1 if quick else 5),
        turns=options.turns or (8 if quick else 128),
        streams=(1, 4) if quick else (1, 16, 64),
        tool_streams=4 if quick else 16,
        idle_streams=8 if quick else 200,
        lengths=(10,) if quick else (10, 100, 1000),
    )


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.turns", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a few turns of everything: does it run, not how fast")
    parser.add_argument("--only", type=names(FIGURES), default=FIGURES, help=f"of {','.join(FIGURES)}")
    parser.add_argument("--servers", type=names(SERVERS), default=SERVERS, help=f"of {','.join(SERVERS)}")
    parser.add_argument("--rounds", type=positive, help="rounds per figure (5)")
    parser.add_argument("--turns", type=positive, help="turns per figure, round and server (128)")
    parser.add_argument(
        "--gate", type=float, metavar="RATIO", help="exit with 1 where the CPU of a turn is above this ratio"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
