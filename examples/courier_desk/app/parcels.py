"""The parcels the desk knows of, in memory: tools, widget actions and REST routes all read the same book."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

SLOTS = ("8 to 10", "12 to 14", "18 to 20")


class UnknownParcelError(LookupError):
    """The customer has no parcel with this number."""


@dataclass(frozen=True)
class Parcel:
    number: str
    customer: str
    contents: str
    status: str
    street: str
    weight_kg: float
    slot: str | None = None


@dataclass
class ParcelBook:
    parcels: dict[str, Parcel] = field(default_factory=dict)
    claims: dict[str, str] = field(default_factory=dict)

    def add(self, parcel: Parcel) -> None:
        self.parcels[parcel.number] = parcel

    def of(self, customer: str) -> list[Parcel]:
        return [parcel for parcel in self.parcels.values() if parcel.customer == customer]

    def find(self, number: str, customer: str) -> Parcel:
        parcel = self.parcels.get(number.strip().upper())
        if parcel is None or parcel.customer != customer:
            raise UnknownParcelError(f"{customer} has no parcel {number}")
        return parcel

    def book_slot(self, number: str, customer: str, slot: str) -> Parcel:
        parcel = replace(self.find(number, customer), slot=slot)
        self.parcels[parcel.number] = parcel
        return parcel

    def open_claim(self, number: str, customer: str, damage: str) -> str:
        parcel = self.find(number, customer)
        claim = f"CL-{len(self.claims) + 1:03}"
        self.claims[claim] = f"{parcel.number}: {damage}"
        return claim

    async def ask_depot(self, number: str, customer: str) -> Parcel:
        """Stand in for a call to the depot's system: everything else that is ready runs first."""
        for _ in range(40):
            await asyncio.sleep(0)
        return self.find(number, customer)


def sample_book() -> ParcelBook:
    book = ParcelBook()
    book.add(Parcel("P-101", "ida", 'a "fragile" vase', "at the depot", "Harbour Street 7", 3.2))
    book.add(Parcel("P-102", "ida", "two books", "on its way", "Harbour Street 7", 1.1, "12 to 14"))
    book.add(Parcel("P-201", "omar", "a bicycle wheel", "at the depot", "Mill Lane 30", 2.4))
    return book


book = sample_book()
