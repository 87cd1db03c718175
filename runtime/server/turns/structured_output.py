"""Answers that have a shape: hidden while they are written, shown by a widget or a text once they are whole."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime

from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    WidgetItem,
)

from runtime.assemble.context import scope_of
from runtime.assemble.outputs import BuiltOutput
from runtime.assemble.project import Snapshot
from runtime.server.turns.sse import Event, TextDelta
from runtime.server.turns.stream_events import RunEvents


class Structured:
    """Shows the answers of those agents that declare an `output`."""

    def __init__(self, snapshot: Snapshot, run: RunEvents) -> None:
        self._run = run
        self._outputs = {snapshot.agents[key].name: output for key, output in snapshot.outputs.items()}

    def watch(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        """The events as the user is to see them. Where no agent declares an output they are as they were."""
        return self._show(events) if self._outputs else events

    async def _show(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        hidden: set[str] = set()
        async with aclosing(events):
            async for event in events:
                if isinstance(event, TextDelta) or event.type == "thread.item.updated":
                    if event.item_id not in hidden:
                        yield event
                    continue
                item = getattr(event, "item", None)
                output = self._outputs.get(self._run.agent.name)
                if isinstance(item, AssistantMessageItem) and (output is not None or item.id in hidden):
                    if isinstance(event, ThreadItemAddedEvent):
                        hidden.add(item.id)
                        continue
                    if isinstance(event, ThreadItemDoneEvent) and output is not None and item.id in hidden:
                        yield ThreadItemDoneEvent(item=await self._shown(item, output))
                        continue
                yield event

    async def _shown(self, item: AssistantMessageItem, output: BuiltOutput) -> AssistantMessageItem | WidgetItem:
        fields = output.read("".join(part.text for part in item.content))
        context, now = self._run.context, datetime.now(UTC)
        if output.widget is not None:
            widget = await output.widget.arender(fields)
            copy_text = output.widget.copy_text(fields)
            return WidgetItem(id=item.id, thread_id=item.thread_id, created_at=now, widget=widget, copy_text=copy_text)
        assert output.text is not None
        text = str(output.text.render({**scope_of(context), "output": fields, **fields}))
        annotations = [annotation for part in item.content for annotation in part.annotations]
        told = [AssistantMessageContent(text=text, annotations=annotations)]
        return AssistantMessageItem(id=item.id, thread_id=item.thread_id, created_at=now, content=told)
