"""A model that a test controls: each call plays the next reply, waits at the test's gates, and is recorded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from agents import Model, ModelResponse, ModelSettings, Usage
from openai.types.responses import ResponseCompletedEvent

from runtime.assemble.scripted_events import play
from runtime.scripts.player import Call, Say, Think

on_stage: dict[str, Player] = {}
"""The players by name, where agents.yaml finds them."""


def find(name: str) -> Player:
    return on_stage[name]


class Gate:
    """A place at which the model waits: `reached` once it is there, until `open` is set."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def wait(self) -> None:
        self.reached.set()
        await self.open.wait()


@dataclass(frozen=True)
class Asked:
    """What the model was asked."""

    instructions: str | None
    input: list[Any]
    settings: ModelSettings
    tools: list[str]
    handoffs: list[str]

    def of(self, kind: str) -> list[Any]:
        return [item for item in self.input if item.get("type", "message") == kind]


Reply = str | Exception | Sequence[Any] | Callable[[Asked], Any]


# No dataclass: the SDK walks into those of an agent's parts, and copies what it finds there.
class Player(Model):
    """Plays `replies` in turn, and the last one again and again; a reply is a text, steps, an error, or a function."""

    def __init__(self, *replies: Reply) -> None:
        self.replies: list[Reply] = list(replies) or ["Fine."]
        self.gates: dict[str, Gate] = {}
        self.asked: list[Asked] = []
        self.sent: list[Any] = []
        self.fake_ids = self.no_ids = False
        self.finished = 0
        self.stage_name = ""
        self._news = asyncio.Event()

    def gate(self, word: str) -> Gate:
        """Stop before the piece of text that is `word`."""
        return self.gates.setdefault(word, Gate())

    async def until(self, met: Callable[[Player], bool]) -> None:
        """Wait until the model has come so far."""
        async with asyncio.timeout(180):
            while not met(self):
                self._news.clear()
                await self._news.wait()

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        response: Any = None
        async for event in self.stream_response(*args, **kwargs):
            if isinstance(event, ResponseCompletedEvent):
                response = event.response
        return ModelResponse(response.output, Usage(requests=1), response.id)

    async def stream_response(
        self, system_instructions: Any, input: Any, model_settings: Any, tools: Any, output_schema: Any, handoffs: Any,
        *args: Any, **kwargs: Any,
    ) -> AsyncIterator[Any]:  # fmt: skip
        items = [{"role": "user", "content": input}] if isinstance(input, str) else list(input)
        names = [tool.name for tool in tools], [handoff.tool_name for handoff in handoffs]
        asked = Asked(system_instructions, json.loads(json.dumps(items, default=str)), model_settings, *names)
        self.asked.append(asked)
        self._news.set()
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if callable(reply):
            reply = reply(asked)
        if isinstance(reply, Exception):
            raise reply
        steps: list[Any] = [reply] if isinstance(reply, str) else list(reply)
        failure: Exception | None = steps.pop() if steps and isinstance(steps[-1], Exception) else None
        async for event in play([_step(step) for step in steps]):
            gate = self.gates.get(str(getattr(event, "delta", "")).strip())
            if gate is not None:
                await gate.wait()
            if failure is not None and event.type == "response.completed":
                raise failure
            self.sent.append(event)
            yield self._named(event)
        self.finished += 1
        self._news.set()

    def _named(self, event: Any) -> Any:
        if self.fake_ids:
            return _renamed(event, "__fake_id__")
        item = getattr(event, "item", None)
        if self.no_ids and item is not None and item.type == "function_call":
            return event.model_copy(update={"item": item.model_copy(update={"id": None})})
        if self.no_ids and event.type == "response.completed":
            output = [
                item.model_copy(update={"id": None}) if item.type == "function_call" else item
                for item in event.response.output
            ]
            return event.model_copy(update={"response": event.response.model_copy(update={"output": output})})
        return event


def _renamed(event: Any, item_id: str) -> Any:
    changes: dict[str, Any] = {}
    if hasattr(event, "item_id"):
        changes["item_id"] = item_id
    if hasattr(event, "item"):
        changes["item"] = event.item.model_copy(update={"id": item_id})
    if event.type == "response.completed":
        output = [item.model_copy(update={"id": item_id}) for item in event.response.output]
        changes["response"] = event.response.model_copy(update={"output": output})
    return event.model_copy(update=changes)


def _step(step: Any) -> Any:
    return Say(text=step, delay_s=0) if isinstance(step, str) else step


def call(name: str, /, **arguments: Any) -> Call:
    return Call(name=name, arguments=json.dumps(arguments))


def think(text: str) -> Think:
    return Think(text=text, delay_s=0)
