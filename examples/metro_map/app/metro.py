"""A small metro: three lines, their stations, and how to get from one to another."""

from __future__ import annotations

from collections import deque
from typing import Any

LINES: dict[str, list[str]] = {
    "red": ["harbour", "old_town", "museum", "hill"],
    "blue": ["airport", "fair", "museum", "station"],
    "green": ["station", "garden", "old_town", "zoo"],
}
NAMES = {
    "harbour": "Harbour",
    "old_town": "Old Town",
    "museum": "Museum",
    "hill": "Chapel Hill",
    "airport": "Airport",
    "fair": "Fairground",
    "station": "Central Station",
    "garden": "Botanical Garden",
    "zoo": "Zoo",
}


def lines_of(station: str) -> list[str]:
    return [line for line, stations in LINES.items() if station in stations]


def describe(station: str) -> dict[str, Any]:
    """What is known of a station. Raise KeyError."""
    return {"id": station, "name": NAMES[station], "lines": lines_of(station)}


def find(text: str) -> list[dict[str, Any]]:
    """The stations whose name contains this text."""
    return [describe(station) for station, name in NAMES.items() if text.lower() in name.lower()]


def route(start: str, end: str) -> list[str]:
    """The stations on the shortest way; empty where there is none."""
    before: dict[str, str | None] = {start: None}
    waiting = deque([start])
    while waiting:
        here = waiting.popleft()
        if here == end:
            way = [here]
            while (previous := before[way[-1]]) is not None:
                way.append(previous)
            return way[::-1]
        for there in _neighbours(here):
            if there not in before:
                before[there] = here
                waiting.append(there)
    return []


def _neighbours(station: str) -> list[str]:
    found = []
    for stations in LINES.values():
        if station in stations:
            at = stations.index(station)
            found += stations[max(0, at - 1) : at] + stations[at + 1 : at + 2]
    return found
