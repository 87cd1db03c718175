"""The airline desk as a ChatKit backend written by hand, the way the published samples are.

Run it from the folder `examples`: `python -m uvicorn --app-dir airline_desk handwritten.server:create_app --factory`.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from agents import Agent, Model, Runner, StopAtTools
from app.context import build_context
from app.trips import Trip, Trips
from chatkit.actions import Action
from chatkit.agents import ThreadItemConverter, stream_agent_response
from chatkit.server import ChatKitServer, StreamingResult
from chatkit.types import (
    Attachment,
    ErrorEvent,
    HiddenContextItem,
    ThreadItemReplacedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
    WidgetItem,
)
from chatkit.widgets import Card
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from memory_store import MemoryStore
from openai.types.responses import (
    ResponseInputContentParam,
    ResponseInputFileParam,
    ResponseInputImageParam,
    ResponseInputItemParam,
    ResponseInputTextParam,
)

from handwritten.cards import flights_card, meals_card, seats_card, trip_card, upgrade_card
from handwritten.files import FolderOfAttachments, file_routes
from handwritten.tools import CARDS, TOOLS, DeskContext

PROMPT = Path(__file__).parents[1] / "prompts" / "desk.md"
Context = dict[str, Any]
Done = tuple[str, Callable[[Trip], Card]]


class DeskConverter(ThreadItemConverter):
    def __init__(self, files: FolderOfAttachments) -> None:
        self.files = files

    async def attachment_to_message_content(self, attachment: Attachment) -> ResponseInputContentParam:
        data = self.files.path(attachment.id).read_bytes()
        if attachment.mime_type.startswith("text/"):
            text = f"<FILE name={attachment.name!r}>\n{data.decode()}\n</FILE>"
            return ResponseInputTextParam(type="input_text", text=text)
        url = f"data:{attachment.mime_type};base64,{base64.b64encode(data).decode()}"
        if attachment.mime_type.startswith("image/"):
            return ResponseInputImageParam(type="input_image", detail="auto", image_url=url)
        return ResponseInputFileParam(type="input_file", file_data=url, filename=attachment.name)

    async def hidden_context_to_input(self, item: HiddenContextItem) -> ResponseInputItemParam | None:
        return {"role": "user", "content": [{"type": "input_text", "text": f"<DESK_NOTE>{item.content}</DESK_NOTE>"}]}


class DeskServer(ChatKitServer[Context]):
    def __init__(self, model: str | Model, folder: Path) -> None:
        store = MemoryStore()
        self.files = FolderOfAttachments(folder, store)
        super().__init__(store, self.files)
        self.trips = Trips()
        self.converter = DeskConverter(self.files)
        self.desk = Agent[DeskContext](
            name="desk",
            model=model,
            instructions=PROMPT.read_text(encoding="utf-8"),
            tools=[*TOOLS],
            tool_use_behavior=StopAtTools(stop_at_tool_names=[tool.name for tool in CARDS]),
        )

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: Context
    ) -> AsyncIterator[ThreadStreamEvent]:
        history = await self.store.load_thread_items(thread.id, after=None, limit=100, order="desc", context=context)
        items = await self.converter.to_agent_input(list(reversed(history.data)))
        profile = f"<CUSTOMER>\n{self.trips.profile(context['customer'])}\n</CUSTOMER>"
        items.insert(-1, {"role": "user", "content": [{"type": "input_text", "text": profile}]})
        desk_context = DeskContext(thread=thread, store=self.store, request_context=context, trips=self.trips)
        result = Runner.run_streamed(self.desk, items, context=desk_context)
        async for event in stream_agent_response(desk_context, result):
            yield event

    async def action(
        self, thread: ThreadMetadata, action: Action[str, Any], sender: WidgetItem | None, context: Context
    ) -> AsyncIterator[ThreadStreamEvent]:
        done = self._carry_out(self.trips.of(context["customer"]), action)
        if done is None:
            yield ErrorEvent(message=f"Unknown action {action.type}", allow_retry=False)
            return
        said, card = done
        if sender is not None:
            widget = card(self.trips.of(context["customer"]))
            yield ThreadItemReplacedEvent(item=sender.model_copy(update={"widget": widget}))
        hidden = HiddenContextItem(
            id=self.store.generate_item_id("message", thread, context),
            thread_id=thread.id,
            created_at=datetime.now(),
            content=said,
        )
        await self.store.add_thread_item(thread.id, hidden, context)

    def _carry_out(self, trip: Trip, action: Action[str, Any]) -> Done | None:
        payload = action.payload or {}
        match action.type:
            case "flight.select":
                said = trip.take_flight(payload["flight"])
                return said, lambda _: flights_card(said)
            case "seat.choose":
                said = trip.take_seat(payload["seat"])
                return said, lambda _: seats_card(said)
            case "meal.choose":
                said = trip.take_meal(payload["meal"])
                return said, lambda _: meals_card(said)
            case "bag.add":
                return trip.add_bag(), lambda trip: trip_card(trip.card())
            case "trip.cancel":
                return trip.cancel(), lambda trip: trip_card(trip.card())
            case "upgrade.accept":
                said = trip.upgrade()
                return said, lambda _: upgrade_card(said)
            case "upgrade.decline":
                return trip.note("No upgrade."), lambda _: upgrade_card("No upgrade.")
        return None


def create_app(model: str | Model = "gpt-6-luna", folder: Path | None = None) -> FastAPI:
    app = FastAPI(title="Airline Desk")
    server = DeskServer(model, folder or Path(tempfile.mkdtemp()))

    @app.post("/chatkit")
    async def chatkit(request: Request) -> Response:
        result = await server.process(await request.body(), build_context(request))
        if isinstance(result, StreamingResult):
            return StreamingResponse(result, media_type="text/event-stream")
        return Response(content=result.json, media_type="application/json")

    app.include_router(file_routes(server.files))
    return app
