"""The courier desk as a ChatKit backend written by hand, the way the published samples are.

Run it from the folder `examples`: `python -m uvicorn --app-dir courier_desk handwritten.server:create_app --factory`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from agents import Agent, ImageGenerationTool, Model, RunContextWrapper, Runner, StopAtTools
from app.actions import choose_slot, withdraw_claim
from app.context import DeskContext, build_context
from app.converter import DeskConverter
from app.parcels import book
from app.prompts import CLAIMS, PRICING, TITLE, desk_instructions
from app.routes import router
from app.tools import (
    ask_location,
    ask_where_to_leave,
    list_parcels,
    look_up_rate,
    open_claim,
    plan_route,
    point_at_map,
    print_receipt,
    show_slots,
    sign_off,
    take_note,
    track_parcel,
)
from chatkit.actions import Action
from chatkit.agents import ResponseStreamConverter, stream_agent_response
from chatkit.server import ChatKitServer, StreamingResult
from chatkit.types import ErrorEvent, ThreadMetadata, ThreadStreamEvent, UserMessageItem, WidgetItem
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from memory_store import MemoryStore

MODEL = "gpt-6-luna"
PARTIAL_IMAGES = 3
STOP_AFTER = ["show_slots", "ask_location", "ask_where_to_leave", "sign_off"]


def build_desk(model: str | Model) -> Agent[DeskContext]:
    pricing = Agent[DeskContext](name="pricing", model=model, instructions=PRICING, tools=[look_up_rate])
    claims = Agent[DeskContext](
        name="claims",
        model=model,
        instructions=CLAIMS,
        handoff_description="Handles damaged parcels.",
        tools=[open_claim],
    )
    return Agent[DeskContext](
        name="desk",
        model=model,
        instructions=desk_instructions,
        tools=[
            list_parcels,
            track_parcel,
            show_slots,
            point_at_map,
            take_note,
            ask_location,
            plan_route,
            print_receipt,
            ask_where_to_leave,
            sign_off,
            pricing.as_tool("quote_price", "Quote the price of a delivery."),
            ImageGenerationTool(tool_config={"type": "image_generation", "partial_images": PARTIAL_IMAGES}),
        ],
        handoffs=[claims],
        tool_use_behavior=StopAtTools(stop_at_tool_names=STOP_AFTER),
    )


class DeskServer(ChatKitServer[dict[str, Any]]):
    def __init__(self, model: str | Model) -> None:
        super().__init__(MemoryStore())
        self.desk = build_desk(model)
        self.title_agent = Agent[Any](name="title", model=model, instructions=TITLE)
        self.converter = DeskConverter()

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: dict[str, Any]
    ) -> AsyncIterator[ThreadStreamEvent]:
        title: asyncio.Task[None] | None = None
        if input_user_message is not None and thread.title is None:
            title = asyncio.create_task(self._name_thread(thread, input_user_message))
        history = await self.store.load_thread_items(thread.id, after=None, limit=100, order="desc", context=context)
        items = await self.converter.to_agent_input(list(reversed(history.data)))
        desk_context = self._desk_context(thread, context)
        result = Runner.run_streamed(self.desk, items, context=desk_context)
        stream = stream_agent_response(
            desk_context, result, converter=ResponseStreamConverter(partial_images=PARTIAL_IMAGES)
        )
        async for event in stream:
            yield event
        if title is not None:
            await title

    async def action(
        self,
        thread: ThreadMetadata,
        action: Action[str, Any],
        sender: WidgetItem | None,
        context: dict[str, Any],
    ) -> AsyncIterator[ThreadStreamEvent]:
        wrapper = RunContextWrapper(self._desk_context(thread, context))
        match action.type:
            case "slot.choose":
                events = choose_slot(wrapper, action, sender)
            case "claim.withdraw":
                events = withdraw_claim(wrapper, action, sender)
            case _:
                yield ErrorEvent(message=f"Unknown action {action.type}", allow_retry=False)
                return
        async for event in events:
            yield event

    def _desk_context(self, thread: ThreadMetadata, context: dict[str, Any]) -> DeskContext:
        return DeskContext(thread=thread, store=self.store, request_context=context, parcels=book)

    async def _name_thread(self, thread: ThreadMetadata, message: UserMessageItem) -> None:
        result = await Runner.run(self.title_agent, await self.converter.to_agent_input(message))
        thread.title = result.final_output


def create_app(model: str | Model = MODEL) -> FastAPI:
    app = FastAPI(title="Courier Desk")
    server = DeskServer(model)

    @app.post("/chatkit")
    async def chatkit(request: Request) -> Response:
        result = await server.process(await request.body(), build_context(request))
        if isinstance(result, StreamingResult):
            return StreamingResponse(result, media_type="text/event-stream")
        return Response(content=result.json, media_type="application/json")

    app.include_router(router)
    return app
