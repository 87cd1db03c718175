"""The harness of all benchmark commands: options, rounds, medians and ratios, the table and the JSON document."""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any, Literal, TypeVar

import uvloop
from rich.console import Console
from rich.table import Table

HANDWRITTEN = "handwritten"
FORMAT = 1
_MEASUREMENT_LIMIT_S = 180.0
_PACKAGES = (
    "openai-chatkit",
    "openai-agents",
    "fastapi",
    "starlette",
    "uvicorn",
    "uvloop",
    "pydantic",
    "chatkit-runtime",
)

T = TypeVar("T")


class BenchmarkError(Exception):
    """A server failed or returned a wrong answer; the benchmark ends."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured quantity under one load; `keep` says how the samples of a run are combined.

    Figures with the same name and `series` differ only by `size`: the largest is compared with the smallest. `wanted`
    is the ratio to the baseline that the project aims at.
    """

    name: str
    case: str
    unit: str
    better: Literal["lower", "higher"] = "lower"
    keep: Literal["median", "sum", "worst"] = "median"
    series: str = ""
    size: int = 0
    wanted: float | None = None


Sample = dict[Figure, float]
Rounds = dict[str, list[Sample]]
"""The samples of each server, in the order in which they were taken."""


@dataclass(frozen=True, slots=True)
class Line:
    """A figure with the median of each server, and for each server the median of the rounds' ratios to the baseline."""

    figure: Figure
    values: dict[str, float]
    ratios: dict[str, float]


class Session:
    """One run of a command: measures the servers in rounds and prints the result."""

    def __init__(self, names: Iterable[str], baseline: str = HANDWRITTEN) -> None:
        self.rounds: Rounds = {name: [] for name in names}
        self._baseline = baseline
        self._progress = Console(stderr=True)

    def log(self, text: str) -> None:
        """Print a line of progress to stderr."""
        self._progress.print(text, highlight=False)

    async def measure(
        self, label: str, servers: Mapping[str, T], take: Callable[[T], Awaitable[Sample]], rounds: int
    ) -> None:
        """Call `take` for each server in each round and store the samples; may raise BenchmarkError."""
        for number in range(rounds):
            await self.measure_round(f"{label}: round {number + 1} of {rounds}", servers, take, number)

    async def measure_round(
        self, label: str, servers: Mapping[str, T], take: Callable[[T], Awaitable[Sample]], number: int
    ) -> None:
        """Take one round; `number` counts from 0."""
        # The order alternates, so that no server profits from being first.
        for name in list(servers)[:: -1 if number % 2 else 1]:
            self.log(f"{label}, {name}")
            try:
                async with asyncio.timeout(_MEASUREMENT_LIMIT_S):
                    self.rounds[name].append(await take(servers[name]))
            except TimeoutError:
                raise BenchmarkError(f"{label} on {name!r} took longer than {_MEASUREMENT_LIMIT_S:.0f} s") from None

    def publish(
        self, options: argparse.Namespace, *settings: str, notes: Iterable[str] = (), **more: Any
    ) -> list[Line]:
        """Print the table and the notes, and write the JSON document if `--json` is given; return the lines.

        The document contains the options named by `settings`, and `more`.
        """
        lines = summarise(self.rounds, self._baseline)
        # A file has no width; a terminal knows its own.
        console = Console(width=None if sys.stdout.isatty() else 140)
        console.print(_table(lines, tuple(self.rounds), self._baseline))
        for note in notes:
            console.print(note, highlight=False)
        if options.json:
            document = {
                "format": FORMAT,
                "environment": _environment(),
                "settings": {name: getattr(options, name) for name in ("quick", "rounds", *settings)},
                "baseline": self._baseline,
                **more,
                "figures": [asdict(line.figure) | {"values": line.values, "ratios": line.ratios} for line in lines],
            }
            write_json(options.json, document)
        return lines


def run(main: Coroutine[Any, Any, int]) -> int:
    """Run a command and return its exit code: 1 after a BenchmarkError, 130 after SIGINT or SIGTERM."""

    async def until_sigterm() -> int:
        task = asyncio.current_task()
        assert task
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await main

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(until_sigterm())
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


def summarise(rounds: Rounds, baseline: str = HANDWRITTEN) -> list[Line]:
    """Combine the samples into lines, in the order in which the figures were first taken.

    The figures of a series are adjacent; a line that compares the largest with the smallest follows them.
    """
    figures = list(dict.fromkeys(figure for samples in rounds.values() for sample in samples for figure in sample))
    first = {(figure.name, figure.series): place for place, figure in reversed(list(enumerate(figures)))}
    places = {
        figure: first[figure.name, figure.series] if figure.series else place for place, figure in enumerate(figures)
    }
    lines: list[Line] = []
    for _, group in groupby(sorted(figures, key=places.__getitem__), key=places.__getitem__):
        series = sorted(group, key=lambda figure: figure.size)
        lines += [_line(figure, _numbers(figure, rounds), baseline) for figure in series]
        if len(series) > 1:
            lines.append(_growth(series[0], series[-1], rounds, baseline))
    return lines


