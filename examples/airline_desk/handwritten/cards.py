"""The desk's cards."""

from __future__ import annotations

from typing import Any

from app.trips import BAG_PRICE, FLIGHTS, MEALS, SEATS, UPGRADE_PRICE
from chatkit.actions import ActionConfig
from chatkit.widgets import Badge, Button, Caption, Card, Row, Text, Title, WidgetComponentBase


def _choice(title: str, kind: str, key: str, options: dict[str, str], chosen: str | None) -> Card:
    children: list[WidgetComponentBase] = [Title(value=title, size="sm")]
    for value, label in options.items():
        click = ActionConfig(type=kind, payload={key: value})
        children.append(Button(label=label, disabled=chosen is not None, onClickAction=click))
    if chosen is not None:
        children.append(Caption(value=chosen))
    return Card(children=children)


def flights_card(chosen: str | None = None) -> Card:
    options = {number: f"{number}: {route}" for number, route in FLIGHTS.items()}
    return _choice("Other flights", "flight.select", "flight", options, chosen)


def meals_card(chosen: str | None = None) -> Card:
    return _choice("Your meal", "meal.choose", "meal", {meal: meal for meal in MEALS}, chosen)


def seats_card(chosen: str | None = None) -> Card:
    return _choice("Free seats", "seat.choose", "seat", {seat: seat for seat in SEATS}, chosen)


def upgrade_card(outcome: str | None = None) -> Card:
    title = Title(value=f"Business class for {UPGRADE_PRICE} euros", size="sm")
    if outcome is not None:
        return Card(children=[title, Caption(value=outcome)])
    accept = Button(label="Upgrade", style="primary", onClickAction=ActionConfig(type="upgrade.accept"))
    decline = Button(label="No, thank you", onClickAction=ActionConfig(type="upgrade.decline"))
    return Card(children=[title, Row(gap=2, children=[accept, decline])])


def trip_card(trip: dict[str, Any]) -> Card:
    booked = trip["status"] == "booked"
    head = Row(
        children=[
            Title(value=trip["flight"], size="sm"),
            Badge(label=trip["status"], color="success" if booked else "danger"),
        ]
    )
    children: list[WidgetComponentBase] = [
        head,
        Text(value=trip["route"]),
        Text(value=f"Seat {trip['seat']}, {trip['cabin']}, {trip['meal']}, bags: {trip['bags']}"),
    ]
    if booked:
        bag = Button(label=f"Add a bag, {BAG_PRICE} euros", onClickAction=ActionConfig(type="bag.add"))
        cancel = Button(label="Cancel the trip", onClickAction=ActionConfig(type="trip.cancel"))
        children.append(Row(gap=2, children=[bag, cancel]))
    return Card(children=children)
