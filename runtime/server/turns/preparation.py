"""What each streaming request will do: checked, stored as far as it must be, and ready to run."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime
from typing import Any, TypeGuard, cast

from chatkit.actions import Action
from chatkit.store import NotFoundError
from chatkit.types import (
    ActiveStatus,
    ClientToolCallItem,
    InferenceOptions,
    NoticeEvent,
    StreamingReq,
    StructuredInputAnswer,
    StructuredInputItem,
    StructuredInputMultipleChoice,
    StructuredInputSubmission,
    ThreadCreatedEvent,
    ThreadItem,
    ThreadItemDoneEvent,
    ThreadItemReplacedEvent,
    ThreadMetadata,
    ThreadsAddClientToolOutputReq,
    ThreadsAddStructuredInputReq,
    ThreadsAddUserMessageReq,
    ThreadsCreateReq,
    ThreadsCustomActionReq,
    ThreadsRetryAfterItemReq,
    UserMessageInput,
    UserMessageItem,
    UserMessageTextContent,
    WidgetItem,
)

from runtime.assemble.actions import BuiltAction
from runtime.assemble.context import RuntimeContext
from runtime.assemble.project import Snapshot
from runtime.errors import RequestError
from runtime.server.attachments import Uploads
from runtime.server.history.converter import UNANSWERED
from runtime.server.history.load import load_history
from runtime.server.turns.approvals import (
    ACTION,
    GONE,
    find_pending,
    is_outdated,
    pass_by,
    read_decision,
    redraw,
)
from runtime.server.turns.model_items import dequeue
from runtime.server.turns.recorder import thread_response
from runtime.server.turns.request import Caller, check_message
from runtime.server.turns.sse import Event
from runtime.server.turns.stale_widgets import GOES_ON, OUTDATED_TOOL, OutdatedWidget, has_action, lost_tool
from runtime.server.turns.thread_locks import ThreadLocks
from runtime.server.turns.turn import Plan, Turn
from runtime.stores.ids import new_id
from runtime.stores.owner_store import OwnerStore
from runtime.stores.serialization import clean, cut_after
from runtime.stores.store import GenerationMark, ModelItem
from runtime.templates.template import TemplateError

logger = logging.getLogger("runtime.server")


class Planner:
    """Plans one request; in `resources` it leaves what the turn must hold to its end, such as the thread's lock.

    `mark` is what threads are to remember of the generation that answers.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        caller: Caller,
        store: OwnerStore,
        locks: ThreadLocks,
        resources: AsyncExitStack,
        mark: GenerationMark | None = None,
        check: Callable[[], None] | None = None,
        uploads: Uploads | None = None,
    ) -> None:
        self.snapshot, self.caller, self.store, self.mark = snapshot, caller, store, mark
        self._backend, self._owner = store.backend, store.owner
        self._locks, self._resources, self._check, self._uploads = locks, resources, check, uploads

    async def plan(self, request: StreamingReq) -> Plan:
        """Check the request and say what it will do. Raise RequestError, NotFoundError."""
        if self._check is not None:
            self._check()
        match request:
            case ThreadsCreateReq(params=params):
                return await self._create(params.input)
            case ThreadsAddUserMessageReq(params=params):
                return await self._add_message(params.thread_id, params.input)
            case ThreadsAddClientToolOutputReq(params=params):
                return await self._add_client_result(params.thread_id, params.result)
            case ThreadsAddStructuredInputReq(params=params):
                return await self._add_answers(params.thread_id, params.item_id, params.input)
            case ThreadsRetryAfterItemReq(params=params):
                return await self._retry(params.thread_id, params.item_id)
            case ThreadsCustomActionReq(params=params):
                return await self._action(params.thread_id, params.item_id, params.action)

    async def _create(self, message: UserMessageInput) -> Plan:
        check_message(message, self.snapshot.config)
        thread = ThreadMetadata(id=new_id("thread"), created_at=datetime.now(UTC))
        item = await self._user_item(message, thread)
        await self._lock(thread.id)
        await self._backend.create_thread(self._owner, thread, [item], generation=self.mark)
        opening = [ThreadCreatedEvent(thread=thread_response(thread)), ThreadItemDoneEvent(item=item)]
        return self._answer(thread, [item], opening=opening, title_from=_text_of(item))

    async def _add_message(self, thread_id: str, message: UserMessageInput) -> Plan:
        check_message(message, self.snapshot.config)
        thread = await self._busy_thread(thread_id)
        item = await self._user_item(message, thread)
        return await self._continue(thread, item, opening=[ThreadItemDoneEvent(item=item)])

    async def _continue(self, thread: ThreadMetadata, item: UserMessageItem, **events: Sequence[Event]) -> Plan:
        history = await self._history(thread.id)
        history, passed, gone = _pass_by_pending_calls(history)
        waiting = find_pending(history)
        if waiting is not None:
            declined, replaced = pass_by(history, waiting[1], "passed")
            history = [*(old for old in history if old.id != waiting[0].id), declined[-1]]
            passed, gone = [*passed, *declined], [*gone, waiting[0].id]
            events = {**events, "news": [*replaced, *events.get("news", ())]}
        await self._write(thread, [*passed, item], delete=gone)
        title_from = _text_of(item) if thread.title is None else None
        return self._answer(thread, [*history, item], title_from=title_from, **events)

    async def _add_client_result(self, thread_id: str, result: Any) -> Plan:
        thread = await self._busy_thread(thread_id)
        history = await self._history(thread.id)
        at = next((i for i in reversed(range(len(history))) if _is_pending(history[i])), None)
        if at is None:
            # Sent twice, or too late: the conversation has gone on, and nothing is lost.
            notice = NoticeEvent(level="info", message="This result is no longer needed.")
            return Plan(thread, _nothing, news=[notice])
        call = cast(ClientToolCallItem, history[at])
        call = call.model_copy(update={"output": result, "status": "completed"})
        history[at] = call
        waiting = [item for item in history if _is_queued(item)]
        lost = [item for item in waiting if self._lost_tool(dequeue(item), history)]
        queued = next((item for item in waiting if item not in lost), None)
        history, changed = _declined(history, lost)
        changed, gone = [call, *changed], [item.id for item in lost]
        outdated = self._lost_tool(call, history)
        if queued is not None:
            following = dequeue(queued)
            await self._backend.write_items(self._owner, thread.id, [*changed, following], delete=[*gone, queued.id])
            notices = [NoticeEvent(level="info", message=OUTDATED_TOOL)] if outdated else []
            return Plan(thread, _nothing, news=[*notices, ThreadItemDoneEvent(item=following)])
        if outdated:
            # An answer would go on with something that nobody offers any more: the user says how to go on.
            await self._backend.write_items(self._owner, thread.id, changed, delete=gone)
            return Plan(thread, _nothing, news=[NoticeEvent(level="info", message=f"{OUTDATED_TOOL} {GOES_ON}")])
        await self._write(thread, changed, delete=gone)
        return self._answer(thread, history)

    def _lost_tool(self, call: ClientToolCallItem, history: Sequence[ThreadItem]) -> bool:
        """Tell whether the tool behind a client tool call is gone from the configuration; the log says so."""
        name = lost_tool(self.snapshot, call.call_id, history)
        if name is not None:
            logger.info("tool %r, which called the client in thread %s, is no longer declared", name, call.thread_id)
        return name is not None

    async def _add_answers(self, thread_id: str, item_id: str, answers: StructuredInputSubmission) -> Plan:
        thread = await self._busy_thread(thread_id)
        item = await self._backend.load_item(self._owner, thread.id, item_id)
        if not isinstance(item, StructuredInputItem):
            raise RequestError(400, "wrong_item", f"item {item_id!r} asks no questions")
        if item.status != "pending":
            raise RequestError(409, "already_answered", f"item {item_id!r} has been {item.status} already")
        answered = _apply_answers(item, answers)
        await self._write(thread, [answered])
        history = await self._history(thread.id)
        return self._answer(thread, history, news=[ThreadItemReplacedEvent(item=answered)])

    async def _retry(self, thread_id: str, item_id: str) -> Plan:
        thread = await self._busy_thread(thread_id)
        item = await self._backend.load_item(self._owner, thread.id, item_id)
        if not isinstance(item, UserMessageItem):
            raise RequestError(400, "wrong_item", f"item {item_id!r} is not a user message; only those can be retried")
        stale = await self._backend.item_ids_after(self._owner, thread.id, item_id)
        history = await self._history(thread.id, after_it=len(stale))
        kept, stale = cut_after(history, stale, item_id)
        await self._remember(thread)
        return self._answer(thread, kept, stale=stale)

    async def _action(self, thread_id: str, item_id: str | None, action: Action[str, Any]) -> Plan:
        if action.type == ACTION:
            return await self._approval(thread_id, action)
        try:
            thread, sender, built = await self.action_of(thread_id, item_id, action)
        except OutdatedWidget as outdated:
            return _told(await self._open_thread(thread_id), outdated)
        if built.message is None:
            # A click is not a turn: it is carried out at once, also while an answer is being written.
            return Plan(thread, lambda turn: self._carry_out(turn, built, action, sender))
        thread = await self._busy_thread(thread_id)
        context = Turn(self.snapshot, self.caller, self.store, Plan(thread, _nothing), uploads=self._uploads).context
        try:
            text = built.message(context, action)
        except TemplateError as error:
            message = f"the message of action {action.type!r} can't be made of its payload: {error}"
            if await self._is_outdated(thread, sender, action, message):
                return _told(thread, OutdatedWidget())
            raise RequestError(400, "invalid_payload", message) from None
        item = _said(text, thread)
        said = UserMessageInput(content=item.content, attachments=[], inference_options=item.inference_options)
        check_message(said, self.snapshot.config)
        return await self._continue(thread, item, news=[ThreadItemDoneEvent(item=item)])

    async def _approval(self, thread_id: str, action: Action[str, Any]) -> Plan:
        """The user has said whether a call may be carried out; the last word of a run lets it go on."""
        call_id, approved = read_decision(action.payload)
        thread = await self._busy_thread(thread_id)
        history = await self._history(thread.id)
        found = find_pending(history)
        call = next((call for call in found[1].calls if call.call_id == call_id), None) if found else None
        if found is None or call is None or call.allowed is not None:
            # Clicked twice, or too late: the conversation has gone on.
            return Plan(thread, _nothing, news=[NoticeEvent(level="info", message="This has been answered already.")])
        item, pending = found
        if is_outdated(self.snapshot, pending):
            changed, events = pass_by(history, pending, "outdated")
            await self._write(thread, changed, delete=[item.id])
            notice = NoticeEvent(level="info", message=f"{GONE} {GOES_ON}")
            return Plan(thread, _nothing, news=[*events, notice])
        pending = pending.decide(call_id, approved)
        card = redraw(history, call, "approved" if approved else "denied")
        news = [ThreadItemReplacedEvent(item=card)]
        if any(waiting.allowed is None for waiting in pending.calls):
            await self._write(thread, [card, pending.to_item(item.id, thread.id)])
            return Plan(thread, _nothing, news=news)
        # Gone before it goes on: nothing is ever carried out twice, whatever happens in between.
        await self._write(thread, [card], delete=[item.id])
        kept = [old for old in history if old.id != item.id]
        return Plan(thread, lambda turn: turn.resume(pending, kept), news=news)

    async def _carry_out(
        self, turn: Turn, built: BuiltAction, action: Action[str, Any], sender: WidgetItem | None
    ) -> AsyncGenerator[Event, None]:
        async for event in turn.handle(_handled(built, turn.context, action, sender)):
            yield event
        if turn.state.answer_requested:
            thread_id = turn.plan.thread.id
            await turn.plan.resources.enter_async_context(self._held(thread_id))
            turn.recorder.reload(await self._open_thread(thread_id))
            await self._remember(turn.plan.thread)
            async for event in turn.answer(await self._history(thread_id)):
                yield event

    async def action_of(
        self, thread_id: str, item_id: str | None, action: Action[str, Any]
    ) -> tuple[ThreadMetadata, WidgetItem | None, BuiltAction]:
        """The thread, the widget and the declared action of a click.

        Raise OutdatedWidget where the widget comes from another version of the project, RequestError, NotFoundError.
        """
        try:
            built = find_action(self.snapshot, action)
        except RequestError as refused:
            try:
                thread, sender = await self.sender_of(thread_id, item_id)
            except (RequestError, NotFoundError):
                raise refused from None
            if refused.code == "unknown_action":
                if sender is not None and has_action(sender, action.type):
                    logger.info("a click in item %s does nothing: %s", item_id, refused.message)
                    raise OutdatedWidget from None
            elif await self._is_outdated(thread, sender, action, refused.message):
                raise OutdatedWidget from None
            raise
        return *await self.sender_of(thread_id, item_id), built

    async def _is_outdated(
        self, thread: ThreadMetadata, sender: WidgetItem | None, action: Action[str, Any], why: str
    ) -> bool:
        """Tell whether a click that can't be carried out is the fault of a change in the project; log why if so."""
        if sender is None or self.mark is None or not has_action(sender, action.type):
            return False
        then = await self._backend.load_generation(self._owner, thread.id)
        if then is None or (then.config, then.code) == (self.mark.config, self.mark.code):
            return False
        logger.warning("a click in item %s, of an earlier version of the project, does nothing: %s", sender.id, why)
        return True

    async def sender_of(self, thread_id: str, item_id: str | None) -> tuple[ThreadMetadata, WidgetItem | None]:
        """The thread and the widget that an action comes from. Raise RequestError, NotFoundError."""
        thread = await self._open_thread(thread_id)
        if item_id is None:
            return thread, None
        sender = await self._backend.load_item(self._owner, thread.id, item_id)
        if not isinstance(sender, WidgetItem):
            raise RequestError(400, "wrong_item", f"item {item_id!r} is not a widget")
        return thread, sender

    async def respond(self, thread: ThreadMetadata) -> AsyncIterator[Event]:
        """Answer a stored thread, outside of a request."""
        turn = Turn(self.snapshot, self.caller, self.store, Plan(thread, _nothing), uploads=self._uploads)
        async for event in turn.answer(await self._history(thread.id)):
            yield event

    async def act(
        self, thread: ThreadMetadata, action: Action[str, Any], sender: WidgetItem | None
    ) -> AsyncIterator[Event]:
        """Carry out an action, outside of a request."""
        built = find_action(self.snapshot, action)
        turn = Turn(self.snapshot, self.caller, self.store, Plan(thread, _nothing), uploads=self._uploads)
        if built.message is not None:
            item = _said(built.message(turn.context, action), thread)
            yield ThreadItemDoneEvent(item=item)
            async for event in turn.answer([*await self._history(thread.id), item]):
                yield event
        else:
            async with turn.plan.resources:
                async for event in self._carry_out(turn, built, action, sender):
                    yield event

    def _answer(self, thread: ThreadMetadata, items: Sequence[ThreadItem], **fields: Any) -> Plan:
        return Plan(thread, lambda turn: turn.answer(items), **fields)

    async def _user_item(self, message: UserMessageInput, thread: ThreadMetadata) -> UserMessageItem:
        attachments = [await self.store.load_attachment(attachment_id) for attachment_id in message.attachments]
        if attachments and self._uploads is not None:
            await self._uploads.check_sent(self._owner, message.attachments)
            await self._uploads.sent(self._owner, attachments, thread.id)
        return UserMessageItem(
            id=new_id("message"),
            thread_id=thread.id,
            created_at=datetime.now(UTC),
            content=message.content,
            attachments=[attachment.model_copy(update={"thread_id": thread.id}) for attachment in attachments],
            quoted_text=message.quoted_text,
            inference_options=message.inference_options,
        )

    async def _open_thread(self, thread_id: str) -> ThreadMetadata:
        thread = await self.store.load_thread(thread_id)
        if not isinstance(thread.status, ActiveStatus):
            reason = f": {thread.status.reason}" if thread.status.reason else ""
            raise RequestError(409, f"thread_{thread.status.type}", f"the thread is {thread.status.type}{reason}")
        return thread

    async def _busy_thread(self, thread_id: str) -> ThreadMetadata:
        """Load a thread and hold its lock; loaded again where another turn came first."""
        if self._key(thread_id) in self._locks:
            await self._open_thread(thread_id)
        await self._lock(thread_id)
        return await self._open_thread(thread_id)

    async def _write(self, thread: ThreadMetadata, items: Sequence[ThreadItem], delete: Sequence[str] = ()) -> None:
        """Store what a turn begins with; the thread remembers the generation that answers."""
        await self._backend.write_items(self._owner, thread.id, items, delete=delete, generation=self.mark)

    async def _remember(self, thread: ThreadMetadata) -> None:
        if self.mark is not None:
            await self._write(thread, ())

    async def _lock(self, thread_id: str) -> None:
        await self._resources.enter_async_context(self._held(thread_id))
        if self._check is not None:
            # Whoever waited for the turn before may find that no other one is to begin.
            self._check()

    def _held(self, thread_id: str) -> AbstractAsyncContextManager[None]:
        wait = self.snapshot.config.chat.when_busy == "wait"
        return self._locks.hold(self._key(thread_id), wait=wait)

    def _key(self, thread_id: str) -> str:
        return f"{self._owner}\0{clean(thread_id)}"

    async def _history(self, thread_id: str, after_it: int = 0) -> list[ThreadItem]:
        return await load_history(self.store, thread_id, self.snapshot.config.chat.history, after_it=after_it)


