"""From the samples of all rounds to medians, ratios, a table and a JSON document."""

from __future__ import annotations

import json
import math
import os
import platform
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure, Rounds
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


@dataclass(frozen=True, slots=True)
class Line:
    """A figure with the median of every server, and ours / the baseline's as the median of the rounds' ratios."""

    figure: Figure
    values: dict[str, float]
    ratios: dict[str, float]


def publish(
    lines: list[Line],
    servers: tuple[str, ...],
    file: Path | None,
    settings: dict[str, Any],
    *notes: str,
    baseline: str = HANDWRITTEN,
    **more: Any,
) -> None:
    """Print the table and the notes, and write the JSON into `file` where there is one."""
    # In a file the table is as wide as it needs to be; a terminal says itself.
    console = Console(width=None if sys.stdout.isatty() else 140)
    print_table(console, lines, servers, *notes, baseline=baseline)
    if file is not None:
        document = as_document(lines, settings, baseline=baseline, **more)
        file.write_text(json.dumps(document, indent=2) + "\n")


def summarise(rounds: Rounds, baseline: str = HANDWRITTEN) -> list[Line]:
    """Turn `{server: a sample per round}` into lines, in the order in which the figures were taken.

    Figures of a series stand together, and after them how the largest compares with the smallest.
    """
    figures = list(dict.fromkeys(figure for samples in rounds.values() for sample in samples for figure in sample))
    firsts = {_series_of(figure): place for place, figure in reversed(list(enumerate(figures))) if figure.series}
    places = {figure: firsts.get(_series_of(figure), place) for place, figure in enumerate(figures)}
    lines: list[Line] = []
    for _, group in groupby(sorted(figures, key=places.__getitem__), key=places.__getitem__):
        same = sorted(group, key=lambda figure: figure.size)
        lines += [_line(figure, _taken(figure, rounds), baseline) for figure in same]
        if len(same) > 1:
            lines.append(_growth(same[0], same[-1], rounds, baseline))
    return lines


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


def _series_of(figure: Figure) -> tuple[str, str]:
    return figure.name, figure.series


def _taken(figure: Figure, rounds: Rounds) -> dict[str, list[float]]:
    taken = {server: [sample[figure] for sample in samples if figure in sample] for server, samples in rounds.items()}
    taken = {server: numbers for server, numbers in taken.items() if numbers}
    if figure.keep == "median":
        return taken
    # A sum and a worst case are one number for the whole run, and so is their ratio.
    return {server: [sum(numbers) if figure.keep == "sum" else max(numbers)] for server, numbers in taken.items()}


def _growth(small: Figure, large: Figure, rounds: Rounds, baseline: str) -> Line:
    small_taken, large_taken = _taken(small, rounds), _taken(large, rounds)
    grown = {
        server: [most / least for least, most in zip(small_taken[server], numbers, strict=True)]
        for server, numbers in large_taken.items()
        if all(small_taken.get(server, [0]))
    }
    return _line(Figure(f"growth of {small.name}", f"{large.case} against {small.size:,}", "x"), grown, baseline)


def _line(figure: Figure, taken: dict[str, list[float]], baseline: str) -> Line:
    base = taken.get(baseline, [])
    ratios = {
        server: median(ours / theirs for ours, theirs in zip(numbers, base, strict=True))
        for server, numbers in taken.items()
        if server != baseline and base and all(base)
    }
    return Line(figure, {server: median(numbers) for server, numbers in taken.items()}, ratios)


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
