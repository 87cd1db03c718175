"""What comes from an earlier version of the project: clicks in its widgets, and results of tools it had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from chatkit.types import ThreadItem, WidgetItem

from runtime.assemble.project import Snapshot
from runtime.errors import RequestError
from runtime.stores.store import ModelItem

OUTDATED_TOOL = "The tool that this result is for is no longer part of this chat."
GOES_ON = "The conversation goes on with your next message."


class OutdatedWidget(RequestError):
    """A click in a stored widget that today's configuration can do nothing with; `notice` says so to the user."""

    notice = "This button belongs to an earlier version of this chat and does nothing any more."

    def __init__(self) -> None:
        super().__init__(409, "outdated_widget", self.notice)


def has_action(item: WidgetItem, action_type: str) -> bool:
    """Tell whether a widget offers an action of this type, in any of its parts."""
    return _offers(item.widget.model_dump(mode="json"), action_type)


def _offers(part: Any, action_type: str) -> bool:
    if isinstance(part, Mapping):
        return any(_is_action(key, value, action_type) or _offers(value, action_type) for key, value in part.items())
    return isinstance(part, list) and any(_offers(value, action_type) for value in part)


def _is_action(key: str, value: Any, action_type: str) -> bool:
    # `action` of a Card's buttons; `onClickAction`, `onSubmitAction`, `onChangeAction` everywhere else.
    named = key == "action" or key.endswith("Action")
    return named and isinstance(value, Mapping) and value.get("type") == action_type


def lost_tool(snapshot: Snapshot, call_id: str, history: Iterable[ThreadItem]) -> str | None:
    """The tool that made a call and that no agent has any more; None where the call was not made by a tool."""
    name = next((call["name"] for call in _calls(history) if call["call_id"] == call_id), None)
    offered = {tool.name for agent in snapshot.agents.values() for tool in agent.tools}
    return name if name not in offered else None


def _calls(history: Iterable[ThreadItem]) -> Iterable[dict[str, Any]]:
    for item in history:
        if isinstance(item, ModelItem):
            yield from (call for call in item.content.get("model_items", ()) if call.get("type") == "function_call")
