"""One streaming request from its first event to its last, in a task of its own.

The task outlives the connection where it must: a client that goes away cancels it or lets it finish, as the
configuration says, and either way what was said so far is stored.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agents import OpenAIResponsesModel, Runner, RunResultStreaming
from chatkit.agents import ResponseStreamConverter
from chatkit.server import agents_sdk_user_agent_override
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    ErrorEvent,
    StreamOptions,
    StreamOptionsEvent,
    ThreadItem,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadMetadata,
    ThreadStreamEvent,
    UserMessageItem,
)

from runtime.assemble.context import EventQueue, TurnState, new_context, scope_of
from runtime.assemble.forwarded_headers import FORWARDED_HEADERS
from runtime.assemble.guardrails import NO_GUARDRAILS, GuardrailTripped, enforce
from runtime.assemble.project import Snapshot
from runtime.assemble.routing import EntryAgent
from runtime.assemble.token_meter import METERED, TOKEN_METER, TokenBudgetExceeded, TokenMeter
from runtime.resources.lease import Lease
from runtime.server.attachments import Uploads
from runtime.server.history.converter import Answering, answering, to_model_input, with_preface
from runtime.server.history.window import take_summary, to_sum_up
from runtime.server.turns import token_budget as budget
from runtime.server.turns.approvals import PendingRun, load_state, stop_for_approval
from runtime.server.turns.errors import error_event, own_words
from runtime.server.turns.guardrails import Guarding, words_of
from runtime.server.turns.model_items import active_in, chosen_in, client_call, queued_call
from runtime.server.turns.recorder import Recorder, to_the_end
from runtime.server.turns.request import Caller
from runtime.server.turns.sse import Channel, Event, TextDelta, frame
from runtime.server.turns.stream_events import RunEvents
from runtime.server.turns.structured_output import Structured
from runtime.server.turns.summary import renew_summary
from runtime.stores.ids import new_id
from runtime.stores.owner_store import OwnerStore
from runtime.stores.store import ModelItem

logger = logging.getLogger("runtime.server")

DEFAULT_MAX_TURNS = 10
TITLE_WAIT_S = 5.0
"""How long a finished answer keeps its stream open for a title that is still being written."""

TOO_LONG = "The answer took too long and was stopped. Please try again."

_STORED = frozenset({"thread.item.done", "thread.item.replaced", "thread.item.removed"})


@dataclass(slots=True)
class Plan:
    """What a streaming request will do; everything that can be checked has been.

    `opening` and `news` hold events that are stored already, sent before and after the stream's options; `produce`
    makes the others; `title_from` is the text that a thread without a title is to be named after; `stale` are items
    that a retry replaces.
    """

    thread: ThreadMetadata
    produce: Callable[[Turn], AsyncGenerator[Event, None]]
    opening: Sequence[Event] = ()
    news: Sequence[Event] = ()
    stale: Sequence[str] = ()
    title_from: str | None = None
    resources: AsyncExitStack = field(default_factory=AsyncExitStack)


Tasks = dict[asyncio.Task[None], "Turn"]
"""What runs on behalf of turns, and of which."""


class Turn:
    """Carries out a plan; `channel` is where its bytes come out."""

    def __init__(
        self,
        snapshot: Snapshot,
        caller: Caller,
        store: OwnerStore,
        plan: Plan,
        lease: Lease[Any] | None = None,
        uploads: Uploads | None = None,
    ) -> None:
        self.snapshot, self.caller, self.plan, self._lease, self._uploads = snapshot, caller, plan, lease, uploads
        self.channel, self._store = Channel(), store
        self.recorder = Recorder(store, plan.thread, plan.stale)
        self.state = TurnState(snapshot.widgets, snapshot.shared.state, tool_errors=snapshot.tool_errors)
        self.context = new_context(
            snapshot.context_type,
            self.state,
            thread=plan.thread,
            store=store,
            request_context=caller.request_context,
            user=caller.user,
            locale=caller.locale,
            config=snapshot.config,
        )
        self._title: asyncio.Task[None] | None = None
        self._summary: asyncio.Task[None] | None = None
        self._summary_due = False
        self._running = self._stopped = self._produced = False
        self._end_message: str | None = None
        self.meter = TokenMeter()
        self._active: str | None = None

    def open(self) -> None:
        """Say what is stored already: it is on its way before anything else is done."""
        allow_cancel = self.snapshot.config.chat.allow_cancel
        options = StreamOptionsEvent(stream_options=StreamOptions(allow_cancel=allow_cancel))
        self.channel.put(b"".join(frame(event) for event in (*self.plan.opening, options, *self.plan.news)))

    def start(self, tasks: Tasks) -> None:
        """Run in a task of its own; it is kept among `tasks` while it runs."""
        self._tasks = tasks
        self._task = self._keep(self._run(), "turn")

    def cancel(self) -> None:
        """End the turn early, because its client went away; what it said so far is stored."""
        if self._stopped:
            # A second cancellation would cut off the storing of what was said.
            return
        self._stopped = True
        if self._running:
            self._task.cancel()

    def end(self, message: str) -> None:
        """End the turn early, because the server has to; what it said so far is stored.

        The stream ends with an error that has this message and may be retried. A turn that has said everything is only
        not made to wait for its title, nor the server for a summary.
        """
        for beside in (self._title, self._summary):
            if beside is not None:
                beside.cancel()
        if self._stopped or self._produced:
            return
        self._end_message = message
        self.cancel()

    def _keep(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"{name} {self.plan.thread.id}")
        self._tasks[task] = self
        task.add_done_callback(self._tasks.pop)
        return task

    def _keep_beside(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        # It may outlive the turn: somebody has to hold it, and to end it when the server closes.
        task = self._keep(work, name)
        if self._lease is not None:
            lease = self._lease.again()
            task.add_done_callback(lambda _: lease.release())
        return task

    async def _run(self) -> None:
        """Produce, store and send every event; an error becomes an event of its own."""
        self._running = True
        TOKEN_METER.set(self.meter)
        FORWARDED_HEADERS.set(self.caller.headers)
        limit_s = self.snapshot.config.limits.turn
        timer = None if limit_s is None else asyncio.get_running_loop().call_later(limit_s, self._take_too_long)
        try:
            self._begin()
            try:
                await self._produce()
            except TokenBudgetExceeded as used_up:
                scope = scope_of(self.context)
                await self.send(budget.notice(used_up, self.snapshot.errors, scope, self.caller.request_id))
            await self._finish()
            self._renew_summary()
        except asyncio.CancelledError:
            await to_the_end(self._cut_off())
            if self._end_message is None:
                raise
            logger.info("turn %s was ended: %s", self.caller.request_id, self._end_message)
            self.channel.put(frame(ErrorEvent(code="custom", message=self._end_message, allow_retry=True)))
        except Exception as error:
            self._produced = True
            await to_the_end(self._cut_off())
            scope = scope_of(self.context)
            self.channel.put(frame(error_event(error, self.caller.request_id, self.snapshot.errors, scope)))
        finally:
            if timer is not None:
                timer.cancel()
            try:
                if self.meter.used and self.snapshot.config.limits.budgets is not None:
                    # The next message counts on it.
                    await to_the_end(self._keep_usage(self.meter))
            finally:
                self.channel.close()
                await asyncio.shield(self._release())

    async def _release(self) -> None:
        await self._keep_usage(self.meter)
        await self.plan.resources.aclose()

    def _take_too_long(self) -> None:
        request_id = self.caller.request_id
        self.end(own_words("turn", self.snapshot.errors, scope_of(self.context), request_id) or TOO_LONG)

    async def _keep_usage(self, meter: TokenMeter) -> None:
        await budget.keep(meter, self._store, self.plan.thread.id)

    def _begin(self) -> None:
        if self._stopped:
            # A task that is cancelled before its first step would never come to the end of its work.
            raise asyncio.CancelledError
        if self.plan.title_from is not None and self.snapshot.write_title is not None:
            self._title = self._keep_beside(self._write_title(self.plan.title_from), "title")

    async def _produce(self) -> None:
        put_soon, grow = self.channel.put_soon, self.recorder.grow
        with agents_sdk_user_agent_override():
            async with aclosing(self.plan.produce(self)) as events:
                async for event in events:
                    if type(event) is TextDelta:
                        grow(event)
                        put_soon(frame(event))
                    else:
                        await self.send(event)

    async def send(self, event: Event) -> None:
        """Store an event and send what the client is to see of it."""
        if isinstance(event, TextDelta):
            return
        if event.type in _STORED:
            # Whatever ends the turn: what was stored is sent as well.
            await to_the_end(self._record(event))
        else:
            await self._record(event)

    async def _record(self, event: ThreadStreamEvent) -> None:
        for seen in await self.recorder.record(event):
            self.channel.put(frame(seen))

    async def _finish(self) -> None:
        self._produced = True
        await self.recorder.finish()
        await self._send_client_calls()
        for event in await self.recorder.thread_changes():
            self.channel.put(frame(event))
        if self._title is not None:
            await asyncio.wait({self._title}, timeout=TITLE_WAIT_S)

    def _renew_summary(self) -> None:
        running = any(task.get_name() == f"summary {self.plan.thread.id}" for task in self._tasks)
        if self._summary_due and not running:
            work = renew_summary(self.snapshot, self.context, self._store)
            self._summary = self._keep_beside(work, "summary")

    async def _cut_off(self) -> None:
        try:
            while self.state.queue.events:
                await self.send(self.state.queue.events.popleft())
            await self.recorder.cut_off()
        except Exception:
            logger.exception("what turn %s had said could not be stored", self.caller.request_id)

    async def _write_title(self, text: str) -> None:
        assert self.snapshot.write_title is not None
        meter = TokenMeter()
        TOKEN_METER.set(meter)
        try:
            title = await self.snapshot.write_title(text)
            if title:
                for event in await self.recorder.store_title(title):
                    self.channel.put(frame(event))
        except Exception as error:
            # A title is a courtesy: without one the answer is as good as with.
            logger.warning("no title for thread %s: %s: %s", self.plan.thread.id, type(error).__name__, error)
        finally:
            await to_the_end(self._keep_usage(meter))

    async def answer(self, items: Sequence[ThreadItem]) -> AsyncGenerator[Event, None]:
        """Let the agents answer a thread that holds these items, oldest first."""
        config = self.snapshot.config
        await budget.allow(self.meter, config.limits.budgets, self._store, self.plan.thread.id)
        self._summary_due = self.snapshot.summarise is not None and to_sum_up(items, config.chat.history) is not None
        summary, items = take_summary(items)
        if self.snapshot.summarise is None:
            summary = None  # written before it was switched off
        entry = await self._entry_agent(items)
        models = getattr(entry.agent.model, "models", [entry.agent.model])
        reads_files = all(isinstance(model, OpenAIResponsesModel) for model in models)
        answering.set(Answering(self.context, self.caller.user.id, self.snapshot.mentions, self._uploads, reads_files))
        model_input = await to_model_input(self.snapshot.converter, items, config.chat.history, summary)
        preface = self.snapshot.prefaces.get(entry.key)
        if preface is not None:
            model_input = with_preface(model_input, str(preface.render(scope_of(self.context))))
        limit = config.agents[entry.key].max_turns or DEFAULT_MAX_TURNS
        shown = [item for item in items[-4:] if not isinstance(item, ModelItem)]
        images = ResponseStreamConverter(partial_images=self.snapshot.partial_images)
        self.state.user_text = words_of(items)
        try:
            beside = await self._guard(entry)
        except GuardrailTripped as tripped:
            async for event in self._left_out(tripped, ()):
                yield event
            return
        run = RunEvents(self.context, images, shown, entry.agent)
        result = Runner.run_streamed(
            entry.agent,
            model_input,
            context=self.context,
            max_turns=limit,
            hooks=METERED,
            run_config=self.snapshot.run_config,
        )
        try:
            async for event in self._pass_on(run, result, entry.key, beside):
                yield event
        finally:
            if beside is not None:
                beside.cancel()
                await asyncio.gather(beside, return_exceptions=True)

    async def _guard(self, entry: EntryAgent) -> asyncio.Task[None] | None:
        """Let what the user has said pass the agent's guardrails; those that run beside the agent are returned."""
        said, guards = self.state.user_text, self.snapshot.guardrails.get(entry.key, NO_GUARDRAILS).input
        if said is None or not guards:
            return None
        await enforce([guard for guard in guards if not guard.parallel], self.context, entry.agent, said)
        beside = [guard for guard in guards if guard.parallel]
        return asyncio.ensure_future(enforce(beside, self.context, entry.agent, said)) if beside else None

    async def resume(self, pending: PendingRun, items: Sequence[ThreadItem]) -> AsyncGenerator[Event, None]:
        """Go on with a run that has waited for the user's word."""
        await budget.allow(self.meter, self.snapshot.config.limits.budgets, self._store, self.plan.thread.id)
        self._active = active_in(items)
        start = self.snapshot.routing.entry_agent(pending.starter, chosen_in(items), first=False)
        hub, state = await load_state(self.snapshot, self.context, pending, start.agent)
        self.recorder.keep_calls(pending.refusals(self.plan.thread.id))
        limit = self.snapshot.config.agents[pending.starter].max_turns or DEFAULT_MAX_TURNS
        images = ResponseStreamConverter(partial_images=self.snapshot.partial_images)
        run_config = self.snapshot.run_config
        result = Runner.run_streamed(hub, state, max_turns=limit, hooks=METERED, run_config=run_config)
        async for event in self._pass_on(RunEvents(self.context, images, (), start.agent), result, pending.starter):
            yield event

    async def _pass_on(
        self, run: RunEvents, result: RunResultStreaming, starter: str, beside: asyncio.Task[None] | None = None
    ) -> AsyncGenerator[Event, None]:
        guarding, structured = Guarding(self.snapshot, run, beside), Structured(self.snapshot, run)
        try:
            async with aclosing(structured.watch(guarding.watch(run.events(result)))) as events:
                async for event in events:
                    if run.calls:
                        self.recorder.keep_calls(run.calls)
                    yield event
        except GuardrailTripped as tripped:
            async for event in self._left_out(tripped, guarding.said):
                yield event
            return
        finally:
            # Also what led to a failure: tools have done their work, and the model is to know of it.
            self.recorder.keep_calls(run.calls)
            if self.context.workflow_item is not None:
                self.recorder.keep_workflow(self.context.workflow_item)
        await self._remember_active(run)
        if result.interruptions:
            cards, kept = stop_for_approval(self.snapshot, self.context, starter, result.to_state())
            # One transaction with the calls: a card without its run could never be answered.
            await to_the_end(self.recorder.write(*cards, kept))
            for card in cards:
                self.channel.put(frame(ThreadItemDoneEvent(item=card)))

    async def _remember_active(self, run: RunEvents) -> None:
        """Keep which agent had the last word, where a sticky one has taken over, or given the thread back."""
        agents = self.snapshot.agents
        key = next((key for key, agent in agents.items() if agent.name == run.agent.name), None)
        active = key if key is not None and self.snapshot.config.agents[key].sticky else ""
        if active == (self._active or ""):
            return
        marker = ModelItem(
            id=new_id("call"),
            thread_id=self.plan.thread.id,
            created_at=datetime.now(UTC),
            content={"active_agent": active},
        )
        await to_the_end(self.recorder.write(marker))

    async def _left_out(self, tripped: GuardrailTripped, said: Sequence[str]) -> AsyncGenerator[Event, None]:
        """Take back what was said, tell the user, and keep the turn from the model from now on."""
        logger.info("turn %s: %s", self.caller.request_id, tripped)
        if self._title is not None:
            self._title.cancel()
        for item_id in said:
            yield ThreadItemRemovedEvent(item_id=item_id)
        thread_id, now = self.plan.thread.id, datetime.now(UTC)
        content = {"left_out": {"guardrail": tripped.guardrail}}
        marker = ModelItem(id=new_id("call"), thread_id=thread_id, created_at=now, content=content)
        await to_the_end(self.recorder.write(marker))
        told = [AssistantMessageContent(text=tripped.message)]
        item = AssistantMessageItem(id=new_id("message"), thread_id=thread_id, created_at=now, content=told)
        yield ThreadItemDoneEvent(item=item)

    async def _entry_agent(self, items: Sequence[ThreadItem]) -> EntryAgent:
        """The agent that begins, as the user's last message has chosen it; that message may be some calls ago."""
        chosen = chosen_in(items)
        self._active = active_in(items)
        key = await self.snapshot.routing.choose_agent(self.context, chosen, self._active)
        return self.snapshot.routing.entry_agent(
            key, chosen, first=bool(items) and isinstance(items[-1], UserMessageItem)
        )

    async def handle(self, events: AsyncIterator[ThreadStreamEvent]) -> AsyncGenerator[Event, None]:
        """Yield an action handler's events, those it emits through its context among them."""
        queue, wake = self.state.queue, asyncio.Event()
        queue.wake = wake.set
        handler = asyncio.create_task(_pour(events, queue))
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
            # Its own clean-up runs before the thread's lock is released and the store closed.
            await asyncio.gather(handler, return_exceptions=True)

    async def _send_client_calls(self) -> None:
        """Send the first client tool call that was asked for; the others wait for its result, in order."""
        for index, call in enumerate(self.state.client_calls):
            item = client_call(self.context, call)
            if index == 0:
                await self.send(ThreadItemDoneEvent(item=item))
            else:
                await self.recorder.write(queued_call(item))


async def _pour(events: AsyncIterator[ThreadStreamEvent], queue: EventQueue) -> None:
    async for event in events:
        queue.put(event)
