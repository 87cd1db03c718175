"""Filters between a run and the client: the output guardrails of the agents, and their structured output."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from chatkit import types

from runtime.assemble.guardrails import BuiltGuardrail, enforce
from runtime.assemble.outputs import BuiltOutput
from runtime.assemble.project import Snapshot
from runtime.server.turns.sse import Event, TextDelta
from runtime.server.turns.stream_events import RunEvents

_MESSAGE_EVENTS = frozenset({"thread.item.added", "thread.item.updated"})


def text_of_new_message(items: Sequence[types.ThreadItem]) -> str | None:
    """Return the text of the user's new message; None if the turn continues without one."""
    if not items or not isinstance(items[-1], types.UserMessageItem):
        return None
    return "".join(part.text for part in items[-1].content)


class OutputGuardrails:
    """Applies the output guardrails of the agent that speaks, and `parallel`: the task of its input guardrails."""

    def __init__(self, snapshot: Snapshot, run: RunEvents, parallel: asyncio.Task[None] | None = None) -> None:
        self._run, self._parallel = run, parallel
        self._by_agent = {
            snapshot.agents[key].name: guardrails.output
            for key, guardrails in snapshot.guardrails.items()
            if guardrails.output
        }
        self.shown: list[str] = []
        """The ids of the messages that the client has, to remove them when a guardrail trips."""

    def filter(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        """Return the events that passed; reading them raises GuardrailTripped. Without guardrails, return `events`."""
        return self._filter(events) if self._by_agent or self._parallel is not None else events

    async def _filter(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        held: dict[str, list[Event]] = {}
        async with aclosing(events):
            async for event in events:
                if self._parallel is not None and self._parallel.done():
                    self._parallel.result()
                async for passed in self._filter_event(event, held):
                    yield passed
        if self._parallel is not None:
            await self._parallel

    async def _filter_event(self, event: Event, held: dict[str, list[Event]]) -> AsyncIterator[Event]:
        item = getattr(event, "item", None)
        item_id = item.id if item is not None else getattr(event, "item_id", "")
        if isinstance(event, types.ThreadItemRemovedEvent) and held.pop(item_id, None) is not None:
            return
        if isinstance(event, types.ThreadItemAddedEvent) and isinstance(item, types.AssistantMessageItem):
            if any(guardrail.hold for guardrail in self._current()):
                held[item_id] = []
            else:
                self._note_shown(item_id)
        if isinstance(event, types.ThreadItemDoneEvent) and isinstance(item, types.AssistantMessageItem):
            text = "".join(part.text for part in item.content)
            if self._current():
                await enforce(self._current(), self._run.context, self._run.agent, text)
            for waiting in held.pop(item_id, ()):
                yield waiting
            self._note_shown(item_id)
        if item_id in held and (isinstance(event, TextDelta) or event.type in _MESSAGE_EVENTS):
            held[item_id].append(event)
        else:
            yield event

    def _note_shown(self, item_id: str) -> None:
        if item_id not in self.shown:
            self.shown.append(item_id)

    def _current(self) -> tuple[BuiltGuardrail, ...]:
        return self._by_agent.get(self._run.agent.name, ())


class StructuredOutput:
    """Replaces the answers of agents with an `output` by a widget or a text, and hides them until they are complete."""

    def __init__(self, snapshot: Snapshot, run: RunEvents) -> None:
        self._run = run
        self._by_agent = {snapshot.agents[key].name: output for key, output in snapshot.outputs.items()}

    def filter(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        """Return the events for the client. Where no agent declares an output, return `events`."""
        return self._filter(events) if self._by_agent else events

    async def _filter(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        hidden: set[str] = set()
        async with aclosing(events):
            async for event in events:
                if isinstance(event, TextDelta) or event.type == "thread.item.updated":
                    if event.item_id not in hidden:
                        yield event
                    continue
                if isinstance(event, types.ThreadItemRemovedEvent) and event.item_id in hidden:
                    continue
                item = getattr(event, "item", None)
                output = self._by_agent.get(self._run.agent.name)
                if isinstance(item, types.AssistantMessageItem) and (output is not None or item.id in hidden):
                    if isinstance(event, types.ThreadItemAddedEvent):
                        hidden.add(item.id)
                        continue
                    is_hidden = item.id in hidden and item.id not in self._run.refusals
                    if isinstance(event, types.ThreadItemDoneEvent) and output is not None and is_hidden:
                        yield types.ThreadItemDoneEvent(item=await self._render(item, output))
                        continue
                yield event

    async def _render(
        self, item: types.AssistantMessageItem, output: BuiltOutput
    ) -> types.AssistantMessageItem | types.WidgetItem:
        fields = output.read("".join(part.text for part in item.content))
        now = datetime.now(UTC)
        if output.widget is not None:
            drawn = await output.widget.draw(fields)
            return types.WidgetItem(
                id=item.id, thread_id=item.thread_id, created_at=now, widget=drawn.root, copy_text=drawn.copy_text
            )
        text = output.say(fields, self._run.context)
        annotations = [annotation for part in item.content for annotation in part.annotations]
        content = [types.AssistantMessageContent(text=text, annotations=annotations)]
        return types.AssistantMessageItem(id=item.id, thread_id=item.thread_id, created_at=now, content=content)
