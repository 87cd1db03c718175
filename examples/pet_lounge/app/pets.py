"""The pets of the lounge, one for each thread, and how they feel."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

MOST = 10
MEALS = {"seeds": 2, "cucumber": 1, "omelette": 4}


@dataclass
class Pet:
    """How a pet feels, each from 0 to 10; `named` says whether its guest has given it a name."""

    name: str = "a nameless ferret"
    energy: int = 6
    joy: int = 6
    shine: int = 6
    named: bool = False

    def change(self, energy: int = 0, joy: int = 0, shine: int = 0) -> None:
        self.energy = max(0, min(MOST, self.energy + energy))
        self.joy = max(0, min(MOST, self.joy + joy))
        self.shine = max(0, min(MOST, self.shine + shine))

    def feed(self, meal: str) -> None:
        self.change(energy=MEALS.get(meal, 1), shine=-1)

    def play(self) -> None:
        self.change(energy=-2, joy=3, shine=-1)

    def wash(self) -> None:
        self.change(joy=-1, shine=MOST)

    def rename(self, name: str) -> None:
        """Give the pet its name; it keeps the first one."""
        if not self.named:
            self.name, self.named = name.strip().title(), True

    def state(self) -> dict[str, Any]:
        return asdict(self)


class Lounge:
    """Who lives here."""

    def __init__(self) -> None:
        self._pets: dict[str, Pet] = {}

    def pet(self, thread_id: str) -> Pet:
        return self._pets.setdefault(thread_id, Pet())


lounge = Lounge()
