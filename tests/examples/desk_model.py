"""The model that both servers talk to over HTTP: the Responses API, answering from desk_script.yaml and drawing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from runtime.assemble.script import Situation
from runtime.assemble.script_events import ScriptedFailure, play
from runtime.assemble.script_input import read_situation
from runtime.assemble.scripted import load_script
from tests.examples.exchanges import Reader

SCRIPT = Path(__file__).parent / "desk_script.yaml"
PARTS = ("cGFydCAx", "cGFydCAy", "cGFydCAz")
IMAGE = "dGhlIHdob2xlIHBpY3R1cmU="


class DeskModel:
    """An ASGI app; `requests` holds the bodies that it was sent."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.requests: list[dict[str, Any]] = []
        self.script = load_script(SCRIPT)
        self.app = Starlette(routes=[Route("/v1/responses", self._respond, methods=["POST"])])

    async def _respond(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append(body)
        situation = read_situation(body["input"], instructions=body.get("instructions") or "", handoffs=_handoffs(body))
        events = _drawing() if situation.user.startswith("draw") and body.get("tools") else self._play(situation)
        try:
            first = await anext(events)
        except ScriptedFailure as failure:
            error = {"message": failure.message, "type": "server_error", "code": None, "param": None}
            return JSONResponse({"error": error}, 400)
        if body.get("stream"):
            return StreamingResponse(_sse(first, events), media_type="text/event-stream")
        async for event in events:
            first = event
        return JSONResponse(first["response"])

    async def _play(self, situation: Situation) -> AsyncIterator[dict[str, Any]]:
        """Play the script; where a real model takes its time between a text and a call, wait for the reader."""
        said = ""
        async for event in play(self.script.steps(situation)):
            if said and event.type == "response.output_item.added":
                await asyncio.to_thread(self.reader.await_done, said)
            if event.type == "response.output_text.done":
                said = event.text
            yield event.model_dump(mode="json", exclude_unset=True)


def _handoffs(body: dict[str, Any]) -> dict[str, str]:
    names = (tool.get("name", "") for tool in body.get("tools", []))
    return {name: name.removeprefix("transfer_to_") for name in names if name.startswith("transfer_to_")}


async def _sse(first: dict[str, Any], rest: AsyncIterator[dict[str, Any]]) -> AsyncIterator[str]:
    yield f"event: {first['type']}\ndata: {json.dumps(first)}\n\n"
    async for event in rest:
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"


async def _drawing() -> AsyncIterator[dict[str, Any]]:
    """Draw: three unfinished images and the whole one, then a word about it."""
    for number, event in enumerate(_drawing_events()):
        yield {**event, "sequence_number": number}


def _drawing_events() -> Iterator[dict[str, Any]]:
    call = {"id": "ig_1", "type": "image_generation_call"}
    done = {**call, "status": "completed", "result": IMAGE}
    part = {"type": "output_text", "text": "Here is your label.", "annotations": []}
    said = {"id": "msg_label", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    yield _response("response.created", "in_progress", [])
    yield {"type": "response.output_item.added", "output_index": 0, "item": {**call, "status": "in_progress"}}
    for index, data in enumerate(PARTS):
        yield {
            "type": "response.image_generation_call.partial_image",
            "output_index": 0,
            "item_id": "ig_1",
            "partial_image_index": index,
            "partial_image_b64": data,
        }
    yield {"type": "response.output_item.done", "output_index": 0, "item": done}
    item = {**said, "status": "in_progress", "content": []}
    place = {"item_id": "msg_label", "output_index": 1, "content_index": 0}
    yield {"type": "response.output_item.added", "output_index": 1, "item": item}
    yield {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
    for delta in ("Here is ", "your label."):
        yield {"type": "response.output_text.delta", **place, "delta": delta, "logprobs": []}
    yield {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": part}
    yield {"type": "response.output_item.done", "output_index": 1, "item": said}
    yield _response("response.completed", "completed", [done, said])


def _response(kind: str, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    response = {
        "id": "resp_label",
        "object": "response",
        "created_at": 1,
        "model": "desk",
        "status": status,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    return {"type": kind, "response": response}
