"""The request's preferences, and our own methods on `ctx.context`."""

from dataclasses import dataclass
from typing import Any

from chatkit.types import ThreadItemReplacedEvent, WidgetItem
from starlette.requests import Request

from runtime import RuntimeContext
from tools.packing_lists import PackingLists


@dataclass(frozen=True)
class Visitor:
    """The preferences in the request's headers: `units` is `metric` or `imperial`."""

    units: str


def build(request: Request) -> Visitor:
    """Read the visitor's preferences from the request."""
    return Visitor(units="imperial" if request.headers.get("x-units") == "imperial" else "metric")


class HikeContext(RuntimeContext):
    """The runtime's context with a method of our own; `packing` comes from `state` in agents.yaml."""

    packing: PackingLists

    async def show_list(self, replace: WidgetItem | None = None) -> None:
        """Show this thread's packing list; `replace` is the widget that it replaces."""
        data: dict[str, Any] = {"items": self.packing.items(self.thread.id)}
        if replace is None:
            await self.show_widget("packing", data)
        else:
            widget = await self.render("packing", data)
            await self.stream(ThreadItemReplacedEvent(item=replace.model_copy(update={"widget": widget})))
