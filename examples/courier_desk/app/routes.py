"""The desk's own REST routes, for the page around the chat; they read the book that the tools read."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException

from app.parcels import Parcel, UnknownParcelError, book

router = APIRouter(prefix="/desk")


def _customer(x_customer: Annotated[str, Header()] = "ida") -> str:
    return x_customer


@router.get("/parcels")
async def list_parcels(customer: Annotated[str, Depends(_customer)]) -> list[dict[str, Any]]:
    return [asdict(parcel) for parcel in book.of(customer)]


@router.get("/parcels/{number}")
async def get_parcel(number: str, customer: Annotated[str, Depends(_customer)]) -> Parcel:
    try:
        return book.find(number, customer)
    except UnknownParcelError as error:
        raise HTTPException(status_code=404, detail=str(error)) from error


@router.get("/claims")
async def list_claims() -> dict[str, str]:
    return book.claims
