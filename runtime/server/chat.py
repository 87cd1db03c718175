"""The ChatKitServer that an agents.yaml describes: every request type of the protocol.

What can be refused is refused before the first byte of an answer, as a RequestError with a status; what is accepted
becomes a `Plan`, and the `Turn` that carries it out runs in a task of its own.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

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
from runtime.assemble.snapshot import Snapshot
from runtime.errors import RequestError
from runtime.live import Live
from runtime.server.locks import ThreadLocks
from runtime.server.plans import Planner, find_action
from runtime.server.record import thread_response
from runtime.server.request import DEFAULT_PER_PAGE, Caller, page_limit, parse_request
from runtime.server.turn import Plan, Turn
from runtime.server.wire import Event, TextDelta, to_bytes
from runtime.stores.facade import OwnerStore
from runtime.stores.store import InvalidCursor, ThreadStore

PING_S = 15.0
"""After how many silent seconds a stream sends a comment, so that no proxy takes it for dead."""

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

    def __init__(self, live: Live[Snapshot], backend: ThreadStore) -> None:
        super().__init__(store=OwnerStore(backend, Caller().user.id))
        self.live, self.backend = live, backend
        self._locks = ThreadLocks()
        self._tasks: set[asyncio.Task[None]] = set()

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

    async def handle(self, body: str | bytes | bytearray, who_asks: WhoAsks) -> Streaming | bytes:
        """Handle one request: JSON bytes, or a stream that has begun. Raise RequestError for what is refused."""
        request = parse_request(body)
        async with AsyncExitStack() as resources:
            snapshot = await resources.enter_async_context(self.live.lease())
            caller = await who_asks(snapshot)
            store = OwnerStore(self.backend, caller.user.id)
            try:
                if not is_streaming_req(request):
                    return to_bytes(await self._reply(request, snapshot, caller, store))
                plan = await Planner(snapshot, caller, store, self._locks, resources).plan(request)
            except NotFoundError as error:
                raise RequestError(404, "not_found", str(error) or "not found") from None
            except InvalidCursor as error:
                raise RequestError(400, "invalid_cursor", str(error)) from None
            # Made before it takes over the lock: a context class of the project's own may raise.
            turn = Turn(snapshot, caller, store, plan)
            plan.resources = resources.pop_all()
            turn.start(self._tasks)
            return Streaming(turn)

    async def close(self, grace_s: float = 5.0) -> None:
        """Give running turns `grace_s` seconds to end, then cut them off; what they said so far is stored."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _reply(self, request: ChatKitReq, snapshot: Snapshot, caller: Caller, store: OwnerStore) -> BaseModel:
        match request:
            case ThreadsGetByIdReq(params=params):
                thread = await store.load_thread(params.thread_id)
                items = await self.backend.load_items(store.owner, thread.id, limit=DEFAULT_PER_PAGE, order="asc")
                return thread_response(thread, items)
            case ThreadsListReq(params=params):
                page = await store.load_threads(page_limit(params.limit), params.after, params.order)
                listed = [thread_response(thread) for thread in page.data]
                return Page(data=listed, has_more=page.has_more, after=page.after)
            case ItemsListReq(params=params):
                return await self.backend.load_items(
                    store.owner,
                    params.thread_id,
                    limit=page_limit(params.limit),
                    after=params.after,
                    order=params.order,
                )
            case ThreadsUpdateReq(params=params):
                return thread_response(
                    await self.backend.update_thread(store.owner, params.thread_id, title=params.title)
                )
            case ThreadsDeleteReq(params=params):
                await store.delete_thread(params.thread_id)
                return _Empty()
            case ItemsFeedbackReq(params=params):
                await self.backend.save_feedback(store.owner, params.thread_id, params.item_ids, params.kind)
                return _Empty()
            case ThreadsSyncCustomActionReq():
                return await self._sync_action(request, snapshot, caller, store)
            case InputTranscribeReq(params=params):
                raise _no_dictation(params.audio_base64)
            case AttachmentsCreateReq() | AttachmentsDeleteReq():
                raise RequestError(501, "not_supported", "attachments are not offered here")
            case _:
                raise RequestError(400, "invalid_request", f"the request's type {request.type!r} is unknown")

    async def _sync_action(
        self, request: ThreadsSyncCustomActionReq, snapshot: Snapshot, caller: Caller, store: OwnerStore
    ) -> SyncCustomActionResponse:
        params = request.params
        action = find_action(snapshot, params.action)
        if action.sync is None:
            raise RequestError(501, "not_supported", f"action {action.type!r} is not declared with `sync: true`")
        planner = Planner(snapshot, caller, store, self._locks, AsyncExitStack())
        thread, sender = await planner.sender_of(params.thread_id, params.item_id)

        async def nothing(turn: Turn) -> AsyncGenerator[Event, None]:
            return
            yield

        turn = Turn(snapshot, caller, store, Plan(thread, nothing))
        answer = await action.sync(turn.context, params.action, sender)
        if turn.around.asked or turn.around.answer:
            message = f"action {action.type!r} is sync: it can neither call the client nor let the agents answer"
            raise RequestError(501, "not_supported", message)
        while turn.around.outbox.events:
            await turn.recorder.record(turn.around.outbox.events.popleft())
        response = SyncCustomActionResponse(updated_item=replacement(answer, sender))
        if response.updated_item is not None:
            # Shown now and found again after a reload.
            await turn.recorder.write(response.updated_item)
        await turn.recorder.thread_changes()
        return response

    def get_stream_options(self, thread: ThreadMetadata, context: Any) -> StreamOptions:
        """Say whether the user may stop an answer."""
        return StreamOptions(allow_cancel=self.live.current.config.chat.allow_cancel)

    async def respond(
        self, thread: ThreadMetadata, input_user_message: UserMessageItem | None, context: Any
    ) -> AsyncIterator[ThreadStreamEvent]:
        """Answer a thread as it is stored; the events are not stored: `process` does that."""
        async with self.live.lease() as snapshot:
            planner = Planner(snapshot, Caller(request_context=context), self._own, self._locks, AsyncExitStack())
            async for event in planner.respond(thread):
                yield event.event() if isinstance(event, TextDelta) else event

    async def action(
        self, thread: ThreadMetadata, action: Action[str, Any], sender: WidgetItem | None, context: Any
    ) -> AsyncIterator[ThreadStreamEvent]:
        """Carry out a declared action; the events are not stored: `process` does that."""
        async with self.live.lease() as snapshot:
            planner = Planner(snapshot, Caller(request_context=context), self._own, self._locks, AsyncExitStack())
            async for event in planner.act(thread, action, sender):
                yield event.event() if isinstance(event, TextDelta) else event

    @property
    def _own(self) -> OwnerStore:
        return OwnerStore(self.backend, Caller().user.id)


class _Empty(BaseModel):
    """The reply `{}`."""


def _no_dictation(audio_base64: str) -> RequestError:
    try:
        base64.b64decode(audio_base64, validate=True)
    except (binascii.Error, ValueError):
        return RequestError(400, "invalid_audio", "params.audio_base64 is not valid base64")
    return RequestError(501, "not_supported", "dictation is not offered here")
