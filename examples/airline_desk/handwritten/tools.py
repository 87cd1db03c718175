"""What the desk's agent can do."""

from __future__ import annotations

from typing import Any

from agents import RunContextWrapper, function_tool
from app.trips import Trip, Trips
from chatkit.agents import AgentContext
from pydantic import ConfigDict

from handwritten.cards import flights_card, meals_card, seats_card, trip_card, upgrade_card


class DeskContext(AgentContext[dict[str, Any]]):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    trips: Trips

    @property
    def trip(self) -> Trip:
        return self.trips.of(self.request_context["customer"])


Context = RunContextWrapper[DeskContext]


@function_tool
async def show_trip(ctx: Context) -> str:
    """Show the customer's trip as a card."""
    await ctx.context.stream_widget(trip_card(ctx.context.trip.card()))
    return "The trip was shown."


@function_tool
async def show_flights(ctx: Context) -> str:
    """Let the customer choose another flight."""
    await ctx.context.stream_widget(flights_card())
    return "The flights were shown."


@function_tool
async def show_seats(ctx: Context) -> str:
    """Let the customer choose another seat."""
    await ctx.context.stream_widget(seats_card())
    return "The seats were shown."


@function_tool
async def show_meals(ctx: Context) -> str:
    """Let the customer choose a meal."""
    await ctx.context.stream_widget(meals_card())
    return "The meals were shown."


@function_tool
async def offer_upgrade(ctx: Context) -> str:
    """Offer business class."""
    await ctx.context.stream_widget(upgrade_card())
    return "The upgrade was offered."


@function_tool
async def change_seat(ctx: Context, seat: str) -> str:
    """Move the customer to this seat."""
    return ctx.context.trip.take_seat(seat)


@function_tool
async def add_bag(ctx: Context) -> str:
    """Add a checked bag."""
    return ctx.context.trip.add_bag()


CARDS = [show_flights, show_seats, show_meals, offer_upgrade]
TOOLS = [show_trip, *CARDS, change_seat, add_bag]