def _numbers(figure: Figure, rounds: Rounds) -> dict[str, list[float]]:
    numbers = {server: [sample[figure] for sample in samples if figure in sample] for server, samples in rounds.items()}
    numbers = {server: values for server, values in numbers.items() if values}
    if figure.keep == "median":
        return numbers
    # A sum or a worst case is one number for the whole run, and so is its ratio.
    return {server: [sum(values) if figure.keep == "sum" else max(values)] for server, values in numbers.items()}


def _growth(small: Figure, large: Figure, rounds: Rounds, baseline: str) -> Line:
    smallest = _numbers(small, rounds)
    growth = {
        server: [most / least for least, most in zip(smallest[server], values, strict=True)]
        for server, values in _numbers(large, rounds).items()
        if all(smallest.get(server, [0]))
    }
    return _line(Figure(f"growth of {small.name}", f"{large.case} against {small.size:,}", "x"), growth, baseline)


def _line(figure: Figure, numbers: dict[str, list[float]], baseline: str) -> Line:
    base = numbers.get(baseline, [])
    ratios = {
        server: median(ours / theirs for ours, theirs in zip(values, base, strict=True))
        for server, values in numbers.items()
        if server != baseline and base and all(base)
    }
    return Line(figure, {server: median(values) for server, values in numbers.items()}, ratios)


def _table(lines: list[Line], servers: tuple[str, ...], baseline: str) -> Table:
    """Return a table with a row per figure: ratios are green if ours is better, red if worse by more than 5 %."""
    table = Table(title=f"medians, and ratios to {'the handwritten server' if baseline == HANDWRITTEN else baseline}")
    table.add_column("figure", no_wrap=True)
    table.add_column("load", no_wrap=True)
    has_wanted = any(line.figure.wanted for line in lines)
    for server in servers:
        table.add_column(server, justify="right")
        if server != baseline:
            table.add_column("ratio", justify="right")
    if has_wanted:
        table.add_column("wanted", justify="right")
    for line in lines:
        wanted = [f"{line.figure.wanted or '':}"] if has_wanted else []
        table.add_row(line.figure.name, line.figure.case, *_cells(line, servers, baseline), *wanted)
    return table


def _cells(line: Line, servers: tuple[str, ...], baseline: str) -> list[str]:
    cells: list[str] = []
    for server in servers:
        value = line.values.get(server)
        # Not 1.23e+03 for a number of four digits.
        number = "" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:,.3g}"
        cells.append(f"{number} {line.figure.unit}".strip() if number else "")
        if server != baseline:
            cells.append(_ratio_cell(line.ratios.get(server), line.figure.better))
    return cells


def _ratio_cell(ratio: float | None, better: str) -> str:
    if ratio is None:
        return ""
    loss = ratio if better == "lower" else 1 / ratio if ratio else math.inf
    style = "green" if loss <= 1 else "red" if loss > 1.05 else "yellow"
    return f"[{style}]{ratio:.2f}[/]"


def _environment() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "packages": {name: version(name) for name in _PACKAGES},
    }


def write_json(file: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON document, indented."""
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def count_noun(number: int, noun: str) -> str:
    """Return `1 agent`, `1,000 agents`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class Options(argparse.ArgumentParser):
    """The parser of a command, with `--quick` and `--json`; a size has one default, and another with `--quick`."""

    def __init__(self, module: str, doc: str | None, quick: str) -> None:
        super().__init__(prog=f"python -m benchmarks.{module}", description=(doc or "").partition("\n")[0])
        self._sizes: dict[str, tuple[Any, Any]] = {}
        self.add_argument("--quick", action="store_true", help=f"{quick}: checks that it runs, not how fast")
        self.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")

    def add_size(self, option: str, usual: Any, quick: Any, text: str) -> None:
        """Add an option for a number, or for several if the defaults are tuples."""
        shown = ",".join(map(str, usual)) if isinstance(usual, tuple) else usual
        kind = positive_list if isinstance(usual, tuple) else positive
        self._sizes[option.strip("-")] = (usual, quick)
        self.add_argument(option, type=kind, help=f"{text} ({shown})")

    def add_names(self, option: str, known: tuple[str, ...], usual: tuple[str, ...] | None = None) -> None:
        """Add an option for some of `known`, such as `--only a,b`, in the order of `known`; the default is all.

        `usual` is another default.
        """

        def parse(text: str) -> tuple[str, ...]:
            given = text.split(",")
            if unknown := [name for name in given if name not in known]:
                raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)} (one or more of {','.join(known)})")
            return tuple(name for name in known if name in given)

        self.add_argument(option, type=parse, default=usual or known, help=f"some of {','.join(known)}")

    def parse(self, arguments: list[str] | None) -> argparse.Namespace:
        """Parse the arguments and fill in the defaults."""
        options = self.parse_args(arguments)
        for name, (usual, quick) in self._sizes.items():
            if getattr(options, name) is None:
                setattr(options, name, quick if options.quick else usual)
        return options


def positive(text: str) -> int:
    """Parse a positive whole number."""
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def positive_list(text: str) -> tuple[int, ...]:
    """Parse positive whole numbers such as `1,100`; returns them sorted."""
    return tuple(sorted({positive(size) for size in text.split(",")}))
