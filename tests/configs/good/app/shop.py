"""What the projects beside it name in Python, done right."""

import os

from agents import Model
from chatkit.agents import AgentContext, ThreadItemConverter
from chatkit.store import Store
from fastapi import APIRouter

from runtime.testing import ScriptedConversation

PRICES = {"tea": 3}
LICENCE = os.environ.get("SHOP_LICENCE", "trial")

router = APIRouter()
instructions = "Help with orders."


def price(item: str) -> float:
    """What an item costs."""
    return PRICES[item]


def make_price_tool(currency: str):
    rates = {"EUR": 1.0}
    rate = rates.get(currency, 1.0)

    def price(item: str) -> float:
        """What an item costs."""
        return PRICES[item] * rate

    return price


def make_model(name: str) -> Model:
    return ScriptedConversation.from_data({"otherwise": f"I am {name}."})


async def order(ctx, action, sender):
    return None


def context(request):
    return {"user": "local"}


def title(text: str) -> str:
    return text[:20]


def draw(data):
    return {"type": "Card", "children": [{"type": "Text", "value": "tea"}]}


class ShopContext(AgentContext):
    def shop(self) -> str:
        return "tea"


class ShopConverter(ThreadItemConverter):
    pass


class Orders:
    """Hands what it holds to its successor after an edit."""

    def __init__(self):
        self.items = ["tea"]

    def dump(self):
        return self.items

    def load(self, items):
        self.items = list(items)


class OwnStore(Store):
    async def load_thread(self, thread_id, context): ...
    async def save_thread(self, thread, context): ...
    async def load_thread_items(self, thread_id, after, limit, order, context): ...
    async def save_attachment(self, attachment, context): ...
    async def load_attachment(self, attachment_id, context): ...
    async def delete_attachment(self, attachment_id, context): ...
    async def load_threads(self, limit, after, order, context): ...
    async def add_thread_item(self, thread_id, item, context): ...
    async def save_item(self, thread_id, item, context): ...
    async def load_item(self, thread_id, item_id, context): ...
    async def delete_thread(self, thread_id, context): ...
    async def delete_thread_item(self, thread_id, item_id, context): ...


def make_store(url: str):
    return OwnStore()
