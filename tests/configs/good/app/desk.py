"""What a desk knows: its visitor, its customers and its tools."""

from dataclasses import dataclass, field
from typing import Any, TypedDict

from agents import RunContextWrapper, function_tool
from pydantic import BaseModel


@dataclass
class Visitor:
    """Who stands at the desk."""

    units: str
    bags: list[str] = field(default_factory=list)

    def greeting(self) -> str:
        """A word of welcome."""
        return "Welcome."


class Customers:
    """Every customer, by number."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def profile(self, number: str) -> str:
        """What is known of a customer."""
        return self.names.get(number, "")


class Order(BaseModel):
    """An order."""

    number: str


class Parcel(TypedDict):
    """A parcel."""

    weight: float


class Loose:
    """Anything may be read from it."""

    def __getattr__(self, name: str) -> str:
        return name


def build(request: Any) -> Visitor:
    """Who asks."""
    return Visitor("metric")


def open_order():
    """An order without a type hint."""
    return Order(number="A-1")


def weigh() -> Parcel:
    """A parcel."""
    return {"weight": 1.0}


@function_tool
async def send_back(ctx: RunContextWrapper[Any], order: str, amount: float, currency: str) -> str:
    """Send an order back."""
    return f"{order}: {amount} {currency}"
