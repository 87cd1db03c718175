"""What the desk knows of one request, and what its tools get as `ctx.context`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from chatkit.agents import AgentContext
from chatkit.types import HiddenContextItem, ThreadItemDoneEvent
from pydantic import ConfigDict, Field
from starlette.requests import Request

from app.parcels import ParcelBook


def build_context(request: Request) -> dict[str, Any]:
    """Read who is asking from the headers that the company's gateway sets."""
    return {
        "request": request,
        "customer": request.headers.get("x-customer", "ida"),
        "desk": request.headers.get("x-desk", "harbour"),
    }


class DeskContext(AgentContext[dict[str, Any]]):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    parcels: Annotated[ParcelBook, Field(exclude=True)]

    @property
    def customer(self) -> str:
        return str(self.request_context["customer"])

    def hidden_note(self, text: str) -> ThreadItemDoneEvent:
        """Say something to the model, in later turns, that the customer never sees."""
        return ThreadItemDoneEvent(
            item=HiddenContextItem(
                id=self.generate_id("message"),
                thread_id=self.thread.id,
                created_at=datetime.now(),
                content=text,
            )
        )
