"""Compare two servers' exchanges, and hold what differs against the list of what may."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.examples.exchanges import Event, Exchange


@dataclass(frozen=True)
class Difference:
    """Events at one place of one exchange: what the handwritten server sent there, and what ours sent."""

    where: str
    handwritten: tuple[Event, ...]
    ours: tuple[Event, ...]

    def __str__(self) -> str:
        lines = [f"{self.where}:"]
        lines += [f"  handwritten: {json.dumps(event)}" for event in self.handwritten]
        lines += [f"  ours:        {json.dumps(event)}" for event in self.ours]
        return "\n".join(lines)


@dataclass(frozen=True)
class Permitted:
    """An entry of differences.yaml; its events may leave keys out."""

    where: str
    handwritten: tuple[Event, ...]
    ours: tuple[Event, ...]
    why: str

    def covers(self, difference: Difference) -> bool:
        return (
            self.where == difference.where
            and _fits(self.handwritten, difference.handwritten)
            and _fits(self.ours, difference.ours)
        )


def read_permitted(path: Path) -> list[Permitted]:
    entries = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    return [
        Permitted(entry["where"], tuple(entry["handwritten"]), tuple(entry["ours"]), entry["why"]) for entry in entries
    ]


def differences(handwritten: Exchange, ours: Exchange) -> list[Difference]:
    """List the places where the two differ: unequal runs of events; the status and each row of a page count as one."""
    left, right = _lines(handwritten), _lines(ours)
    matcher = difflib.SequenceMatcher(None, [_text(e) for e in left], [_text(e) for e in right], autojunk=False)
    return [
        Difference(handwritten.name, tuple(left[a:b]), tuple(right[c:d]))
        for kind, a, b, c, d in matcher.get_opcodes()
        if kind != "equal"
    ]


def _lines(exchange: Exchange) -> list[Event]:
    return [{"status": exchange.status}, *(line for event in exchange.events for line in _rows(event))]


def _rows(event: Event) -> list[Event]:
    """Take a page apart, be it the whole answer or the items of a thread."""
    if isinstance(event.get("data"), list):
        return [{**event, "data": "the rows below"}, *event["data"]]
    if isinstance(event.get("items"), dict):
        return [{**event, "items": "the page below"}, *_rows(event["items"])]
    return [event]


def _text(event: Event) -> str:
    return json.dumps(event, sort_keys=True)


def _fits(wanted: Any, found: Any) -> bool:
    """Say whether `found` has all that `wanted` names: lists of equal length, texts whole or up to a final ellipsis."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(key in found and _fits(wanted[key], found[key]) for key in wanted)
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return (
            isinstance(found, Sequence)
            and len(wanted) == len(found)
            and all(_fits(inner, other) for inner, other in zip(wanted, found, strict=True))
        )
    if isinstance(wanted, str) and wanted.endswith("…"):
        return isinstance(found, str) and found.startswith(wanted[:-1])
    return bool(wanted == found)
