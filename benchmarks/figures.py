"""What is measured: figures, samples of them, and the samples of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """What a number says, under which load, in which unit, which direction is better, and what a run keeps of it.

    Figures of one name in one `series` differ by their `size` alone: the largest is held against the smallest.
    """

    name: str
    case: str
    unit: str
    better: Literal["lower", "higher"] = "lower"
    keep: Literal["median", "sum", "worst"] = "median"
    series: str = ""
    size: int = 0


Sample = dict[Figure, float]
Rounds = dict[str, list[Sample]]
"""The samples of each server, in the order in which they were taken."""


def counted(number: int, noun: str) -> str:
    """Return `1 agent`, `1,000 agents`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
