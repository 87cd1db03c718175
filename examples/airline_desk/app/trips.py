"""The airline's customers and their one trip each."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

MEALS = ("standard", "vegetarian", "vegan", "no meal")
SEATS = ("4C", "12A", "27F")
FLIGHTS = {
    "NW112": "Oslo to Lisbon, 07:40, one stop",
    "NW118": "Oslo to Lisbon, 12:05, direct",
    "NW131": "Oslo to Lisbon, 19:20, direct",
}
BAG_PRICE = 35
UPGRADE_PRICE = 180


@dataclass
class Trip:
    """What a customer has booked; prices are euros."""

    customer: str
    flight: str = "NW118"
    seat: str = "27F"
    meal: str = "standard"
    cabin: str = "economy"
    bags: int = 0
    status: str = "booked"
    timeline: list[str] = field(default_factory=list)

    def note(self, text: str) -> str:
        self.timeline.append(text)
        return text

    def take_flight(self, flight: str) -> str:
        if flight not in FLIGHTS:
            return f"There is no flight {flight}."
        self.flight = flight
        return self.note(f"Rebooked to {flight}.")

    def take_seat(self, seat: str) -> str:
        if seat not in SEATS:
            return f"Seat {seat} is taken."
        self.seat = seat
        return self.note(f"Seat {seat} is yours.")

    def take_meal(self, meal: str) -> str:
        if meal not in MEALS:
            return f"There is no {meal} meal."
        self.meal = meal
        return self.note(f"Meal: {meal}.")

    def add_bag(self) -> str:
        self.bags += 1
        return self.note(f"Bag {self.bags} added for {BAG_PRICE} euros.")

    def upgrade(self) -> str:
        self.cabin = "business"
        return self.note(f"Upgraded for {UPGRADE_PRICE} euros.")

    def cancel(self) -> str:
        self.status = "cancelled"
        return self.note("The trip is cancelled; the refund takes five days.")

    def card(self) -> dict[str, Any]:
        data = asdict(self)
        del data["timeline"]
        return {**data, "route": FLIGHTS[self.flight]}


class Trips:
    """Every customer's trip."""

    def __init__(self) -> None:
        self._trips: dict[str, Trip] = {}

    def of(self, customer: str) -> Trip:
        return self._trips.setdefault(customer, Trip(customer))

    def profile(self, customer: str) -> str:
        """What the desk's agent is told of a customer before each turn."""
        trip = self.of(customer)
        lines = [f"{key}: {value}" for key, value in trip.card().items()]
        return "\n".join([*lines, *(f"- {entry}" for entry in trip.timeline)])
