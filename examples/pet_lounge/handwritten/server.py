"""The pet lounge as a ChatKit backend written by hand, the way the published samples are.

Run it from the folder `examples`: `python -m uvicorn --app-dir pet_lounge handwritten.server:create_app --factory`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

from agents import Agent, ImageGenerationTool, Model, Runner, StopAtTools
from app.pets import lounge
from chatkit.actions import Action
from chatkit.agents import AgentContext, ResponseStreamConverter, ThreadItemConverter, stream_agent_response
from chatkit.server import ChatKitServer, StreamingResult
from chatkit.types import (
    ClientEffectEvent,
    ErrorEvent,
    HiddenContextItem,
    InferenceOptions,
    ThreadItemDoneEvent,
    ThreadItemReplacedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
    UserMessageTextContent,
    WidgetItem,
)
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from memory_store import MemoryStore
from openai.types.responses import ResponseInputItemParam

from handwritten.cards import names_card
from handwritten.tools import feed, pet_status, play, say_as_pet, show_profile, suggest_names, wash

PROMPT = Path(__file__).parents[1] / "prompts" / "keeper.md"
PARTIAL_IMAGES = 3
Context = dict[str, Any]


def build_keeper(model: str | Model) -> Agent[AgentContext[Context]]:
    painting = ImageGenerationTool(tool_config={"type": "image_generation", "partial_images": PARTIAL_IMAGES})
    return Agent[AgentContext[Context]](
        name="keeper",
        model=model,
        instructions=PROMPT.read_text(encoding="utf-8"),
        tools=[pet_status, feed, play, wash, suggest_names, show_profile, say_as_pet, painting],
        tool_use_behavior=StopAtTools(stop_at_tool_names=["suggest_names"]),
    )


class LoungeConverter(ThreadItemConverter):
    async def hidden_context_to_input(self, item: HiddenContextItem) -> ResponseInputItemParam | None:
        return {
            "role": "user",
            "content": [{"type": "input_text", "text": f"<LOUNGE_NOTE>{item.content}</LOUNGE_NOTE>"}],
        }


class LoungeServer(ChatKitServer[Context]):
    def __init__(self, model: str | Model) -> None:
        super().__init__(MemoryStore())
        self.keeper = build_keeper(model)
        self.converter = LoungeConverter()

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: Context
    ) -> AsyncIterator[ThreadStreamEvent]:
        history = await self.store.load_thread_items(thread.id, after=None, limit=100, order="desc", context=context)
        items = await self.converter.to_agent_input(list(reversed(history.data)))
        agent_context = AgentContext(thread=thread, store=self.store, request_context=context)
        result = Runner.run_streamed(self.keeper, items, context=agent_context)
        images = ResponseStreamConverter(partial_images=PARTIAL_IMAGES)
        async for event in stream_agent_response(agent_context, result, converter=images):
            yield event

    async def action(
        self, thread: ThreadMetadata, action: Action[str, Any], sender: WidgetItem | None, context: Context
    ) -> AsyncIterator[ThreadStreamEvent]:
        match action.type:
            case "name.choose":
                events = self._choose_name(thread, action, sender, context)
            case "name.more":
                names = ", ".join(action.payload["names"])
                events = self._say(thread, f"Suggest three other names, none of {names}.", context)
            case "pet.pat":
                yield ClientEffectEvent(name="pet.say", data={"text": f"purr, says {action.payload['name']}"})
                return
            case _:
                yield ErrorEvent(message=f"Unknown action {action.type}", allow_retry=False)
                return
        async for event in events:
            yield event

    async def _choose_name(
        self, thread: ThreadMetadata, action: Action[str, Any], sender: WidgetItem | None, context: Context
    ) -> AsyncIterator[ThreadStreamEvent]:
        pet = lounge.pet(thread.id)
        pet.rename(action.payload["name"])
        if sender is not None:
            widget = names_card(action.payload["names"], pet.name)
            yield ThreadItemReplacedEvent(item=sender.model_copy(update={"widget": widget}))
        yield ClientEffectEvent(name="pet.update", data=pet.state())
        hidden = HiddenContextItem(
            id=self.store.generate_item_id("message", thread, context),
            thread_id=thread.id,
            created_at=datetime.now(),
            content=f"The guest has called the ferret {pet.name}.",
        )
        await self.store.add_thread_item(thread.id, hidden, context)
        async for event in self.respond(thread, None, context):
            yield event

    async def _say(self, thread: ThreadMetadata, text: str, context: Context) -> AsyncIterator[ThreadStreamEvent]:
        message = UserMessageItem(
            id=self.store.generate_item_id("message", thread, context),
            thread_id=thread.id,
            created_at=datetime.now(),
            content=[UserMessageTextContent(text=text)],
            inference_options=InferenceOptions(),
        )
        await self.store.add_thread_item(thread.id, message, context)
        yield ThreadItemDoneEvent(item=message)
        async for event in self.respond(thread, message, context):
            yield event


def create_app(model: str | Model = "gpt-6-luna") -> FastAPI:
    app = FastAPI(title="Pet Lounge")
    server = LoungeServer(model)

    @app.post("/chatkit")
    async def chatkit(request: Request) -> Response:
        result = await server.process(await request.body(), {"request": request})
        if isinstance(result, StreamingResult):
            return StreamingResponse(result, media_type="text/event-stream")
        return Response(content=result.json, media_type="application/json")

    return app
