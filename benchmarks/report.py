"""From the samples of all rounds to medians, ratios, a table and a JSON document."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Figure, Sample
from benchmarks.serve import HANDWRITTEN

FORMAT = 1
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

Rounds = dict[str, list[Sample]]


@dataclass(frozen=True, slots=True)
class Line:
    """A figure with the median of every server, and ours / the baseline's as the median of the rounds' ratios."""

    figure: Figure
    values: dict[str, float]
    ratios: dict[str, float]


def summarise(rounds: Rounds, baseline: str = HANDWRITTEN) -> list[Line]:
    """Turn `{server: a sample per round}` into lines, in the order in which the figures were taken."""
    figures = dict.fromkeys(figure for samples in rounds.values() for sample in samples for figure in sample)
    lines = [_summarise_figure(figure, rounds, baseline) for figure in figures]
    lengths = [line for line in lines if line.figure.case.startswith("thread of ")]
    return lines + list(_compare_lengths(lengths))


def as_document(
    lines: list[Line], settings: dict[str, Any], *, baseline: str = HANDWRITTEN, **more: Any
) -> dict[str, Any]:
    """The same as JSON; `more` stands beside the settings."""
    return {
        "format": FORMAT,
        "environment": {
            "python": platform.python_version(),
            "system": platform.system(),
            "machine": platform.machine(),
            "cpus": os.cpu_count(),
            "packages": {name: version(name) for name in _PACKAGES},
        },
        "settings": settings,
        "baseline": baseline,
        **more,
        "figures": [asdict(line.figure) | {"values": line.values, "ratios": line.ratios} for line in lines],
    }


def print_table(
    console: Console, lines: list[Line], servers: tuple[str, ...], *notes: str, baseline: str = HANDWRITTEN
) -> None:
    """Print a row per figure; a ratio is green where we are better, red where we are worse by more than a twentieth."""
    against = "the handwritten server" if baseline == HANDWRITTEN else baseline
    table = Table(title=f"medians, and ratios to {against}")
    table.add_column("figure", no_wrap=True)
    table.add_column("load", no_wrap=True)
    for server in servers:
        table.add_column(server, justify="right")
        if server != baseline:
            table.add_column("ratio", justify="right")
    for line in lines:
        table.add_row(line.figure.name, line.figure.case, *_cells(line, servers, baseline))
    console.print(table)
    for note in notes:
        console.print(note, highlight=False)


def _summarise_figure(figure: Figure, rounds: Rounds, baseline: str) -> Line:
    taken = {server: [sample[figure] for sample in samples if figure in sample] for server, samples in rounds.items()}
    taken = {server: numbers for server, numbers in taken.items() if numbers}
    if figure.keep != "median":
        kept = {server: sum(numbers) if figure.keep == "sum" else max(numbers) for server, numbers in taken.items()}
        # A sum and a worst case are one number for the whole run, and so is their ratio.
        taken = {server: [number] for server, number in kept.items()}
    values = {server: median(numbers) for server, numbers in taken.items()}
    base = taken.get(baseline, [])
    ratios = {
        server: median(ours / theirs for ours, theirs in zip(numbers, base, strict=True))
        for server, numbers in taken.items()
        if server != baseline and base and all(base)
    }
    return Line(figure, values, ratios)


def _compare_lengths(lengths: list[Line]) -> Iterator[Line]:
    for name in dict.fromkeys(line.figure.name for line in lengths):
        same = [line for line in lengths if line.figure.name == name]
        if len(same) > 1:
            yield _compare_two(same[0], same[-1])


def _compare_two(short: Line, long: Line) -> Line:
    case = f"{long.figure.case} against {short.figure.case.removeprefix('thread of ')}"
    values = {server: value / short.values[server] for server, value in long.values.items()}
    ratios = {server: values[server] / values[HANDWRITTEN] for server in long.ratios}
    return Line(Figure(f"growth of {long.figure.name}", case, "x"), values, ratios)


def _cells(line: Line, servers: tuple[str, ...], baseline: str) -> list[str]:
    cells: list[str] = []
    for server in servers:
        value = line.values.get(server)
        cells.append("" if value is None else f"{_number(value)} {line.figure.unit}".strip())
        if server != baseline:
            cells.append(_ratio_cell(line, server))
    return cells


def _number(value: float) -> str:
    # Four figures and more are counts or milliseconds: nobody wants 1.23e+03.
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.3g}"


def _ratio_cell(line: Line, server: str) -> str:
    ratio = line.ratios.get(server)
    if ratio is None:
        return ""
    loss = ratio if line.figure.better == "lower" else 1 / ratio if ratio else math.inf
    style = "green" if loss <= 1 else "red" if loss > 1.05 else "yellow"
    return f"[{style}]{ratio:.2f}[/]"
