"""The report of a run: a table by operator, the broken promises, and the missed mutants by cause."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from rich.console import Console
from rich.table import Table

from benchmarks.mutants.operators import OPERATORS, Mutant
from benchmarks.mutants.trial import Depth, Outcome, Trial

AIM = 0.97
_SHARE_FROM = 500
"""With fewer mutants, the share that is caught says nothing."""
_SHOWN = 5
_PARTICULARS = re.compile(r"\breq_\w+|\bthr_\w+|\d+(?::\d+)+|\[.*?\]|0x[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Row:
    """One mutant and its trial; `index` and the seed reproduce it."""

    index: int
    mutant: Mutant
    trial: Trial

    @property
    def outcome(self) -> Outcome:
        """Whether the checks were right; a run does not show each mistake."""
        if self.mutant.shows_late and self.trial.step is None:
            return "caught" if self.trial.errors or self.trial.warnings else "missed"
        return self.trial.outcome

    @property
    def cause(self) -> str:
        """The failure, without ids and positions."""
        reason = _PARTICULARS.sub("…", str(self.trial.reason).partition("\n")[0])
        return f"{str(self.trial.step).partition(' ')[0]}: {reason[:140]}"

    def as_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "index": self.index,
            "operator": self.mutant.operator,
            "file": self.mutant.file,
            "what": self.mutant.what,
            "outcome": self.outcome,
            "depth": self.trial.depth,
            "step": self.trial.step,
            "reason": self.trial.reason,
            "errors": list(self.trial.errors),
            "warnings": list(self.trial.warnings),
            "crash": self.trial.crash,
        }


class Verdict:
    """All rows of a run, and their sums."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.counts = Counter[str](row.outcome for row in rows)
        self.crashed = [row for row in rows if row.trial.crash]

    @property
    def broken(self) -> int:
        """The number of mutants that fail."""
        return sum(self.counts[outcome] for outcome in ("caught", "warned", "missed"))

    @property
    def share(self) -> float:
        """The share of the broken mutants for which an error is reported."""
        return self.counts["caught"] / max(self.broken, 1)

    def failures(self) -> list[str]:
        """Return the promises that were broken."""
        checks = [
            (self.counts["refused"], "mutants that work were refused"),
            (len(self.crashed), "mutants made the checks themselves fail"),
            (
                len(self.rows) >= _SHARE_FROM and self.share < AIM,
                f"less than {AIM:.0%} of the broken mutants were caught",
            ),
        ]
        return [text for count, text in checks if count]

    def as_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "mutants": len(self.rows),
            "broken": self.broken,
            "counts": dict(self.counts),
            "caught_share": self.share,
            "failures": self.failures(),
            "by_operator": {
                name: dict(counts) for name, counts in _counted(self.rows, lambda row: row.mutant.operator).items()
            },
            "rows": [row.as_json() for row in self.rows],
        }


def print_verdict(verdict: Verdict, console: Console) -> None:
    """Print the tables, the missed mutants by cause, the broken promises and a summary."""
    console.print(_table("operator", _counted(verdict.rows, lambda row: row.mutant.operator), verdict))
    broken = [row for row in verdict.rows if row.trial.step is not None]
    console.print(
        "\n", _table("what broke", _counted(broken, lambda row: str(row.trial.depth)), Verdict(broken)), sep=""
    )
    _print_causes("missed", "broken, not reported", verdict, console)
    _print_causes("warned", "broken, reported as a warning only", verdict, console)
    _print_rows("working, reported as an error", [row for row in verdict.rows if row.outcome == "refused"], console)
    _print_rows("the checks themselves failed", verdict.crashed, console)
    for text in verdict.failures():
        console.print(f"BROKEN: {text}")
    counts = verdict.counts
    works = counts["working"] + counts["refused"]
    console.print(
        f"{len(verdict.rows)} mutants, {verdict.broken} broken, {counts['caught']} caught ({verdict.share:.1%}), "
        f"{works} working, {counts['refused']} refused wrongly"
    )


def _counted(rows: Iterable[Row], group: Callable[[Row], str]) -> dict[str, Counter[str]]:
    counted: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        counted[group(row)][row.outcome] += 1
    order = [*OPERATORS, *get_args(Depth)]
    return dict(sorted(counted.items(), key=lambda item: order.index(item[0])))


def _table(title: str, groups: Mapping[str, Counter[str]], verdict: Verdict) -> Table:
    table = Table(title, box=None, pad_edge=False)
    for column in ("mutants", "broken", "caught", "share", "warned only", "missed", "working", "refused wrongly"):
        table.add_column(column, justify="right")
    for name, counts in {**groups, "all": verdict.counts}.items():
        broken = counts["caught"] + counts["warned"] + counts["missed"]
        share = f"{counts['caught'] / broken:.0%}" if broken else "-"
        works = counts["working"] + counts["refused"]
        figures = (broken, counts["caught"], share, counts["warned"], counts["missed"], works, counts["refused"])
        table.add_row(name, str(counts.total()), *map(str, figures))
    return table


def _print_causes(outcome: str, title: str, verdict: Verdict, console: Console) -> None:
    causes: defaultdict[str, list[Row]] = defaultdict(list)
    for row in verdict.rows:
        if row.outcome == outcome:
            causes[row.cause].append(row)
    if causes:
        console.print(f"\n{title}:")
    for cause, rows in sorted(causes.items(), key=lambda item: -len(item[1])):
        console.print(f"  {len(rows)} x {cause}")
        for row in rows[:_SHOWN]:
            console.print(f"      {row.index}: {row.mutant.file}: {row.mutant.what}")


def _print_rows(title: str, rows: Sequence[Row], console: Console) -> None:
    if rows:
        console.print(f"\n{title}:")
    for row in rows:
        text = row.trial.crash or row.trial.errors[0]
        console.print(f"  {row.index}: {row.mutant.file}: {row.mutant.what}\n      {text}")
