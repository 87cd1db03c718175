"""What the desk's agent can do, and what a click in its cards does."""

from typing import Any

from agents import RunContextWrapper
from app.trips import BAG_PRICE, FLIGHTS, MEALS, SEATS, UPGRADE_PRICE, Trip
from chatkit.actions import Action
from chatkit.types import ThreadItemReplacedEvent, WidgetItem

from runtime import RuntimeContext

Context = RunContextWrapper[RuntimeContext]
Click = Action[str, Any]

FLIGHT_OPTIONS = {f"{number}: {route}": {"flight": number} for number, route in FLIGHTS.items()}
SEAT_OPTIONS = {seat: {"seat": seat} for seat in SEATS}
MEAL_OPTIONS = {meal: {"meal": meal} for meal in MEALS}


def _trip(ctx: Context) -> Trip:
    trip: Trip = ctx.context.trips.of(ctx.context.request_context["customer"])
    return trip


def _choice(title: str, action: str, options: dict[str, dict[str, str]], **chosen: str) -> dict[str, Any]:
    labelled = [{"label": label, "payload": payload} for label, payload in options.items()]
    return {"title": title, "action": action, "options": labelled, **chosen}


def flights(**chosen: str) -> dict[str, Any]:
    return _choice("Other flights", "flight.select", FLIGHT_OPTIONS, **chosen)


def seats(**chosen: str) -> dict[str, Any]:
    return _choice("Free seats", "seat.choose", SEAT_OPTIONS, **chosen)


def meals(**chosen: str) -> dict[str, Any]:
    return _choice("Your meal", "meal.choose", MEAL_OPTIONS, **chosen)


def card(trip: Trip) -> dict[str, Any]:
    return {**trip.card(), "bag_price": BAG_PRICE}


async def show_trip(ctx: Context) -> str:
    """Show the customer's trip as a card."""
    await ctx.context.show_widget("trip", card(_trip(ctx)))
    return "The trip was shown."


async def show_flights(ctx: Context) -> None:
    """Let the customer choose another flight."""
    await ctx.context.show_widget("choice", flights())


async def show_seats(ctx: Context) -> None:
    """Let the customer choose another seat."""
    await ctx.context.show_widget("choice", seats())


async def show_meals(ctx: Context) -> None:
    """Let the customer choose a meal."""
    await ctx.context.show_widget("choice", meals())


async def offer_upgrade(ctx: Context) -> None:
    """Offer business class."""
    await ctx.context.show_widget("upgrade", {"price": UPGRADE_PRICE})


async def change_seat(ctx: Context, seat: str) -> str:
    """Move the customer to this seat."""
    return _trip(ctx).take_seat(seat)


async def add_bag(ctx: Context) -> str:
    """Add a checked bag."""
    return _trip(ctx).add_bag()


async def _done(ctx: Context, sender: WidgetItem | None, said: str, widget: str, data: dict[str, Any]) -> None:
    """Draw the clicked card anew, and let the agent know."""
    if sender is not None:
        drawn = await ctx.context.render(widget, data)
        await ctx.context.stream(ThreadItemReplacedEvent(item=sender.model_copy(update={"widget": drawn})))
    await ctx.context.remember(said)


async def select_flight(ctx: Context, action: Click, sender: WidgetItem | None) -> None:
    said = _trip(ctx).take_flight(action.payload["flight"])
    await _done(ctx, sender, said, "choice", flights(chosen=said))


async def choose_seat(ctx: Context, action: Click, sender: WidgetItem | None) -> None:
    said = _trip(ctx).take_seat(action.payload["seat"])
    await _done(ctx, sender, said, "choice", seats(chosen=said))


async def choose_meal(ctx: Context, action: Click, sender: WidgetItem | None) -> None:
    said = _trip(ctx).take_meal(action.payload["meal"])
    await _done(ctx, sender, said, "choice", meals(chosen=said))


async def buy_bag(ctx: Context, action: Click, sender: WidgetItem | None) -> None:
    said = _trip(ctx).add_bag()
    await _done(ctx, sender, said, "trip", card(_trip(ctx)))


async def cancel_trip(ctx: Context, action: Click, sender: WidgetItem | None) -> None:
    said = _trip(ctx).cancel()
    await _done(ctx, sender, said, "trip", card(_trip(ctx)))


async def accept_upgrade(ctx: Context, action: Click, sender: WidgetItem | None) -> None:
    said = _trip(ctx).upgrade()
    await _done(ctx, sender, said, "upgrade", {"price": UPGRADE_PRICE, "outcome": said})


async def decline_upgrade(ctx: Context, action: Click, sender: WidgetItem | None) -> None:
    said = _trip(ctx).note("No upgrade.")
    await _done(ctx, sender, said, "upgrade", {"price": UPGRADE_PRICE, "outcome": said})
