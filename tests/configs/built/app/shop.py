"""What looks right to who only reads it, and can't be made all the same."""

import os

from chatkit.agents import AgentContext, ThreadItemConverter
from chatkit.store import Store

PRICES = {"tea": 3}


def make_price_tool(currency: str):
    rate = {"EUR": 1.0}[currency]

    def price(item: str) -> float:
        """What an item costs."""
        return PRICES[item] * rate

    return price


class ShopContext(AgentContext):
    __slots__ = ()

    def __init_subclass__(cls, **options):
        raise TypeError("ShopContext is final")


class ShopConverter(ThreadItemConverter):
    def __init__(self):
        self.catalogue = open(os.path.join("catalogue", "items.csv"))


class Orders:
    def __init__(self):
        self.path = os.environ["ORDERS_FOLDER_OF_NOBODY"]


def make_store(url: str):
    if not url.startswith("redis://"):
        raise ValueError(f"no store for {url!r}")
    return Store()


def make_model(name: str):
    return _MODELS[name]


_MODELS = {}
