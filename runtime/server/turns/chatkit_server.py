"""The ChatKitServer that an agents.yaml describes: every request type of the protocol.

A request is refused before the first byte of an answer, as a RequestError with a status. An accepted streaming request
becomes a `Plan`, and a `Turn` runs it in a task of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Protocol

from chatkit import types
from chatkit.server import ChatKitServer, NonStreamingResult, StreamingResult
from chatkit.store import NotFoundError
from pydantic import BaseModel

from runtime.assemble.context import scope_of
from runtime.assemble.project import Snapshot
from runtime.auth.user import LOCAL_USER, Unauthenticated, User, authenticated
from runtime.config.model.limits import Limits
from runtime.errors import RequestError
from runtime.resources.lease import Lease, Live
from runtime.server.attachments.uploads import Uploads
from runtime.server.history.interruption import DEFAULT_TEXTS, CardTexts
from runtime.server.settings import DEFAULT_SETTINGS, ServerSettings
from runtime.server.turns.admission import TurnSlots, UntilGone
from runtime.server.turns.click_claims import ClickClaims
from runtime.server.turns.dictation import split_recording, transcribe
from runtime.server.turns.errors import own_text
from runtime.server.turns.feedback import save_feedback
from runtime.server.turns.followers import EventSource
from runtime.server.turns.leases import LeaseKeeper
from runtime.server.turns.partial_writes import PartialWriter
from runtime.server.turns.plan_execution import Execution
from runtime.server.turns.plans import SendNews
from runtime.server.turns.recorder import thread_response
from runtime.server.turns.request_limits import check_texts
from runtime.server.turns.request_parsing import DEFAULT_PER_PAGE, RequestInfo, page_limit, parse_request
from runtime.server.turns.request_types import Planner
from runtime.server.turns.resumable_turns import ResumableTurns
from runtime.server.turns.sse import TextDelta, single_frames, to_bytes
from runtime.server.turns.sync_actions import answer_sync_action
from runtime.server.turns.thread_access import ThreadAccess, ThreadLocks
from runtime.server.turns.turn import DELETED, Tasks, Turn
from runtime.stores.owner_store import OwnerStore
from runtime.stores.store import AttachmentBound, GenerationMark, InvalidCursor, ThreadStore
from runtime.stores.turns import TurnStore

logger = logging.getLogger("runtime.server")

RESTARTING = "The server is restarting. Please try again."

Identify = Callable[[Snapshot], Awaitable[RequestInfo]]


class ServedGeneration(Protocol):
    """What a server needs of a generation: a snapshot of the project and its stores."""

    snapshot: Snapshot
    uploads: Uploads | None
    ending: bool

    @property
    def store(self) -> ThreadStore:
        """The store of its threads."""

    @property
    def mark(self) -> GenerationMark:
        """The mark that its threads store."""


class RuntimeServer(ChatKitServer[Any]):
    """Serves the live generation; each request keeps the generation that it began with.

    `live` returns the pointer to the live generation, `is_draining` whether new turns are refused.
    """

    def __init__(
        self,
        live: Callable[[], Live[Any]],
        is_draining: Callable[[], bool],
        settings: ServerSettings = DEFAULT_SETTINGS,
    ) -> None:
        # Without the base class's __init__, which keeps one store: a reload may replace the store.
        self.attachment_store = None
        self._live, self._is_draining, self._settings = live, is_draining, settings
        self.locks, self.slots = ThreadLocks(), TurnSlots()
        self.leases, self._partial_writer = LeaseKeeper(settings), PartialWriter(settings)
        self._clicks = ClickClaims(settings)
        self.tasks: Tasks = {}
        self._resumable = ResumableTurns(self.tasks, settings)

    @property
    def store(self) -> OwnerStore:  # type: ignore[override]  # the base class has an attribute
        """The threads of the one local user, in the live store."""
        return OwnerStore(self._live().current.store, LOCAL_USER.id)

    async def process(
        self, request: str | bytes | bytearray, context: Any = None, *, user: User | str | None = None
    ) -> StreamingResult | NonStreamingResult:
        """Handle a request that `user`, or the user with that id, sent to an endpoint of your own.

        A stream yields one event at a time. Tools get `context` as `request_context`. Raise RequestError for a refused
        request, 401 for one without a user unless `auth` is `none`; its `status`, `code` and `message` are for the
        response.
        """

        async def identify(snapshot: Snapshot) -> RequestInfo:
            return RequestInfo(user=self._user(snapshot, user), request_context=context)

        result = await self.handle(request, identify)
        return (
            NonStreamingResult(result) if isinstance(result, bytes) else StreamingResult(single_frames(result.chunks()))
        )

    async def handle(
        self,
        body: str | bytes | bytearray,
        identify: Identify,
        lease: Lease[Any] | None = None,
        until_gone: UntilGone | None = None,
    ) -> Turn | bytes:
        """Handle one request: return JSON bytes, or a stream that has begun. Raise RequestError for a refused request.

        `lease` holds the generation that answers; the default is the live one. A request that waits for a running turn
        to end is refused when `until_gone` returns.
        """
        # The turn has its own lease: it may outlive the request.
        own_lease = self._live().lease() if lease is None else lease.again()
        generation: ServedGeneration = own_lease.value
        snapshot, limits = generation.snapshot, generation.snapshot.config.limits
        async with AsyncExitStack() as resources:
            resources.enter_context(own_lease)
            request, recording = _parse(body, limits)
            check_texts(request, limits)
            info = await identify(snapshot)
            threads = self._threads(generation, info, resources)
            try:
                if not types.is_streaming_req(request):
                    if isinstance(request, types.InputTranscribeReq):
                        return to_bytes(await transcribe(snapshot, info, request.params, recording))
                    return to_bytes(await self._reply(request, generation, info, threads))
                await self.slots.acquire(info.user, limits.concurrent_turns, until_gone)
                resources.callback(self.slots.release, info.user)
                plan = await Planner(snapshot, info, threads, generation.uploads).plan(request)
            except NotFoundError as error:
                raise RequestError(404, "not_found", str(error) or "not found") from None
            except InvalidCursor as error:
                raise RequestError(400, "invalid_cursor", str(error)) from None
            except AttachmentBound as error:
                raise RequestError(409, "already_sent", f"{error} (attach the file again)") from None
            # Made before it takes over the resources: a context class of the project may raise.
            execution = Execution(snapshot, info, threads, plan, generation.uploads)
            number = self._resumable.next_number()
            turn = Turn(execution, own_lease, self._settings, number, self._partial_writer)
            turn.open()
            threads.resources = resources.pop_all()
            with snapshot.code.pinned():
                turn.start(self.tasks)
            if turn.resumes and not isinstance(generation.store, TurnStore):
                self._resumable.keep(turn)
            return turn

    async def follow(
        self, generation: ServedGeneration, info: RequestInfo, thread_id: str, after: int | None
    ) -> EventSource | None:
        """Return the events of a thread's running turn, or those of a turn after the event with the id `after`.

        Return None if no turn runs, or nothing of that turn is left. Raise RequestError (404).
        """
        thread = await self._load(generation, info, thread_id)
        return await self._resumable.follow(generation.store, info.user.id, thread.id, after)

    async def stop(self, generation: ServedGeneration, info: RequestInfo, thread_id: str) -> None:
        """Stop a thread's running turn, whichever process runs it; what it has produced is stored.

        Raise RequestError: 403 where answers can't be stopped, 404.
        """
        thread = await self._load(generation, info, thread_id)
        if not generation.snapshot.config.chat.allow_cancel:
            raise RequestError(403, "not_allowed", "answers can't be stopped here")
        await self._resumable.stop(generation.store, info.user.id, thread.id)

    async def _load(self, generation: ServedGeneration, info: RequestInfo, thread_id: str) -> types.ThreadMetadata:
        try:
            return await self._threads(generation, info, AsyncExitStack()).load(thread_id)
        except NotFoundError as error:
            raise RequestError(404, "not_found", str(error) or "not found") from None

    async def close(self, grace_s: float = 5.0) -> None:
        """Give running turns `grace_s` seconds to finish, then end them as errors that allow a retry.

        What they have produced is stored; a turn that takes longer than `storing_s` to store it is cancelled.
        """
        await self._wait(grace_s)
        for turn in set(self.tasks.values()):
            turn.end(RESTARTING)
        await self._wait(self._settings.storing_s)
        for task in self.tasks:
            task.cancel()
        # With a limit: code of the project may suppress its cancellation.
        await self._wait(self._settings.storing_s)
        await self.leases.close()

    def _end_turns_of(self, owner: str, thread_id: str) -> None:
        for turn in set(self.tasks.values()):
            if turn.is_of(owner, thread_id):
                turn.end(DELETED, allow_retry=False)

    async def _wait(self, timeout_s: float) -> None:
        if self.tasks:
            await asyncio.wait(set(self.tasks), timeout=timeout_s)

    async def end_turns(self, generation: ServedGeneration, message: str) -> None:
        """End the turns of one generation as errors that allow a retry; what they have produced is stored."""
        generation.ending = True
        tasks = {task: turn for task, turn in self.tasks.items() if turn.snapshot is generation.snapshot}
        for turn in set(tasks.values()):
            turn.end(message)
        if tasks:
            await asyncio.wait(set(tasks), timeout=self._settings.storing_s)

    async def _reply(
        self, request: types.ChatKitReq, generation: ServedGeneration, info: RequestInfo, threads: ThreadAccess
    ) -> BaseModel:
        store, backend, owner = threads.store, threads.store.backend, threads.store.owner
        match request:
            case types.ThreadsGetByIdReq(params=params):
                thread = await threads.load(params.thread_id)
                items = await backend.load_items(owner, thread.id, limit=DEFAULT_PER_PAGE, order="asc")
                await _sign(generation, info, items.data)
                return thread_response(thread, items)
            case types.ThreadsListReq(params=params):
                page = await store.load_threads(page_limit(params.limit), params.after, params.order)
                listed = [thread_response(thread) for thread in page.data]
                return types.Page(data=listed, has_more=page.has_more, after=page.after)
            case types.ItemsListReq(params=params):
                if params.after is None and isinstance(backend, TurnStore):
                    await threads.load(params.thread_id)
                items = await backend.load_items(
                    owner, params.thread_id, limit=page_limit(params.limit), after=params.after, order=params.order
                )
                await _sign(generation, info, items.data)
                return items
            case types.ThreadsUpdateReq(params=params):
                return thread_response(await backend.update_thread(owner, params.thread_id, title=params.title))
            case types.ThreadsDeleteReq(params=params):
                await store.delete_thread(params.thread_id)
                self._end_turns_of(owner, params.thread_id)
                return _Empty()
            case types.ItemsFeedbackReq(params=params):
                await save_feedback(generation.snapshot, info, backend, params)
                return _Empty()
            case types.ThreadsSyncCustomActionReq(params=params):
                return await answer_sync_action(generation.snapshot, info, threads, generation.uploads, params)
            case types.AttachmentsCreateReq(params=params):
                return await _uploads_of(generation).announce(info.user.id, params, info.base_url)
            case types.AttachmentsDeleteReq(params=params):
                await _uploads_of(generation).delete(info.user.id, params.attachment_id)
                return _Empty()
            case _:
                raise RequestError(400, "invalid_request", f"the request's type {request.type!r} is unknown")

    def get_stream_options(self, thread: types.ThreadMetadata, context: Any) -> types.StreamOptions:
        """Return whether the user may stop an answer."""
        snapshot: Snapshot = self._live().current.snapshot
        return types.StreamOptions(allow_cancel=snapshot.config.chat.allow_cancel)

    async def respond(
        self,
        thread: types.ThreadMetadata,
        input_user_message: types.UserMessageItem | None,
        context: Any,
        *,
        user: User | str | None = None,
    ) -> AsyncIterator[types.ThreadStreamEvent]:
        """Answer a user's thread as it is stored; the events are not stored: `process` does that.

        Raise RequestError (401) as `process` does.
        """
        with self._live().lease() as generation:
            info = RequestInfo(user=self._user(generation.snapshot, user), request_context=context)
            threads = self._threads(generation, info, AsyncExitStack())
            plan = SendNews(thread=thread)
            execution = Execution(generation.snapshot, info, threads, plan, generation.uploads)
            async for event in execution.answer(await execution.threads.history(thread.id)):
                yield event.event() if isinstance(event, TextDelta) else event

    def _user(self, snapshot: Snapshot, user: User | str | None) -> User:
        if self._settings.has_local_user(snapshot.config) and user in (None, LOCAL_USER, LOCAL_USER.id):
            return LOCAL_USER
        if user is None:
            raise Unauthenticated("no user is given", message="the request has no user (call `process(…, user=…)`)")
        return authenticated(User(user) if isinstance(user, str) else user)

    def _threads(self, generation: ServedGeneration, info: RequestInfo, resources: AsyncExitStack) -> ThreadAccess:
        def check() -> None:
            if self._is_draining():
                raise RequestError(503, "shutting_down", "the server is restarting (try again in a moment)")
            if generation.ending:
                raise RequestError(503, "updated", "the assistant has been updated (try again)")

        return ThreadAccess(
            generation.snapshot.config,
            OwnerStore(generation.store, info.user.id),
            self.locks,
            self.leases,
            self._clicks,
            resources,
            mark=generation.mark,
            check=check,
            card_texts=partial(_card_texts, generation, info),
            wait_s=self._settings.busy_wait_s,
        )


def _parse(body: str | bytes | bytearray, limits: Limits) -> tuple[types.ChatKitReq, bytes | None]:
    """Parse a body; the second part is the recording of a body that is too large to be parsed with it."""
    body = body.encode() if isinstance(body, str) else body
    return split_recording(body, limits) if len(body) > limits.body else (parse_request(body), None)


def _card_texts(
    generation: ServedGeneration, info: RequestInfo, threads: ThreadAccess, thread: types.ThreadMetadata
) -> CardTexts:
    """Return the texts of the card in a thread whose turn has died: the project's own, or else the built-in ones."""
    own = generation.snapshot.errors
    if not own.keys() & {"interrupted", "try_again"}:
        return DEFAULT_TEXTS
    try:
        plan = SendNews(thread=thread)
        scope = scope_of(Execution(generation.snapshot, info, threads, plan, generation.uploads).context)
    except Exception as error:
        # A context class of the project may raise; the thread is shown all the same.
        logger.warning("the texts of `chat.errors` can't be rendered: %s: %s", type(error).__name__, error)
        return DEFAULT_TEXTS
    return CardTexts(
        own_text("interrupted", own, scope, info.request_id) or DEFAULT_TEXTS.interrupted,
        own_text("try_again", own, scope, info.request_id) or DEFAULT_TEXTS.try_again,
    )


async def _sign(generation: ServedGeneration, info: RequestInfo, items: Sequence[types.ThreadItem]) -> None:
    if generation.uploads is not None:
        await generation.uploads.sign_items(info.user.id, items, info.base_url)


def _uploads_of(generation: ServedGeneration) -> Uploads:
    if generation.uploads is None:
        raise RequestError(501, "not_supported", "attachments are not offered here")
    return generation.uploads


class _Empty(BaseModel):
    """The reply `{}`."""