def find_action(snapshot: Snapshot, action: Action[str, Any]) -> BuiltAction:
    """The declared action of that type, its payload checked. Raise RequestError (400)."""
    built = snapshot.actions.get(action.type)
    if built is None:
        declared = ", ".join(map(repr, snapshot.actions)) or "none"
        raise RequestError(400, "unknown_action", f"no action {action.type!r} is declared (there is: {declared})")
    wrong = built.check(action.payload)
    if wrong:
        raise RequestError(400, "invalid_payload", f"the payload of action {action.type!r} does not fit: {wrong}")
    return built


def _handled(
    built: BuiltAction, context: RuntimeContext, action: Action[str, Any], sender: WidgetItem | None
) -> AsyncIterator[Any]:
    assert built.handle is not None
    return built.handle(context, action, sender)


def _told(thread: ThreadMetadata, outdated: OutdatedWidget) -> Plan:
    return Plan(thread, _nothing, news=[NoticeEvent(level="info", message=outdated.notice)])


async def _nothing(turn: Turn) -> AsyncGenerator[Event, None]:
    return
    yield


def _said(text: str, thread: ThreadMetadata) -> UserMessageItem:
    return UserMessageItem(
        id=new_id("message"),
        thread_id=thread.id,
        created_at=datetime.now(UTC),
        content=[UserMessageTextContent(text=text)],
        inference_options=InferenceOptions(),
    )


