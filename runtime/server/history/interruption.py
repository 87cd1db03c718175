"""The card that a thread shows below an answer that was interrupted, because its process has died."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from chatkit.types import ThreadItem, WidgetItem
from chatkit.widgets import DynamicWidgetRoot

from runtime.stores.ids import new_id

CONTINUE_ACTION = "runtime.continue"
"""The action type of the card's button; the runtime handles it."""
_KEY = "runtime.interrupted"
_TEXT = "The answer was interrupted."


def interruption_card(thread_id: str) -> WidgetItem:
    """Make a card that says that the answer above was interrupted, with a button to try again."""
    button = {"label": "Try again", "action": {"type": CONTINUE_ACTION, "payload": {}}}
    return _card(thread_id, confirm=button)


def is_interruption(item: ThreadItem) -> bool:
    """Return whether an item is such a card, with or without its button."""
    return isinstance(item, WidgetItem) and item.widget.key == _KEY


def is_open_interruption(item: ThreadItem) -> bool:
    """Return whether an item is such a card, and its button has not been clicked."""
    return is_interruption(item) and "confirm" in (item.widget.model_extra or {})  # type: ignore[union-attr]


def close_interruptions(items: Sequence[ThreadItem]) -> list[WidgetItem]:
    """Return the cards among the items without their buttons, because the conversation has gone on."""
    return [
        _card(item.thread_id).model_copy(update={"id": item.id, "created_at": item.created_at})
        for item in items
        if is_open_interruption(item)
    ]


def _card(thread_id: str, **button: Any) -> WidgetItem:
    caption = {"type": "Caption", "value": _TEXT}
    widget = DynamicWidgetRoot.model_validate(
        {"type": "Card", "key": _KEY, "size": "sm", "children": [caption], **button}
    )
    now = datetime.now(UTC)
    return WidgetItem(id=new_id("message"), thread_id=thread_id, created_at=now, widget=widget, copy_text=_TEXT)
