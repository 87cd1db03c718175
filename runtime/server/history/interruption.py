"""The card that a thread shows below an answer that was interrupted, because its process has died."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from chatkit.types import ThreadItem, WidgetItem
from chatkit.widgets import DynamicWidgetRoot

from runtime.stores.ids import new_id

CONTINUE_ACTION = "runtime.continue"
"""The action type of the card's button; the runtime handles it."""
_KEY = "runtime.interrupted"


@dataclass(frozen=True, slots=True)
class CardTexts:
    """The texts of the card."""

    interrupted: str = "The answer was interrupted."
    try_again: str = "Try again"


DEFAULT_TEXTS = CardTexts()


def interruption_card(thread_id: str, texts: CardTexts = DEFAULT_TEXTS) -> WidgetItem:
    """Make a card that says that the answer above was interrupted, with a button to try again."""
    caption = {"type": "Caption", "value": texts.interrupted}
    button = {"label": texts.try_again, "action": {"type": CONTINUE_ACTION, "payload": {}}}
    widget = DynamicWidgetRoot.model_validate(
        {"type": "Card", "key": _KEY, "size": "sm", "children": [caption], "confirm": button}
    )
    now, copy_text = datetime.now(UTC), texts.interrupted
    return WidgetItem(id=new_id("message"), thread_id=thread_id, created_at=now, widget=widget, copy_text=copy_text)


def is_interruption(item: ThreadItem) -> bool:
    """Return whether an item is such a card, with or without its button."""
    return isinstance(item, WidgetItem) and item.widget.key == _KEY


def is_open_interruption(item: ThreadItem) -> bool:
    """Return whether an item is such a card, and its button has not been clicked."""
    return is_interruption(item) and "confirm" in (item.widget.model_extra or {})  # type: ignore[union-attr]


def close_interruptions(items: Sequence[ThreadItem]) -> list[WidgetItem]:
    """Return the cards among the items without their buttons, because the conversation has gone on."""
    return [_without_button(item) for item in items if isinstance(item, WidgetItem) and is_open_interruption(item)]


def _without_button(card: WidgetItem) -> WidgetItem:
    widget = card.widget.model_dump(mode="json", exclude={"confirm"}, exclude_none=True)
    return card.model_copy(update={"widget": DynamicWidgetRoot.model_validate(widget)})