def _text_of(item: UserMessageItem) -> str:
    return "".join(part.text for part in item.content).strip()


def _is_pending(item: ThreadItem) -> bool:
    return isinstance(item, ClientToolCallItem) and item.status == "pending"


def _is_queued(item: ThreadItem) -> TypeGuard[ModelItem]:
    return isinstance(item, ModelItem) and "queued_client_tool" in item.content


def _pass_by_pending_calls(history: list[ThreadItem]) -> tuple[list[ThreadItem], list[ThreadItem], list[str]]:
    """Answer client tool calls that the user typed past; return the history, what changed in it, and what goes."""
    queued = [item for item in history if _is_queued(item)]
    history, changed = _declined(history, queued)
    kept: list[ThreadItem] = []
    for item in history:
        if _is_pending(item):
            item = item.model_copy(update={"status": "completed", "output": UNANSWERED})
            changed.append(item)
        kept.append(item)
    return kept, changed, [item.id for item in queued]


def _declined(history: list[ThreadItem], queued: Sequence[ModelItem]) -> tuple[list[ThreadItem], list[ThreadItem]]:
    """Answer client tool calls that will never be sent; return the history without them, and what changed in it.

    Each has a result already, which says nothing: that of the tool that asked for the call.
    """
    if not queued:
        return history, []
    call_ids = {dequeue(item).call_id for item in queued}
    kept: list[ThreadItem] = []
    changed: list[ThreadItem] = []
    for item in history:
        if item in queued:
            continue
        if isinstance(item, ModelItem) and any(
            _is_output(raw, call_ids) for raw in item.content.get("model_items", ())
        ):
            told = [
                {**raw, "output": UNANSWERED} if _is_output(raw, call_ids) else raw
                for raw in item.content["model_items"]
            ]
            item = item.model_copy(update={"content": {"model_items": told}})
            changed.append(item)
        kept.append(item)
    return kept, changed


def _is_output(raw: dict[str, Any], call_ids: set[str]) -> bool:
    return raw.get("type") == "function_call_output" and raw.get("call_id") in call_ids


def _apply_answers(item: StructuredInputItem, submission: StructuredInputSubmission) -> StructuredInputItem:
    answered = item.model_copy(deep=True)
    unknown = sorted(set(submission.answers) - {question.id for question in answered.inputs})
    if unknown:
        raise RequestError(400, "unknown_question", f"item {item.id!r} has no question {unknown[0]!r}")
    for question in answered.inputs:
        given = submission.answers.get(question.id)
        if submission.status == "skipped" or given is None or given.skipped or not given.values:
            question.answer = StructuredInputAnswer(skipped=True)
            continue
        single = isinstance(question, StructuredInputMultipleChoice) and not question.multiple
        question.answer = StructuredInputAnswer(values=given.values[:1] if single else given.values)
    answered.status = submission.status
    return answered
