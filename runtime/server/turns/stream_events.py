"""Convert the events of an Agents SDK run to ChatKit's events; every answer takes this path.

It replaces `chatkit.agents.stream_agent_response`, and differs where that was measured to be wrong or slow: every item
gets a new id, the run and the tools share one queue, client tool calls keep the id of the call that made them, and a
piece of text costs no pydantic. The order and the content of the events are the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, cast

from agents import Agent, RunResultStreaming
from chatkit import types
from chatkit.agents import ResponseStreamConverter

from runtime.assemble.context import BESIDE_WORKFLOWS, RuntimeContext, end_workflow
from runtime.assemble.think_tags import TEXT_TAKEN_BACK, THOUGHT_TAKEN_BACK
from runtime.sdk_internals import convert_annotation, convert_content, put_in_run, release_run
from runtime.server.turns.hosted_calls import hosted_call_items, output_of, work_item
from runtime.server.turns.model_items import new_model_item, stored_call
from runtime.server.turns.sse import Event, TextDelta
from runtime.stores.store import ModelItem

_TOKEN: Any = object()


class RunEvents:
    """Converts the events of one run; `calls` collects the tool calls and results to store, `agent` is the current one.

    `last_items` are the thread's last items, which may contain a workflow to continue.
    """

    def __init__(
        self,
        context: RuntimeContext,
        converter: ResponseStreamConverter,
        last_items: Sequence[types.ThreadItem],
        agent: Agent[Any],
    ) -> None:
        self.context = context
        self.converter, self.agent = converter, agent
        self.thread_id = context.thread.id
        self.calls: list[ModelItem] = []
        self.keep_calls: Callable[[list[ModelItem]], None] = lambda calls: None
        """Takes calls and results as soon as the run reports them: no event may follow for a while."""
        self._ids: dict[str, str] = {}
        self._annotations: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._thought: tuple[str, int, types.ThoughtTask] | None = None
        self._shown_thoughts: set[int] = set()
        """The indexes of the parts of the current reasoning item that are shown in full."""
        self.refusals: set[str] = set()
        """The ids of the messages in which a model refuses to answer."""
        # Tools may be ahead in `context.workflow_item`: their events wait in the queue.
        # An action's handler may have begun one before it let the agents answer.
        self._workflow = context.workflow_item = context.workflow_item or _open_workflow(last_items)

    async def events(self, result: RunResultStreaming) -> AsyncGenerator[Event, None]:
        """Yield the events of the run and of its tools, in the order in which they were emitted."""
        queue = self.context._turn_state.queue
        # Events of tools pass through the run's own queue, so that text from before a tool's call is sent before the
        # tool's events. Those still in the queue when the run fails are sent as well.
        queue.wake = lambda: put_in_run(result, _TOKEN)
        for _ in queue.events:
            queue.wake()
        async with aclosing(result.stream_events()) as stream:  # type: ignore[type-var]  # it is a generator
            try:
                async for event in stream:
                    for converted in await self._convert(event):
                        yield converted
            except BaseException:
                # Cancelled or closed early: otherwise, closing the stream would wait until the run ends.
                result.cancel()
                raise
            finally:
                queue.wake = None
        release_run(result)
        while queue.events:
            for tool_event in self._from_tool(queue.events.popleft()):
                yield tool_event

    async def _convert(self, event: Any) -> Sequence[Event]:
        if event is _TOKEN:
            queue = self.context._turn_state.queue
            return self._from_tool(queue.events.popleft()) if queue.events else ()
        if event.type == "raw_response_event":
            handler = _HANDLERS.get(event.data.type)
            return () if handler is None else cast(Sequence[Event], await handler(self, event.data))
        if event.type == "agent_updated_stream_event":
            self.agent = event.new_agent
        elif event.type == "run_item_stream_event":
            self._keep_call(event.item)
        return ()

    def _from_tool(self, event: types.ThreadStreamEvent) -> list[Event]:
        events: list[Event] = []
        if isinstance(event, types.ThreadItemAddedEvent | types.ThreadItemDoneEvent):
            item = event.item
            if self._workflow is not None and self._workflow.id != item.id and item.type not in BESIDE_WORKFLOWS:
                events += self.end_workflow()
            if isinstance(item, types.WorkflowItem):
                self._workflow = item if event.type == "thread.item.added" else None
        events.append(event)
        return events

    def end_workflow(self) -> list[Event]:
        """Return the event that ends the open workflow, if there is one."""
        item, self._workflow = self._workflow, None
        if item is None:
            return []
        if self.context.workflow_item is item:
            self.context.workflow_item = None
        end_workflow(item)
        return [types.ThreadItemDoneEvent(item=item)]

    def _keep_call(self, item: Any) -> None:
        raw = item.raw_item
        if item.type == "tool_call_item" and getattr(raw, "type", None) == "function_call":
            self._add_call(stored_call(raw))
        elif item.type == "tool_call_output_item" and raw.get("type") == "function_call_output":
            self._add_call({"type": "function_call_output", "call_id": raw["call_id"], "output": raw["output"]})
        elif work := work_item(item):
            self._add_call(work)

    def _add_call(self, *items: dict[str, Any]) -> None:
        self.calls.append(new_model_item(self.thread_id, {"model_items": [*items]}))
        self.keep_calls(self.calls)

    def _updated(self, item_id: str, update: types.ThreadItemUpdate) -> list[Event]:
        return [types.ThreadItemUpdatedEvent(item_id=item_id, update=update)]

    async def _delta(self, data: Any) -> Sequence[Event]:
        item_id = self._ids.get(data.item_id)
        return (TextDelta(item_id, data.content_index, data.delta),) if item_id else ()

    async def _taken_back(self, data: Any) -> list[Event]:
        item_id = self._ids.pop(data.item_id, None)
        return [types.ThreadItemRemovedEvent(item_id=item_id)] if item_id else []

    async def _thought_taken_back(self, data: Any) -> list[Event]:
        workflow, shown = self._workflow, self._thought and self._thought[2]
        if workflow is None or any(task is not shown for task in workflow.workflow.tasks):
            return []
        self._workflow = self._thought = None
        if self.context.workflow_item is workflow:
            self.context.workflow_item = None
        return [types.ThreadItemRemovedEvent(item_id=workflow.id)]

    async def _part_added(self, data: Any) -> list[Event]:
        item_id = self._ids.get(data.item_id)
        if item_id is None or data.part.type == "reasoning_text":
            return []
        content = await convert_content(data.part, self.converter)
        return self._updated(
            item_id, types.AssistantMessageContentPartAdded(content_index=data.content_index, content=content)
        )

    async def _text_done(self, data: Any) -> list[Event]:
        item_id = self._ids.get(data.item_id)
        if item_id is None:
            return []
        content = types.AssistantMessageContent(text=data.text, annotations=[])
        return self._updated(
            item_id, types.AssistantMessageContentPartDone(content_index=data.content_index, content=content)
        )

    async def _annotation(self, data: Any) -> list[Event]:
        item_id = self._ids.get(data.item_id)
        raw = data.annotation
        if raw is None:
            return []
        annotation = await convert_annotation(raw if isinstance(raw, dict) else raw.model_dump(), self.converter)
        if annotation is None or item_id is None:
            return []
        # Counted here, so that annotations that could not be converted leave no gap.
        index = self._annotations[item_id, data.content_index]
        self._annotations[item_id, data.content_index] += 1
        return self._updated(
            item_id,
            types.AssistantMessageContentPartAnnotationAdded(
                content_index=data.content_index, annotation_index=index, annotation=annotation
            ),
        )

    async def _item_added(self, data: Any) -> list[Event]:
        item, context = data.item, self.context
        if item.type == "reasoning":
            # Chat Completions models give every reasoning item the same id.
            self._thought, self._shown_thoughts = None, set()
        if item.type == "reasoning" and self._workflow is None:
            self._workflow = workflow = types.WorkflowItem(
                id=context.generate_id("workflow"),
                created_at=datetime.now(UTC),
                workflow=types.Workflow(type="reasoning", tasks=[]),
                thread_id=self.thread_id,
            )
            context.workflow_item = context.workflow_item or workflow
            return [types.ThreadItemAddedEvent(item=workflow)]
        if item.type == "message":
            ended = self.end_workflow()
            # Not the model's id: Chat Completions models give every message the same one.
            self._ids[item.id] = self.context.generate_id("message")
            return [*ended, types.ThreadItemAddedEvent(item=await self._message(item))]
        if item.type == "image_generation_call":
            context.generated_image_item = types.GeneratedImageItem(
                id=context.generate_id("message"), thread_id=self.thread_id, created_at=datetime.now(UTC), image=None
            )
            return [types.ThreadItemAddedEvent(item=context.generated_image_item)]
        return []

    async def _message(self, item: Any) -> types.AssistantMessageItem:
        return types.AssistantMessageItem(
            id=self._ids[item.id],
            thread_id=self.thread_id,
            content=[await convert_content(part, self.converter) for part in item.content],
            created_at=datetime.now(UTC),
        )

    async def _item_done(self, data: Any) -> list[Event]:
        item = data.item
        if item.type == "message":
            if item.id not in self._ids:
                self._ids[item.id] = self.context.generate_id("message")
            done = await self._message(item)
            if item.content and all(part.type == "refusal" for part in item.content):
                self.refusals.add(done.id)
            cited = self._cite(done)
            # The next message may have the same id, and no `added` event.
            del self._ids[item.id]
            return [*cited, types.ThreadItemDoneEvent(item=done)]
        if item.type == "reasoning":
            return self._show_thoughts(item)
        if item.type == "mcp_call":
            # Not from the run's items, which come after the whole response, behind its text.
            self._add_call(*hosted_call_items(item.id, item.model_dump(), output_of(item)))
            return []
        image = self.context.generated_image_item
        if item.type == "image_generation_call" and item.result and image is not None:
            url = await self.converter.base64_image_to_url(image_id=item.id, base64_image=item.result)
            image.image = types.GeneratedImage(id=item.id, url=url)
            self.context.generated_image_item = None
            return [types.ThreadItemDoneEvent(item=image)]
        return []

    def _cite(self, item: types.AssistantMessageItem) -> list[Event]:
        """Cite, at the end of a message's text, the sources that tools have named since the last message."""
        citations = self.context._turn_state.citations
        if not citations or not item.content:
            return []
        part, at = item.content[-1], len(item.content) - 1
        events: list[Event] = []
        for source in citations:
            annotation = types.Annotation(source=source, index=len(part.text))
            added = types.AssistantMessageContentPartAnnotationAdded(
                content_index=at, annotation_index=len(part.annotations), annotation=annotation
            )
            part.annotations.append(annotation)
            events += self._updated(item.id, added)
        citations.clear()
        return events

    async def _partial_image(self, data: Any) -> list[Event]:
        item = self.context.generated_image_item
        if item is None:
            return []
        url = await self.converter.base64_image_to_url(
            image_id=data.item_id, base64_image=data.partial_image_b64, partial_image_index=data.partial_image_index
        )
        item.image = types.GeneratedImage(id=data.item_id, url=url)
        progress = self.converter.partial_image_index_to_progress(data.partial_image_index)
        return self._updated(item.id, types.GeneratedImageUpdated(image=item.image, progress=progress))

    async def _thought_delta(self, data: Any) -> list[Event]:
        workflow = self._workflow
        if workflow is None:
            return []
        tasks = workflow.workflow.tasks
        if workflow.workflow.type == "reasoning" and not tasks:
            # The first thought is streamed; later ones are shown when they are complete.
            task = types.ThoughtTask(content=data.delta)
            self._thought = (data.item_id, _index_of(data), task)
            tasks.append(task)
            return self._updated(workflow.id, types.WorkflowTaskAdded(task=task, task_index=0))
        task_of = self._streaming_thought(data, tasks)
        if task_of is None:
            return []
        task_of.content += data.delta
        return self._updated(workflow.id, types.WorkflowTaskUpdated(task=task_of, task_index=tasks.index(task_of)))

    async def _thought_done(self, data: Any) -> list[Event]:
        workflow = self._workflow
        if workflow is None:
            return []
        tasks = workflow.workflow.tasks
        task = self._streaming_thought(data, tasks)
        self._shown_thoughts.add(_index_of(data))
        if task is not None:
            task.content, self._thought = data.text, None
            return self._updated(workflow.id, types.WorkflowTaskUpdated(task=task, task_index=tasks.index(task)))
        return [self._add_thought(workflow, data.text)]

    def _add_thought(self, workflow: types.WorkflowItem, text: str) -> Event:
        tasks = workflow.workflow.tasks
        tasks.append(task := types.ThoughtTask(content=text))
        return self._updated(workflow.id, types.WorkflowTaskAdded(task=task, task_index=len(tasks) - 1))[0]

    def _show_thoughts(self, item: Any) -> list[Event]:
        """Show the thoughts of a reasoning item that had no event: Chat Completions models send only the first."""
        workflow = self._workflow
        if workflow is None or workflow.workflow.type != "reasoning":
            return []
        shown = self._shown_thoughts if self._thought is None else {*self._shown_thoughts, self._thought[1]}
        self._thought = None
        texts = [part.text for part in item.summary or item.content or ()]
        new = [text for index, text in enumerate(texts) if index not in shown and text.strip()]
        return [self._add_thought(workflow, text) for text in new]

    def _streaming_thought(self, data: Any, tasks: Sequence[Any]) -> types.ThoughtTask | None:
        if self._thought is None:
            return None
        item_id, index, task = self._thought
        return task if (item_id, index) == (data.item_id, _index_of(data)) and task in tasks else None


