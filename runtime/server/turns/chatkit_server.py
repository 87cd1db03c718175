"""The ChatKitServer that an agents.yaml describes: every request type of the protocol.

What can be refused is refused before the first byte of an answer, as a RequestError with a status; what is accepted
becomes a `Plan`, and the `Turn` that carries it out runs in a task of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from chatkit.actions import Action
from chatkit.server import ChatKitServer, NonStreamingResult, StreamingResult
from chatkit.store import NotFoundError
from chatkit.types import (
    AttachmentsCreateReq,
    AttachmentsDeleteReq,
    ChatKitReq,
    InputTranscribeReq,
    ItemsFeedbackReq,
    ItemsListReq,
    Page,
    StreamOptions,
    SyncCustomActionResponse,
    ThreadMetadata,
    ThreadsDeleteReq,
    ThreadsGetByIdReq,
    ThreadsListReq,
    ThreadsSyncCustomActionReq,
    ThreadStreamEvent,
    ThreadsUpdateReq,
    UserMessageItem,
    WidgetItem,
    is_streaming_req,
)
from pydantic import BaseModel

from runtime.assemble.actions import replacement
from runtime.assemble.project import Snapshot
from runtime.errors import RequestError
from runtime.resources.lease import Lease
from runtime.server.attachments import Uploads
from runtime.server.turns.dictation import take_dictation
from runtime.server.turns.preparation import Planner
from runtime.server.turns.recorder import thread_response
from runtime.server.turns.request import DEFAULT_PER_PAGE, Caller, page_limit, parse_request
from runtime.server.turns.sse import Event, TextDelta, to_bytes
from runtime.server.turns.thread_locks import ThreadLocks
from runtime.server.turns.turn import Plan, Tasks, Turn
from runtime.stores.owner_store import OwnerStore
from runtime.stores.store import InvalidCursor

if TYPE_CHECKING:
    from runtime.server.generations.generation import Generation
    from runtime.server.runtime import Runtime

PING_S = 15.0
"""After how many silent seconds a stream sends a comment, so that no proxy takes it for dead."""

STORING_S = 3.0
"""How long turns that were ended may take, in seconds, to store what they said."""
RESTARTING = "The server is restarting. Please try again."

WhoAsks = Callable[[Snapshot], Awaitable[Caller]]


class Streaming:
    """A turn that has been started: read its bytes, and say so when the client goes away."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self.channel = turn.channel

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the stream's bytes as they come; leaving early counts as the client going away."""
        complete = False
        try:
            while (chunk := await self.channel.take(PING_S)) is not None:
                yield chunk
            complete = True
        finally:
            if not complete:
                self.client_left()

    def client_left(self) -> None:
        """Cancel the turn or let it finish, as `chat.on_disconnect` says; what was said so far is stored either way."""
        if self._turn.snapshot.config.chat.on_disconnect == "cancel":
            self._turn.cancel()


