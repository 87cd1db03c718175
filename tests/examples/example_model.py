"""The model that both servers of an example talk to over HTTP: the Responses API, answering from a script."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from runtime.assemble.scripted_events import ScriptedFailure, play
from runtime.assemble.scripted_model import load_script, read_situation
from runtime.scripts.player import Situation
from tests.examples.exchanges import Reader

PARTS = ("cGFydCAx", "cGFydCAy", "cGFydCAz")
IMAGE = "dGhlIHdob2xlIHBpY3R1cmU="
Event = dict[str, Any]
Output = Iterator[Event]
Canned = Callable[[str], Output | None]


class ExampleModel:
    """An ASGI app; `requests` holds the bodies that it was sent.

    `canned` gives what a script can't say, such as an image: the events that answer this text of the user's, or None.
    """

    def __init__(self, script: Path, reader: Reader, canned: Canned = lambda user: None) -> None:
        self.reader, self.canned = reader, canned
        self.requests: list[Event] = []
        self.script = load_script(script)
        self.app = Starlette(routes=[Route("/v1/responses", self._respond, methods=["POST"])])

    async def _respond(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append(body)
        situation = read_situation(body["input"], instructions=body.get("instructions") or "", handoffs=_handoffs(body))
        canned = self.canned(situation.user) if body.get("tools") else None
        events = _numbered(canned) if canned else self._play(situation)
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

    async def _play(self, situation: Situation) -> AsyncIterator[Event]:
        """Play the script; where a real model takes its time between a text and a call, wait for the reader."""
        said = ""
        async for event in play(self.script.steps(situation)):
            if said and event.type == "response.output_item.added":
                await asyncio.to_thread(self.reader.await_done, said)
            if event.type == "response.output_text.done":
                said = event.text
            yield event.model_dump(mode="json", exclude_unset=True)


def _handoffs(body: Event) -> dict[str, str]:
    names = (tool.get("name", "") for tool in body.get("tools", []))
    return {name: name.removeprefix("transfer_to_") for name in names if name.startswith("transfer_to_")}


async def _sse(first: Event, rest: AsyncIterator[Event]) -> AsyncIterator[str]:
    yield f"event: {first['type']}\ndata: {json.dumps(first)}\n\n"
    async for event in rest:
        yield f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"


async def _numbered(events: Iterator[Event]) -> AsyncIterator[Event]:
    for number, event in enumerate(events):
        yield {**event, "sequence_number": number}


def image() -> Output:
    """One generated image, with partial ones before it."""
    call = {"id": f"ig_{uuid4().hex}", "type": "image_generation_call"}
    yield {"type": "response.output_item.added", "item": {**call, "status": "in_progress"}}
    for index, data in enumerate(PARTS):
        yield {
            "type": "response.image_generation_call.partial_image",
            "item_id": call["id"],
            "partial_image_index": index,
            "partial_image_b64": data,
        }
    yield {"type": "response.output_item.done", "item": {**call, "status": "completed", "result": IMAGE}}


def message(*deltas: str, sources: Sequence[Event] = ()) -> Output:
    """One text with what it cites."""
    item = {"id": f"msg_{uuid4().hex}", "type": "message", "role": "assistant"}
    place = {"item_id": item["id"], "content_index": 0}
    empty = {"type": "output_text", "text": "", "annotations": []}
    part = {**empty, "text": "".join(deltas), "annotations": list(sources)}
    yield {"type": "response.output_item.added", "item": {**item, "status": "in_progress", "content": []}}
    yield {"type": "response.content_part.added", **place, "part": empty}
    for delta in deltas:
        yield {"type": "response.output_text.delta", **place, "delta": delta, "logprobs": []}
    for index, source in enumerate(sources):
        added = {"annotation_index": index, "annotation": source}
        yield {"type": "response.output_text.annotation.added", **place, **added}
    yield {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": part}
    yield {"type": "response.output_item.done", "item": {**item, "status": "completed", "content": [part]}}


def response(*outputs: Output) -> Output:
    """A whole response."""
    whole = {
        "id": f"resp_{uuid4().hex}",
        "object": "response",
        "created_at": 1,
        "model": "example",
        "status": "in_progress",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    yield {"type": "response.created", "response": whole}
    items = []
    for index, output in enumerate(outputs):
        for event in output:
            yield {**event, "output_index": index}
        items.append(event["item"])
    yield {"type": "response.completed", "response": {**whole, "status": "completed", "output": items}}
