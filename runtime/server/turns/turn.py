"""One streaming request from its first event to its last, in a task of its own.

The task can outlive the connection: when the client disconnects, `chat.on_disconnect` says whether the turn is
cancelled or finishes. Either way, what it has produced is stored.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from functools import partial
from typing import Any

from chatkit.server import agents_sdk_user_agent_override
from chatkit.store import NotFoundError
from chatkit.types import ErrorEvent, StreamOptions, StreamOptionsEvent, ThreadItemDoneEvent, ThreadStreamEvent

from runtime.assemble.context import scope_of
from runtime.assemble.mcp_connections import FORWARDED_HEADERS
from runtime.assemble.token_meter import TOKEN_METER, TokenBudgetExceeded, TokenMeter
from runtime.resources.containment import ProjectCodeError, contained, reason_of
from runtime.resources.lease import Lease
from runtime.server.settings import ServerSettings
from runtime.server.turns import token_budget as budget
from runtime.server.turns.client_tools import make_call_item, queue_call
from runtime.server.turns.errors import LOST, error_event, own_text, unexpected_event
from runtime.server.turns.followers import EventSource, LogFollower
from runtime.server.turns.leases import HeldLease
from runtime.server.turns.partial_writes import PartialWriter, PartialWrites
from runtime.server.turns.plan_execution import Execution
from runtime.server.turns.plans import HandleAction
from runtime.server.turns.recorder import to_the_end
from runtime.server.turns.sse import Event, TextDelta, frame
from runtime.server.turns.summary import renew_summary
from runtime.server.turns.turn_log import TurnLog
from runtime.stores.store import StoreUnavailable
from runtime.stores.turns import TurnLost

logger = logging.getLogger("runtime.server")

DELETED = "This conversation was deleted."
TOO_LONG = "The answer took too long and was stopped. Please try again."
TOO_SLOW = "The connection is too slow. Please load the conversation again."
_STORED = frozenset({"thread.item.done", "thread.item.replaced", "thread.item.removed"})

Tasks = dict[asyncio.Task[None], "Turn"]
"""The running tasks of all turns, and the turn of each."""


class Turn:
    """Runs an execution and stores and sends its events; `lease` holds the generation that answers.

    `number` distinguishes turns of a thread that have no lease.
    """

    def __init__(
        self,
        execution: Execution,
        lease: Lease[Any],
        settings: ServerSettings,
        number: int,
        partial_writer: PartialWriter,
    ) -> None:
        self._execution, self._lease, self._settings = execution, lease, settings
        self._partial_writer = partial_writer
        self.snapshot, self.buffer = execution.snapshot, execution.buffer
        self.buffer.max_size, self.buffer.on_overflow = settings.max_unsent, self._overflow
        self._recorder, self._thread_id = execution.recorder, execution.plan.thread.id
        held = execution.threads.lease
        self.number = number if held is None else held.lease.number
        self.key = execution.threads.store.owner, self._thread_id
        self.resumes = execution.request.resumes
        self._store, self._request_id = execution.threads.store, execution.request.request_id
        self._summary: asyncio.Task[None] | None = None
        self._running = self._stopped = self._complete = False
        self._stopped_by_user = False
        self._end_message: str | None = None
        self._end_allows_retry = True
        self._partial_writes: PartialWrites | None = None

    def open(self) -> None:
        """Send the events that are stored already, before anything else is done."""
        if self.resumes:
            # The response reads the log.
            self.buffer.discard()
        plan = self._execution.plan
        allow_cancel = self.snapshot.config.chat.allow_cancel
        options = StreamOptionsEvent(stream_options=StreamOptions(allow_cancel=allow_cancel))
        self.buffer.put(*(frame(event) for event in (*plan.opening, options, *plan.news)))

    def start(self, tasks: Tasks) -> None:
        """Run in a new task, which is in `tasks` while it runs."""
        self._tasks = tasks
        threads = self._execution.threads
        threads.on_lease = self._hold
        if threads.lease is not None:
            self._hold(threads.lease)
        self._task = self._create_task(self._run(), "turn")

    def _hold(self, lease: HeldLease) -> None:
        """Write what the turn has produced from time to time, and end it if its lease is lost."""
        lease.on_lost, lease.on_stop = partial(self.end, LOST), self.stop
        self._partial_writes = PartialWrites(self._recorder, self._execution.log, lease, self._partial_writer)

    @property
    def log(self) -> TurnLog:
        """The events so far."""
        return self._execution.log

    @property
    def is_background(self) -> bool:
        """Whether it is no turn of the thread, but the handler of a click, which runs besides."""
        return self._execution.threads.lease is None and isinstance(self._execution.plan, HandleAction)

    @property
    def is_running(self) -> bool:
        """Whether events may follow."""
        return not self.log.closed

    def on_end(self, callback: Callable[[], object]) -> None:
        """Call a function when the turn has ended."""
        self._task.add_done_callback(lambda _: callback())

    def source(self) -> EventSource:
        """Return what the response of the request sends."""
        return LogFollower(self.log, self.number, self._settings) if self.resumes else self

    async def take(self) -> bytes | None:
        """Return the next bytes of the response, or None at its end."""
        return await self.buffer.take(self._settings.ping_s)

    async def close(self) -> None:
        """Do nothing: the turn ends by itself."""

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of the response; closing the generator early means that the client has disconnected."""
        complete = False
        try:
            while (chunk := await self.take()) is not None:
                yield chunk
            complete = True
        finally:
            if not complete:
                self.client_left()

    def client_left(self) -> None:
        """Cancel the turn or let it finish, as `chat.on_disconnect` says; what it has produced is stored either way."""
        self.buffer.discard()
        if self.snapshot.config.chat.on_disconnect == "cancel":
            self._cancel()

    def _overflow(self) -> None:
        logger.warning("the client of turn %s reads too slowly: it is disconnected", self._request_id)
        self.client_left()
        self.buffer.end_with(frame(ErrorEvent(code="custom", message=TOO_SLOW, allow_retry=True)))

    def stop(self) -> None:
        """End the turn, because the user wants it to; what it has produced is stored and sent."""
        self._stopped_by_user = True
        self._cancel()

    async def wait(self) -> None:
        """Wait until what the turn has produced is stored, or for `storing_s`."""
        await asyncio.wait({self._task}, timeout=self._settings.storing_s)

    def _cancel(self) -> None:
        if self._stopped:
            # A second cancellation would interrupt the storing.
            return
        self._stopped = True
        if self._running:
            self._task.cancel()

    def is_of(self, owner: str, thread_id: str) -> bool:
        """Return whether the turn answers in this thread."""
        return (self._store.owner, self._thread_id) == (owner, thread_id)

    def end(self, message: str, *, allow_retry: bool = True) -> None:
        """End the turn early, because the server has to; what it has produced is stored.

        The stream ends with an error that has this message. If the answer is complete, only the title and the summary
        are cancelled.
        """
        for task in (self._execution.title, self._summary):
            if task is not None:
                task.cancel()
        if self._stopped or self._complete:
            return
        self._end_message, self._end_allows_retry = message, allow_retry
        self._cancel()

    def _create_task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(_contain(work, name), name=f"{name} {self._thread_id}")
        self._tasks[task] = self
        task.add_done_callback(self._tasks.pop)
        return task

    def _create_side_task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        # It may outlive the turn, so it has its own lease, and is in `tasks` for the server to end it.
        task = self._create_task(work, name)
        lease = self._lease.again()
        task.add_done_callback(lambda _: lease.release())
        return task

    async def _run(self) -> None:
        """Produce, store and send every event; an error becomes an event as well."""
        self._running = True
        execution = self._execution
        TOKEN_METER.set(execution.meter)
        FORWARDED_HEADERS.set(execution.request.headers)
        limit_s = self.snapshot.config.limits.turn
        timer = None if limit_s is None else asyncio.get_running_loop().call_later(limit_s, self._end_too_long)
        try:
            self._begin()
            with contained():
                await self._work()
        except asyncio.CancelledError:
            await to_the_end(self._store_partial())
            if self._end_message is None:
                raise
            logger.info("turn %s was ended: %s", self._request_id, self._end_message)
            self._put_end(self._end_message, allow_retry=self._end_allows_retry)
        except Exception as error:
            self._complete = True
            if isinstance(error, StoreUnavailable):
                # Each further write may wait for the store as long as the failed one: the client gets the error first.
                await self._fail(error)
                self.buffer.discard()
                self.buffer.close()
                await to_the_end(self._store_partial())
            else:
                await to_the_end(self._store_partial())
                await self._fail(self._execution.state.fault or error)
        finally:
            if timer is not None:
                timer.cancel()
            try:
                # Before the stream ends: the next message may come at once, at another process.
                await to_the_end(self._release())
            finally:
                self.buffer.close()
                self.log.close()

    async def _work(self) -> None:
        try:
            await self._produce()
        except TokenBudgetExceeded as exceeded:
            await self._send(budget.budget_notice(exceeded, self.snapshot.errors, self._scope(), self._request_id))
        await self._finish()
        self._renew_summary()

    async def _fail(self, error: Exception) -> None:
        """Log an error and send its event, whatever the project's code has left in the turn's context."""
        try:
            with contained():
                event = await self._event_of(error)
        except Exception as failure:
            event = unexpected_event(failure, self._request_id)
        self.buffer.put(frame(event))

    async def _event_of(self, error: Exception) -> ErrorEvent:
        """Log an error and return its event; a thread that was deleted meanwhile is no error of the server."""
        if isinstance(error, NotFoundError) and await self._is_deleted():
            logger.info("turn %s was ended: its thread %s was deleted", self._request_id, self._thread_id)
            return ErrorEvent(code="custom", message=DELETED, allow_retry=False)
        activity = self._execution.activity(error, self._lease.value.source.loaded)
        return error_event(error, self._request_id, self.snapshot.errors, self._scope(), activity)

    def _put_end(self, message: str, *, allow_retry: bool) -> None:
        self.buffer.put(frame(ErrorEvent(code="custom", message=message, allow_retry=allow_retry)))

    async def _is_deleted(self) -> bool:
        try:
            await self._store.load_thread(self._thread_id)
        except NotFoundError:
            return True
        return False

    async def _release(self) -> None:
        threads, meter = self._execution.threads, self._execution.meter
        if threads.lease is None or self._partial_writes is None:
            await budget.store_usage(meter, self._store, self._thread_id)
        else:
            # In one transaction with the end of the lease.
            threads.lease.events = await self._partial_writes.end(resumes=self.resumes)
            threads.lease.usage = budget.take_usage(meter, self._thread_id)
        await threads.resources.aclose()
        # A cycle would keep the generation alive until the next collection.
        threads.on_lease = None

    def _end_too_long(self) -> None:
        own = own_text("turn", self.snapshot.errors, self._scope(), self._request_id)
        limit_s, activity = self.snapshot.config.limits.turn, self._execution.activity()
        logger.warning("turn %s exceeded `limits.turn` of %s s (%s)", self._request_id, limit_s, activity)
        self.end(own or f"{TOO_LONG} (reference {self._request_id})")

    def _scope(self) -> dict[str, Any]:
        return scope_of(self._execution.context)

    def _begin(self) -> None:
        if self._stopped:
            # A task that is cancelled before its first step would skip its clean-up.
            raise asyncio.CancelledError
        text = self._execution.plan.title_from
        if text is not None and self.snapshot.write_title is not None:
            self._execution.title = self._create_side_task(self._write_title(text), "title")

    async def _produce(self) -> None:
        put_soon, grow = self.buffer.put_soon, self._recorder.grow
        with agents_sdk_user_agent_override():
            async with aclosing(self._execution.events()) as events:
                async for event in events:
                    if type(event) is TextDelta:
                        grow(event)
                        put_soon(event)
                    else:
                        await self._send(event)

    async def _send(self, event: Event) -> None:
        if isinstance(event, TextDelta):
            return
        if event.type in _STORED:
            # Also when the turn is cancelled meanwhile: what is stored is sent.
            await to_the_end(self._record(event))
        else:
            await self._record(event)

    async def _record(self, event: ThreadStreamEvent) -> None:
        for visible in await self._recorder.record(event):
            self.buffer.put(frame(visible))

    async def _finish(self) -> None:
        self._complete = True
        await self._recorder.finish()
        await self._send_client_calls()
        for event in await self._recorder.thread_changes():
            self.buffer.put(frame(event))
        if self._execution.title is not None:
            await asyncio.wait({self._execution.title}, timeout=self._settings.title_wait_s)

    async def _send_client_calls(self) -> None:
        """Send the first client tool call, and store the others until it has a result."""
        for index, call in enumerate(self._execution.state.client_calls):
            item = make_call_item(self._execution.context, call)
            if index == 0:
                await self._send(ThreadItemDoneEvent(item=item))
            else:
                await self._recorder.write(queue_call(item))

    def _renew_summary(self) -> None:
        is_running = any(task.get_name() == f"summary {self._thread_id}" for task in self._tasks)
        if self._execution.summary_due and not is_running:
            work = renew_summary(self.snapshot, self._execution.context, self._store)
            self._summary = self._create_side_task(work, "summary")

    async def _store_partial(self) -> None:
        try:
            queue = self._execution.state.queue
            while queue.events:
                await self._send(queue.events.popleft())
            for item in await self._recorder.cut_off():
                if self.resumes or self._stopped_by_user:
                    self.buffer.put(frame(ThreadItemDoneEvent(item=item)))
            for event in await self._recorder.thread_changes():
                self.buffer.put(frame(event))
        except TurnLost as error:
            logger.warning("the partial answer of turn %s is dropped: %s", self._request_id, error)
        except NotFoundError:
            logger.info("thread %s was deleted while it was answered", self._thread_id)
        except Exception:
            logger.exception("the partial answer of turn %s could not be stored", self._request_id)

    async def _write_title(self, text: str) -> None:
        assert self.snapshot.write_title is not None
        meter = TokenMeter(self.snapshot.models.prices)
        TOKEN_METER.set(meter)
        try:
            title = await self.snapshot.write_title(self._execution.context, text)
            if title:
                for event in await self._recorder.store_title(title):
                    self.buffer.put(frame(event))
        except NotFoundError:
            logger.info("thread %s was deleted before it had a title", self._thread_id)
        except Exception as error:
            # The answer does not depend on it.
            logger.warning("no title for thread %s: %s", self._thread_id, reason_of(error))
        finally:
            await to_the_end(budget.store_usage(meter, self._store, self._thread_id))


async def _contain(work: Coroutine[Any, Any, None], name: str) -> None:
    """Run a task of a turn: nothing that the project's code raises may leave it."""
    try:
        with contained():
            await work
    except ProjectCodeError as error:
        logger.error("the %s task of a turn failed: %s", name, error, exc_info=error)
