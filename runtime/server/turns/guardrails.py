"""What users and agents say passes their guardrails on its way: before a run, beside it, and as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from chatkit.types import AssistantMessageItem, ThreadItem, ThreadItemAddedEvent, ThreadItemDoneEvent, UserMessageItem

from runtime.assemble.guardrails import BuiltGuardrail, enforce
from runtime.assemble.project import Snapshot
from runtime.server.turns.sse import Event, TextDelta
from runtime.server.turns.stream_events import RunEvents


def words_of(items: Sequence[ThreadItem]) -> str | None:
    """What the user has just said; None where the turn goes on without a new message."""
    if not items or not isinstance(items[-1], UserMessageItem):
        return None
    return "".join(part.text for part in items[-1].content)


class Guarding:
    """Lets the events of a run pass the output guardrails of whichever agent speaks, and ends it when one trips."""

    def __init__(self, snapshot: Snapshot, run: RunEvents, beside: asyncio.Task[None] | None = None) -> None:
        self._run, self._beside = run, beside
        self._guards = {
            snapshot.agents[key].name: guards for key, guards in snapshot.guardrails.items() if guards.output
        }
        self.said: list[str] = []
        """The ids of the messages that have been shown, to be taken back if need be."""

    def watch(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        """Return the events that passed; reading them raises GuardrailTripped. Without guardrails, return `events`."""
        return self._pass_on(events) if self._guards or self._beside is not None else events

    async def _pass_on(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        held: dict[str, list[Event]] = {}
        async with aclosing(events):
            async for event in events:
                self._look_beside()
                async for seen in self._one(event, held):
                    yield seen
        if self._beside is not None:
            await self._beside

    async def _one(self, event: Event, held: dict[str, list[Event]]) -> AsyncIterator[Event]:
        item = getattr(event, "item", None)
        item_id = item.id if item is not None else getattr(event, "item_id", "")
        if isinstance(event, ThreadItemAddedEvent) and isinstance(item, AssistantMessageItem):
            if any(guard.hold for guard in self._output()):
                held[item_id] = []
            else:
                self._note(item_id)
        if isinstance(event, ThreadItemDoneEvent) and isinstance(item, AssistantMessageItem):
            text = "".join(part.text for part in item.content)
            if self._output():
                await enforce(self._output(), self._run.context, self._run.agent, text)
            for waiting in held.pop(item_id, ()):
                yield waiting
            self._note(item_id)
        if item_id in held and (isinstance(event, TextDelta) or event.type in _OF_MESSAGES):
            held[item_id].append(event)
        else:
            yield event

    def _note(self, item_id: str) -> None:
        if item_id not in self.said:
            self.said.append(item_id)

    def _output(self) -> tuple[BuiltGuardrail, ...]:
        guards = self._guards.get(self._run.agent.name)
        return guards.output if guards is not None else ()

    def _look_beside(self) -> None:
        if self._beside is not None and self._beside.done():
            self._beside.result()


_OF_MESSAGES = frozenset({"thread.item.added", "thread.item.updated"})
