"""Carry out a plan: run the agents or an action's handler, and yield the events that the client gets.

What a new kind of request does is a class in `plans` and a case in `Execution.events`; mypy reports a missing case.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from typing import Any

from agents import (
    Agent,
    ModelRefusalError,
    OpenAIResponsesModel,
    RunContextWrapper,
    Runner,
    RunResultStreaming,
    Tool,
)
from agents.tool_context import ToolContext
from chatkit import types
from chatkit.actions import Action
from chatkit.agents import ResponseStreamConverter
from openai.types.responses import ResponseFunctionToolCall

from runtime.assemble.actions import BuiltAction
from runtime.assemble.context import EventQueue, TurnState, new_context, scope_of
from runtime.assemble.guardrails import NO_GUARDRAILS, GuardrailTripped, enforce
from runtime.assemble.instructions import InstructionsError
from runtime.assemble.project import Snapshot
from runtime.assemble.routing import EntryAgent
from runtime.assemble.token_meter import MeteringHooks, TokenMeter
from runtime.config.load import LoadedProject
from runtime.diagnostics.diagnostic import Place
from runtime.project_code.import_errors import raised_at
from runtime.resources.containment import ProjectCodeError
from runtime.server.attachments.generated_images import ImagePlace, StoredImages
from runtime.server.attachments.uploads import Uploads
from runtime.server.history.converter import Conversion, conversion, to_model_input, with_preface
from runtime.server.history.window import find_uncovered, take_summary
from runtime.server.turns import token_budget as budget
from runtime.server.turns.approvals import PendingRun, load_state, stop_for_approval
from runtime.server.turns.errors import Activity
from runtime.server.turns.model_items import active_agent, last_inference_options, new_model_item, stored_call
from runtime.server.turns.output_filters import OutputGuardrails, StructuredOutput, text_of_new_message
from runtime.server.turns.plans import AnswerThread, HandleAction, Plan, ResumeRun, SendNews
from runtime.server.turns.recorder import Recorder, to_the_end
from runtime.server.turns.request_parsing import RequestInfo
from runtime.server.turns.sse import Event, StreamBuffer, frame
from runtime.server.turns.stream_events import RunEvents
from runtime.server.turns.thread_access import ThreadAccess
from runtime.server.turns.turn_log import TurnLog
from runtime.stores.store import ModelItem
from runtime.stores.turns import TurnConflict

logger = logging.getLogger("runtime.server")


DEFAULT_MAX_TURNS = 10


class CallHooks(MeteringHooks):
    """Stores each call of a tool before the tool runs, where another process may have to find out what has run.

    Not for agents that are tools: the history has the calls of the turn's own run.
    """

    def __init__(self, recorder: Recorder, threads: ThreadAccess) -> None:
        self._recorder, self._threads = recorder, threads

    async def on_tool_start(self, context: RunContextWrapper[Any], agent: Agent[Any], tool: Tool) -> None:
        """Store the call."""
        if self._threads.lease is not None and isinstance(context, ToolContext):
            call = context.tool_call or ResponseFunctionToolCall(
                type="function_call",
                call_id=context.tool_call_id,
                name=context.tool_name,
                arguments=context.tool_arguments,
            )
            await self._recorder.store_call(stored_call(call))


class Execution:
    """The execution of one plan; `buffer` takes the few events that `events` does not yield: those stored already."""

    def __init__(
        self, snapshot: Snapshot, request: RequestInfo, threads: ThreadAccess, plan: Plan, uploads: Uploads | None
    ) -> None:
        self.snapshot, self.request, self.threads, self.plan = snapshot, request, threads, plan
        self._uploads = uploads
        self.log = TurnLog()
        self.buffer = StreamBuffer(self.log)
        self.recorder = Recorder(threads.store, plan.thread, plan.stale, plan.items)
        self.state = TurnState(snapshot.widgets, snapshot.shared.state, tool_errors=snapshot.tool_errors)
        self.context = new_context(
            snapshot.context_type,
            self.state,
            thread=plan.thread,
            store=threads.store,
            request_context=request.request_context,
            user=request.user,
            locale=request.locale,
            config=snapshot.config,
        )
        self.meter = TokenMeter(snapshot.models.prices)
        self.title: asyncio.Task[None] | None = None
        """The task that names the thread after the user's message, which a guardrail may reject."""
        self.summary_due = False
        """Whether the thread needs a new summary after this turn."""
        self._active_agent: str | None = None
        self._run: RunEvents | None = None
        self._action = ""
        self._hooks = CallHooks(self.recorder, threads)

    def events(self) -> AsyncGenerator[Event, None]:
        """Return the events of the plan, which are not stored yet."""
        # No generator of its own: each one between the model and the client costs time for every piece of text.
        match self.plan:
            case AnswerThread(items=items):
                return self.answer(items)
            case ResumeRun(pending=pending, items=items):
                return self._resume(pending, items)
            case HandleAction(built=built, action=action, sender=sender):
                return self.handle(built, action, sender)
            case SendNews():
                return _no_events()

    def activity(self, error: Exception | None = None, loaded: LoadedProject | None = None) -> Activity:
        """Return what runs, and with an error of it the line at fault, in Python or in the instructions."""
        parts = list(self.state.running.values())
        if isinstance(error, ProjectCodeError) and error.place:
            parts.append(error.place)
        elif self._action:
            parts.append(f"action {self._action!r}")
        elif not parts and self._run is not None:
            parts.append(f"agent {self._run.agent.name!r}")
        place = ""
        if error is not None:
            place = str(self._place(error, loaded))
        return Activity(tuple(parts), self._action, place)

    def _place(self, error: Exception, loaded: LoadedProject | None) -> Place:
        if isinstance(error, InstructionsError):
            at = error.line, error.column
            if error.file:
                return Place(error.file, *at)
            return Place("") if loaded is None else loaded.place_in_text(error.path, *at)
        cause = error.cause if isinstance(error, ProjectCodeError) else error
        return raised_at(cause, self.snapshot.code.sources)[0]

    async def answer(self, items: Sequence[types.ThreadItem]) -> AsyncGenerator[Event, None]:
        """Let the agents answer a thread that holds these items, oldest first."""
        config = self.snapshot.config
        await self._check_budget()
        can_summarise = self.snapshot.summarise is not None
        self.summary_due = can_summarise and find_uncovered(items, config.chat.history) is not None
        summary, items = take_summary(items)
        if not can_summarise:
            summary = None  # written before summaries were switched off
        entry = await self._entry_agent(items)
        models = getattr(entry.agent.model, "models", [entry.agent.model])
        reads_files = all(isinstance(model, OpenAIResponsesModel) for model in models)
        owner = self.request.user.id
        conversion.set(Conversion(self.context, owner, self.snapshot.mentions, self._uploads, reads_files))
        model_input = await to_model_input(self.snapshot.converter, items, config.chat.history, summary)
        preface = self.snapshot.prefaces.get(entry.key)
        if preface is not None:
            model_input = with_preface(model_input, str(preface.render(scope_of(self.context))))
        last_items = [item for item in items[-4:] if not isinstance(item, ModelItem)]
        self.state.user_text = text_of_new_message(items)
        try:
            parallel = await self._check_input(entry)
        except GuardrailTripped as tripped:
            async for event in self._retract(tripped, ()):
                yield event
            return
        self._run = run = RunEvents(self.context, self._stream_converter(), last_items, entry.agent)
        result = Runner.run_streamed(
            entry.agent,
            model_input,
            context=self.context,
            max_turns=config.agents[entry.key].max_turns or DEFAULT_MAX_TURNS,
            hooks=self._hooks,
            run_config=self.snapshot.run_config,
        )
        try:
            async for event in self._run_events(run, result, entry.key, parallel):
                yield event
        finally:
            if parallel is not None:
                parallel.cancel()
                await asyncio.gather(parallel, return_exceptions=True)

    async def _resume(self, pending: PendingRun, items: Sequence[types.ThreadItem]) -> AsyncGenerator[Event, None]:
        await self._check_budget()
        self._active_agent = active_agent(items)
        start = self.snapshot.routing.entry_agent(pending.starter, last_inference_options(items), first=False)
        hub, state = await load_state(self.snapshot, self.context, pending, start.agent)
        self.recorder.know_calls(call.call_id for call in pending.calls)
        self.recorder.keep_calls(pending.denials(self.plan.thread.id))
        result = Runner.run_streamed(
            hub,
            state,
            max_turns=self.snapshot.config.agents[pending.starter].max_turns or DEFAULT_MAX_TURNS,
            hooks=self._hooks,
            run_config=self.snapshot.run_config,
        )
        self._run = run = RunEvents(self.context, self._stream_converter(), (), start.agent)
        async for event in self._run_events(run, result, pending.starter):
            yield event

    async def handle(
        self, built: BuiltAction, action: Action[str, Any], sender: types.WidgetItem | None
    ) -> AsyncGenerator[Event, None]:
        """Run the handler of an action, and let the agents answer where the handler asks for it."""
        assert built.handle is not None
        self._action = built.type
        async for event in self._handler_events(built.handle(self.context, action, sender)):
            yield event
        self._action = ""
        if self.state.answer_requested:
            # A handler runs while another turn may be in progress; an answer does not.
            thread_id = self.plan.thread.id
            await self.threads.hold(thread_id)
            async for event in self.answer(await self._begin_answer(thread_id)):
                yield event

    async def _begin_answer(self, thread_id: str) -> list[types.ThreadItem]:
        """Begin a turn in a thread whose lock is held; return the thread's items."""
        while True:
            self.recorder.reload(await self.threads.open_idle(thread_id))
            history = await self.threads.history(thread_id)
            with suppress(TurnConflict):
                await self.threads.write_mark(self.plan.thread)
                return history

    async def _handler_events(self, events: AsyncIterator[types.ThreadStreamEvent]) -> AsyncGenerator[Event, None]:
        """Yield the events that a handler yields, and those that it emits through its context, in order."""
        queue, wake = self.state.queue, asyncio.Event()
        queue.wake = wake.set
        handler = asyncio.create_task(_put_all(events, queue))
        handler.add_done_callback(lambda _: wake.set())
        try:
            while not handler.done() or queue.events:
                await wake.wait()
                wake.clear()
                while queue.events:
                    yield queue.events.popleft()
            await handler
        finally:
            queue.wake = None
            handler.cancel()
            # The handler's own clean-up runs before the thread's lock is released and the store is closed.
            await asyncio.gather(handler, return_exceptions=True)

    async def _run_events(
        self, run: RunEvents, result: RunResultStreaming, starter: str, parallel: asyncio.Task[None] | None = None
    ) -> AsyncGenerator[Event, None]:
        run.keep_calls = self.recorder.keep_calls
        guardrails, structured = OutputGuardrails(self.snapshot, run, parallel), StructuredOutput(self.snapshot, run)
        try:
            async with aclosing(structured.filter(guardrails.filter(run.events(result)))) as events:
                async for event in events:
                    yield event
            if result.interruptions:
                # Before the cards, as it is shown.
                for event in run.end_workflow():
                    yield event
        except GuardrailTripped as tripped:
            async for event in self._retract(tripped, guardrails.shown):
                yield event
            return
        except ModelRefusalError as refused:
            # Its words are the answer, and are shown.
            logger.info("turn %s: the model refused to answer: %s", self.request.request_id, refused.refusal)
        finally:
            if self.context.workflow_item is not None:
                self.recorder.keep_workflow(self.context.workflow_item)
        await self._store_active_agent(run)
        if result.interruptions:
            cards, pending = stop_for_approval(self.snapshot, self.context, starter, result.to_state())
            # In one transaction with the calls: a card without its stored run could never be answered.
            await to_the_end(self.recorder.write(*cards, pending))
            self.buffer.put(*(frame(types.ThreadItemDoneEvent(item=card)) for card in cards))

    async def _check_budget(self) -> None:
        limits = self.snapshot.config.limits
        await budget.check_budgets(self.meter, limits, self.threads.store, self.plan.thread.id)

    async def _entry_agent(self, items: Sequence[types.ThreadItem]) -> EntryAgent:
        """Choose the agent that answers, with the user's choices for the last message, which may be some calls ago."""
        options = last_inference_options(items)
        self._active_agent = active_agent(items)
        key = await self.snapshot.routing.choose_agent(self.context, options, self._active_agent)
        is_first = bool(items) and isinstance(items[-1], types.UserMessageItem)
        return self.snapshot.routing.entry_agent(key, options, first=is_first)

    async def _check_input(self, entry: EntryAgent) -> asyncio.Task[None] | None:
        """Run the agent's input guardrails; return a task for those that run in parallel with the agent."""
        text, guardrails = self.state.user_text, self.snapshot.guardrails.get(entry.key, NO_GUARDRAILS).input
        if text is None or not guardrails:
            return None
        await enforce(
            [guardrail for guardrail in guardrails if not guardrail.parallel], self.context, entry.agent, text
        )
        parallel = [guardrail for guardrail in guardrails if guardrail.parallel]
        return asyncio.ensure_future(enforce(parallel, self.context, entry.agent, text)) if parallel else None

    async def _store_active_agent(self, run: RunEvents) -> None:
        """Store which sticky agent answers the next message, if that has changed."""
        agents = self.snapshot.agents
        key = next((key for key, agent in agents.items() if agent.name == run.agent.name), None)
        active = key if key is not None and self.snapshot.config.agents[key].sticky else ""
        if active != (self._active_agent or ""):
            item = new_model_item(self.plan.thread.id, {"active_agent": active})
            await to_the_end(self.recorder.write(item))

    async def _retract(self, tripped: GuardrailTripped, shown: Sequence[str]) -> AsyncGenerator[Event, None]:
        """Remove the messages that were shown, send the guardrail's message, and hide the turn from the model."""
        logger.info("turn %s: %s", self.request.request_id, tripped)
        if self.title is not None:
            self.title.cancel()
        for item_id in shown:
            yield types.ThreadItemRemovedEvent(item_id=item_id)
        thread_id = self.plan.thread.id
        hidden = new_model_item(thread_id, {"left_out": {"guardrail": tripped.guardrail}})
        await to_the_end(self.recorder.write(hidden))
        content = [types.AssistantMessageContent(text=tripped.message)]
        yield types.ThreadItemDoneEvent(
            item=types.AssistantMessageItem(
                id=self.context.generate_id("message"),
                thread_id=thread_id,
                created_at=datetime.now(UTC),
                content=content,
            )
        )

    def _stream_converter(self) -> ResponseStreamConverter:
        snapshot, uploads = self.snapshot, self._uploads
        if snapshot.stream_converter is not None:
            if snapshot.stream_converter.partial_images is None:
                snapshot.stream_converter.partial_images = snapshot.partial_images
            return snapshot.stream_converter
        if uploads is None or not self.request.base_url:
            return ResponseStreamConverter(partial_images=snapshot.partial_images)
        place = ImagePlace(uploads, self.request.user.id, self.plan.thread.id, self.request.base_url)
        return StoredImages(place, snapshot.partial_images)


async def _no_events() -> AsyncGenerator[Event, None]:
    return
    yield


async def _put_all(events: AsyncIterator[types.ThreadStreamEvent], queue: EventQueue) -> None:
    async for event in events:
        queue.put(event)
