"""What the guide can do, what a click on a line does, and what can be mentioned with `@`."""

from typing import Any

from agents import RunContextWrapper
from app.metro import LINES, describe, find, route
from chatkit.actions import Action
from chatkit.types import EntitySource, ThreadItemReplacedEvent, WidgetItem

from runtime import RuntimeContext

Context = RunContextWrapper[RuntimeContext]


async def plan_route(ctx: Context, start: str, end: str) -> list[str]:
    """Plan the way between two stations, by their ids, and tell it with each station as a source."""
    way = route(start, end)
    text, sources = "", []
    for station in map(describe, way):
        text += f"{' > ' if text else ''}{station['name']}"
        about = {"title": station["name"], "icon": "map-pin", "group": "Stations"}
        source = EntitySource(id=station["id"], interactive=True, **about)
        sources.append((source, len(text)))
    await ctx.context.say(text, sources)
    return way


async def choose_line(ctx: Context) -> None:
    """Let the user choose a line to look at."""
    await ctx.context.show_widget("lines", {"lines": list(LINES)})


async def look_at_line(ctx: Context, action: Action[str, Any], sender: WidgetItem | None) -> None:
    """Mark the line in the card, and let the map follow."""
    line = action.payload["line"]
    if sender is not None:
        widget = await ctx.context.render("lines", {"lines": list(LINES), "chosen": line})
        await ctx.context.stream(ThreadItemReplacedEvent(item=sender.model_copy(update={"widget": widget})))
    await ctx.context.effect("map.focus", {"stations": LINES[line]})


def search(query: str, context: Any) -> list[dict[str, Any]]:
    """What the page offers as the user types `@`."""
    return [entity(station) for station in find(query)]


def lookup(station: str, context: Any) -> dict[str, Any]:
    """What is known of a station that the user has tagged."""
    return entity(describe(station))


def entity(station: dict[str, Any]) -> dict[str, Any]:
    """A station as something that can be mentioned."""
    lines = {"lines": ", ".join(station["lines"])}
    return {"id": station["id"], "title": station["name"], "group": "Stations", "icon": "map-pin", "data": lines}