def _index_of(thought: Any) -> int:
    """Return the index of a thought in its reasoning item, which has summaries or texts."""
    index: int = thought.content_index if thought.type.startswith(_THOUGHT_TEXT) else thought.summary_index
    return index


_THOUGHT_TEXT = "response.reasoning_text"
_HANDLERS: dict[str, Any] = {
    "response.output_text.delta": RunEvents._delta,
    TEXT_TAKEN_BACK: RunEvents._taken_back,
    THOUGHT_TAKEN_BACK: RunEvents._thought_taken_back,
    "response.content_part.added": RunEvents._part_added,
    "response.output_text.done": RunEvents._text_done,
    "response.refusal.delta": RunEvents._delta,
    "response.output_text.annotation.added": RunEvents._annotation,
    "response.output_item.added": RunEvents._item_added,
    "response.output_item.done": RunEvents._item_done,
    "response.image_generation_call.partial_image": RunEvents._partial_image,
    "response.reasoning_summary_text.delta": RunEvents._thought_delta,
    "response.reasoning_summary_text.done": RunEvents._thought_done,
    "response.reasoning_text.delta": RunEvents._thought_delta,
    "response.reasoning_text.done": RunEvents._thought_done,
}


def _open_workflow(items: Sequence[types.ThreadItem]) -> types.WorkflowItem | None:
    """Return the workflow to continue: a thread's last item, or the one before a client tool's call."""
    if items and isinstance(items[-1], types.WorkflowItem):
        return items[-1]
    if len(items) > 1 and items[-1].type == "client_tool_call" and isinstance(items[-2], types.WorkflowItem):
        return items[-2]
    return None
