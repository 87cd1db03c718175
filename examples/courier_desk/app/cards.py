"""The desk's widgets, drawn in ChatKit Studio and filled in here."""

from __future__ import annotations

from chatkit.widgets import DynamicWidgetRoot, WidgetTemplate

from app.parcels import SLOTS, Parcel

_parcel = WidgetTemplate.from_file("../widgets/parcel.widget")
_slots = WidgetTemplate.from_file("../widgets/slots.widget")
_receipt = WidgetTemplate.from_file("../widgets/receipt.widget")
_claim = WidgetTemplate.from_file("../widgets/claim.widget")


def parcel_card(parcel: Parcel) -> DynamicWidgetRoot:
    return _parcel.build(
        {
            "number": parcel.number,
            "contents": parcel.contents,
            "status": parcel.status,
            "street": parcel.street,
            "slot": parcel.slot,
        }
    )


def slots_card(parcel: Parcel) -> DynamicWidgetRoot:
    return _slots.build({"number": parcel.number, "slots": list(SLOTS), "chosen": parcel.slot})


def claim_card(claim: str, damage: str, status: str) -> DynamicWidgetRoot:
    return _claim.build({"claim": claim, "damage": damage, "status": status})


def receipt_card(lines: str, streaming: bool) -> DynamicWidgetRoot:
    return _receipt.build({"lines": lines, "streaming": streaming})
