"""What happens when the customer clicks in one of the desk's widgets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from agents import RunContextWrapper
from chatkit.actions import Action
from chatkit.types import (
    ClientEffectEvent,
    ThreadItemReplacedEvent,
    ThreadStreamEvent,
    WidgetItem,
)

from app.cards import claim_card, slots_card
from app.context import DeskContext


async def choose_slot(
    ctx: RunContextWrapper[DeskContext], action: Action[str, Any], sender: WidgetItem | None
) -> AsyncIterator[ThreadStreamEvent]:
    """Book the slot, draw the card anew with the choice made, and let the agent know."""
    context = ctx.context
    parcel = context.parcels.book_slot(action.payload["number"], context.customer, action.payload["slot"])
    if sender is not None:
        yield ThreadItemReplacedEvent(item=sender.model_copy(update={"widget": slots_card(parcel)}))
    yield context.hidden_note(f"{parcel.number} will come {parcel.slot}")
    yield ClientEffectEvent(name="calendar.add", data={"number": parcel.number, "slot": parcel.slot})


async def withdraw_claim(
    ctx: RunContextWrapper[DeskContext], action: Action[str, Any], sender: WidgetItem | None
) -> AsyncIterator[ThreadStreamEvent]:
    """Forget the claim, and say so on its card."""
    claim = action.payload["claim"]
    entry = ctx.context.parcels.claims.pop(claim, ": unknown")
    if sender is not None:
        widget = claim_card(claim, entry.partition(": ")[2], "withdrawn")
        yield ThreadItemReplacedEvent(item=sender.model_copy(update={"widget": widget, "copy_text": None}))
    yield ctx.context.hidden_note(f"claim {claim} was withdrawn")