class RuntimeServer(ChatKitServer[Any]):
    """Serves whatever snapshot is live; one request runs to its end on the snapshot it began with."""

    def __init__(self, runtime: Runtime) -> None:
        # Not the base class's own: it would keep one store, and the store may be another one after a reload.
        self.attachment_store = None
        self._runtime = runtime
        self._locks = ThreadLocks()
        self._tasks: Tasks = {}

    @property
    def store(self) -> OwnerStore:  # type: ignore[override]  # the base class has an attribute
        """The threads of the one local user, in the store that is live."""
        return OwnerStore(self._runtime.store, Caller().user.id)

    async def process(
        self, request: str | bytes | bytearray, context: Any = None
    ) -> StreamingResult | NonStreamingResult:
        """Handle a request from an endpoint of your own; `context` is what tools see as `request_context`.

        Raise RequestError for what is refused; its `status`, `code` and `message` are for the response.
        """

        async def who_asks(snapshot: Snapshot) -> Caller:
            return Caller(request_context=context)

        result = await self.handle(request, who_asks)
        return NonStreamingResult(result) if isinstance(result, bytes) else StreamingResult(result.chunks())

    async def handle(
        self, body: str | bytes | bytearray, who_asks: WhoAsks, lease: Lease[Generation] | None = None
    ) -> Streaming | bytes:
        """Handle one request: JSON bytes, or a stream that has begun. Raise RequestError for what is refused.

        `lease` holds the generation that answers; the live one where it is left out.
        """
        request = parse_request(body)
        # The turn's own lease: it may outlive the request.
        held = self._runtime.live.lease() if lease is None else lease.again()
        generation, snapshot = held.value, held.value.snapshot
        if len(body) > (most := snapshot.config.limits.body) and not isinstance(request, InputTranscribeReq):
            held.release()
            raise RequestError(413, "body_too_large", f"the request's body is larger than {most} bytes")
        async with AsyncExitStack() as resources:
            resources.enter_context(held)
            caller = await who_asks(snapshot)
            store = OwnerStore(generation.store, caller.user.id)
            try:
                if not is_streaming_req(request):
                    return to_bytes(await self._reply(request, generation, caller, store))
                plan = await self._planner(generation, caller, store, resources).plan(request)
            except NotFoundError as error:
                raise RequestError(404, "not_found", str(error) or "not found") from None
            except InvalidCursor as error:
                raise RequestError(400, "invalid_cursor", str(error)) from None
            # Made before it takes over the lock: a context class of the project's own may raise.
            turn = Turn(snapshot, caller, store, plan, lease=held, uploads=generation.uploads)
            turn.open()
            plan.resources = resources.pop_all()
            with snapshot.code.pinned():
                turn.start(self._tasks)
            return Streaming(turn)

    async def close(self, grace_s: float = 5.0) -> None:
        """Give running turns `grace_s` seconds to end, then end them as errors that may be retried.

        What they said so far is stored; a turn whose storing takes longer than a few seconds is cut off.
        """
        await self._wait(grace_s)
        for turn in set(self._tasks.values()):
            turn.end(RESTARTING)
        await self._wait(STORING_S)
        for task in self._tasks:
            task.cancel()
        # Not without a limit: code of the project's own may not let itself be cancelled.
        await self._wait(STORING_S)

    async def _wait(self, timeout_s: float) -> None:
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout_s)

    async def end_turns(self, generation: Generation, message: str) -> None:
        """End the turns of one generation as errors that may be retried; what they said so far is stored."""
        generation.ending = True
        tasks = {task: turn for task, turn in self._tasks.items() if turn.snapshot is generation.snapshot}
        for turn in set(tasks.values()):
            turn.end(message)
        if tasks:
            await asyncio.wait(set(tasks), timeout=STORING_S)

    async def _reply(self, request: ChatKitReq, generation: Generation, caller: Caller, store: OwnerStore) -> BaseModel:
        match request:
            case ThreadsGetByIdReq(params=params):
                thread = await store.load_thread(params.thread_id)
                items = await store.backend.load_items(store.owner, thread.id, limit=DEFAULT_PER_PAGE, order="asc")
                return thread_response(thread, items)
            case ThreadsListReq(params=params):
                page = await store.load_threads(page_limit(params.limit), params.after, params.order)
                listed = [thread_response(thread) for thread in page.data]
                return Page(data=listed, has_more=page.has_more, after=page.after)
            case ItemsListReq(params=params):
                return await store.backend.load_items(
                    store.owner,
                    params.thread_id,
                    limit=page_limit(params.limit),
                    after=params.after,
                    order=params.order,
                )
            case ThreadsUpdateReq(params=params):
                return thread_response(
                    await store.backend.update_thread(store.owner, params.thread_id, title=params.title)
                )
            case ThreadsDeleteReq(params=params):
                await store.delete_thread(params.thread_id)
                return _Empty()
            case ItemsFeedbackReq(params=params):
                await store.backend.save_feedback(store.owner, params.thread_id, params.item_ids, params.kind)
                return _Empty()
            case ThreadsSyncCustomActionReq():
                return await self._sync_action(request, generation, caller, store)
            case InputTranscribeReq(params=params):
                return await take_dictation(generation.snapshot, caller, params)
            case AttachmentsCreateReq(params=params):
                return await _offered(generation).announce(caller.user.id, params, caller.base_url)
            case AttachmentsDeleteReq(params=params):
                await _offered(generation).delete(caller.user.id, params.attachment_id)
                return _Empty()
            case _:
                raise RequestError(400, "invalid_request", f"the request's type {request.type!r} is unknown")

    async def _sync_action(
        self, request: ThreadsSyncCustomActionReq, generation: Generation, caller: Caller, store: OwnerStore
    ) -> SyncCustomActionResponse:
        params = request.params
        planner = self._planner(generation, caller, store, AsyncExitStack())
        thread, sender, action = await planner.action_of(params.thread_id, params.item_id, params.action)
        if action.sync is None:
            raise RequestError(501, "not_supported", f"action {action.type!r} is not declared with `sync: true`")

        async def nothing(turn: Turn) -> AsyncGenerator[Event, None]:
            return
            yield

        turn = Turn(generation.snapshot, caller, store, Plan(thread, nothing))
        answer = await action.sync(turn.context, params.action, sender)
        if turn.state.client_calls or turn.state.answer_requested:
            message = f"action {action.type!r} is sync: it can neither call the client nor let the agents answer"
            raise RequestError(501, "not_supported", message)
        while turn.state.queue.events:
            await turn.recorder.record(turn.state.queue.events.popleft())
        response = SyncCustomActionResponse(updated_item=replacement(answer, sender))
        if response.updated_item is not None:
            # Shown now and found again after a reload.
            await turn.recorder.write(response.updated_item)
        await turn.recorder.thread_changes()
        return response

    def get_stream_options(self, thread: ThreadMetadata, context: Any) -> StreamOptions:
        """Say whether the user may stop an answer."""
        return StreamOptions(allow_cancel=self._runtime.config.chat.allow_cancel)

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: Any
    ) -> AsyncIterator[ThreadStreamEvent]:
        """Answer a thread as it is stored; the events are not stored: `process` does that."""
        with self._runtime.live.lease() as generation:
            async for event in self._own_planner(generation, context).respond(thread):
                yield event.event() if isinstance(event, TextDelta) else event

    async def action(
        self, thread: ThreadMetadata, action: Action[str, Any], sender: WidgetItem | None, context: Any
    ) -> AsyncIterator[ThreadStreamEvent]:
        """Carry out a declared action; the events are not stored: `process` does that."""
        with self._runtime.live.lease() as generation:
            async for event in self._own_planner(generation, context).act(thread, action, sender):
                yield event.event() if isinstance(event, TextDelta) else event

    def _planner(self, generation: Generation, caller: Caller, store: OwnerStore, resources: AsyncExitStack) -> Planner:
        def check() -> None:
            if self._runtime.draining:
                raise RequestError(503, "shutting_down", "the server is restarting (try again in a moment)")
            if generation.ending:
                raise RequestError(503, "updated", "the assistant was updated meanwhile (try again)")

        return Planner(
            generation.snapshot, caller, store, self._locks, resources, generation.mark, check, generation.uploads
        )

    def _own_planner(self, generation: Generation, context: Any) -> Planner:
        caller = Caller(request_context=context)
        return self._planner(generation, caller, OwnerStore(generation.store, caller.user.id), AsyncExitStack())


def _offered(generation: Generation) -> Uploads:
    if generation.uploads is None:
        raise RequestError(501, "not_supported", "attachments are not offered here")
    return generation.uploads


class _Empty(BaseModel):
    """The reply `{}`."""
