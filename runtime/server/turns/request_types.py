"""Every request type that starts a turn: check it, store what the turn needs, and return its plan."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from chatkit import types
from chatkit.actions import Action

from runtime.assemble.project import Snapshot
from runtime.errors import RequestError
from runtime.server.attachments.uploads import Uploads
from runtime.server.history.interruption import CONTINUE_ACTION, close_interruptions, is_open_interruption
from runtime.server.turns.approvals import (
    APPROVAL_ACTION,
    EXPIRED,
    answered_card,
    decline,
    find_pending,
    is_expired,
    read_decision,
)
from runtime.server.turns.click_claims import ClickRefused
from runtime.server.turns.clicks import StaleWidget, is_stale, resolve_click
from runtime.server.turns.client_tools import (
    REMOVED_TOOL,
    decline_queued,
    dequeue_call,
    is_pending,
    is_queued,
    removed_tool,
    skip_open_calls,
)
from runtime.server.turns.model_items import active_agent, last_inference_options, unfinished_items
from runtime.server.turns.plan_execution import Execution
from runtime.server.turns.plans import AnswerThread, HandleAction, Plan, ResumeRun, SendNews
from runtime.server.turns.recorder import thread_response
from runtime.server.turns.request_limits import check_texts
from runtime.server.turns.request_parsing import RequestInfo, check_message
from runtime.server.turns.sse import Event
from runtime.server.turns.thread_access import ThreadAccess
from runtime.stores.owner_store import OwnerStore
from runtime.stores.serialization import cut_after
from runtime.stores.store import ModelItem
from runtime.stores.turns import TurnConflict
from runtime.templates.template import TemplateError

logger = logging.getLogger("runtime.server")

CONTINUE = "Send a message to continue."


class Planner:
    """Makes the plan of one request. The locks that the turn needs are held by `threads` afterwards."""

    def __init__(
        self, snapshot: Snapshot, request: RequestInfo, threads: ThreadAccess, uploads: Uploads | None
    ) -> None:
        self._snapshot, self._request, self._threads, self._uploads = snapshot, request, threads, uploads
        self._store = threads.store
        self._seen: list[str] | None = None

    async def plan(self, request: types.StreamingReq) -> Plan:
        """Check the request and make its plan. Raise RequestError, NotFoundError."""
        self._threads.check()
        while True:
            try:
                return await self._plan(request)
            except TurnConflict:
                # What the other turn has stored decides anew, such as whether a call still waits for its result.
                self._threads.ended_dead_turn = False

    async def _plan(self, request: types.StreamingReq) -> Plan:
        match request:
            case types.ThreadsCreateReq(params=params):
                return await self._create_thread(params.input)
            case types.ThreadsAddUserMessageReq(params=params):
                return await self._add_message(params.thread_id, params.input)
            case types.ThreadsAddClientToolOutputReq(params=params):
                return await self._add_client_result(params.thread_id, params.result)
            case types.ThreadsAddStructuredInputReq(params=params):
                return await self._add_answers(params.thread_id, params.item_id, params.input)
            case types.ThreadsRetryAfterItemReq(params=params):
                return await self._retry(params.thread_id, params.item_id)
            case types.ThreadsCustomActionReq(params=params):
                if params.action.type == CONTINUE_ACTION:
                    return await self._continue_interrupted(params.thread_id, params.item_id)
                if params.action.type == APPROVAL_ACTION:
                    return await self._decide_approval(params.thread_id, params.action)
                return await self._run_action(params.thread_id, params.item_id, params.action)

    def _check_message(self, message: types.UserMessageInput) -> None:
        check_message(message, self._snapshot.config)
        choice = message.inference_options.tool_choice
        if choice is not None:
            self._snapshot.routing.require_choice(choice.id, self._request.user)

    async def _check_agent(
        self,
        thread: types.ThreadMetadata,
        options: types.InferenceOptions | None,
        history: Sequence[types.ThreadItem] = (),
    ) -> None:
        """Raise RequestError (403) before anything is stored if the user may not use the agent that would answer."""
        routing = self._snapshot.routing
        if routing.is_restricted:
            nothing = SendNews(thread=thread)
            context = Execution(self._snapshot, self._request, self._threads, nothing, self._uploads).context
            await routing.choose_agent(context, options, active_agent(history))

    async def _create_thread(self, message: types.UserMessageInput) -> Plan:
        self._check_message(message)
        thread = types.ThreadMetadata(id=self._store.generate_thread_id(), created_at=datetime.now(UTC))
        await self._check_agent(thread, message.inference_options)
        item = await self._make_item(message, thread)
        await self._threads.lock(thread.id)
        await self._threads.create(thread, [item], item.attachments)
        opening: list[Event] = [
            types.ThreadCreatedEvent(thread=thread_response(thread)),
            types.ThreadItemDoneEvent(item=item),
        ]
        return AnswerThread(thread=thread, items=[item], opening=opening, title_from=_text_of(item))

    async def _add_message(self, thread_id: str, message: types.UserMessageInput) -> Plan:
        self._check_message(message)
        thread = await self._threads.open_for_turn(thread_id)
        item = await self._make_item(message, thread)
        return await self._continue(thread, item, opening=[types.ThreadItemDoneEvent(item=item)])

    async def _continue(
        self,
        thread: types.ThreadMetadata,
        item: types.UserMessageItem,
        opening: Sequence[Event] = (),
        news: Sequence[Event] = (),
    ) -> Plan:
        """Store a user message, and decline the calls that the thread still waits for."""
        history, changed, deleted = skip_open_calls(await self._threads.history(thread.id))
        await self._check_agent(thread, item.inference_options, history)
        closed = close_interruptions(history)
        changed, news = [*changed, *closed], [*map(_replaced, closed), *news]
        stored_run = find_pending(history)
        if stored_run is not None:
            run_item, pending = stored_run
            declined, replaced = decline(history, pending, "passed")
            history = [*(old for old in history if old.id != run_item.id), declined[-1]]
            changed, deleted = [*changed, *declined], [*deleted, run_item.id]
            news = [*replaced, *news]
        await self._threads.write(thread, [*changed, item], delete=deleted, attachments=item.attachments)
        title_from = _text_of(item) if thread.title is None else None
        return AnswerThread(thread=thread, items=[*history, item], opening=opening, news=news, title_from=title_from)

    async def _add_client_result(self, thread_id: str, result: Any) -> Plan:
        thread = await self._threads.open_for_turn(thread_id)
        history = await self._threads.history(thread.id)
        await self._check_agent(thread, last_inference_options(history), history)
        pending = [(index, item) for index, item in enumerate(history) if is_pending(item)]
        if not pending:
            # Sent twice, or too late: the conversation has continued without it.
            return _notice(thread, "This result is no longer needed.")
        at, call = pending[-1]
        call = call.model_copy(update={"output": result, "status": "completed"})
        history[at] = call
        queued = [item for item in history if is_queued(item)]
        removed = [item for item in queued if self._is_removed(dequeue_call(item), history)]
        next_queued = next((item for item in queued if item not in removed), None)
        history, declined = decline_queued(history, removed)
        changed, deleted = [call, *declined], [item.id for item in removed]
        call_is_removed = self._is_removed(call, history)
        if next_queued is not None:
            next_call = dequeue_call(next_queued)
            next_call.id = self._store.generate_item_id("tool_call", thread)
            deleted = [*deleted, next_queued.id]
            await self._threads.write(thread, [*changed, next_call], delete=deleted)
            notices = [types.NoticeEvent(level="info", message=REMOVED_TOOL)] if call_is_removed else []
            return SendNews(thread=thread, news=[*notices, types.ThreadItemDoneEvent(item=next_call)])
        if call_is_removed:
            # The agents could not continue with the result of a tool that they do not have: the user decides.
            await self._threads.write(thread, changed, delete=deleted)
            return _notice(thread, f"{REMOVED_TOOL} {CONTINUE}")
        await self._threads.write(thread, changed, delete=deleted)
        return AnswerThread(thread=thread, items=history)

    def _is_removed(self, call: types.ClientToolCallItem, history: Sequence[types.ThreadItem]) -> bool:
        name = removed_tool(self._snapshot, call.call_id, history)
        if name is not None:
            logger.info("tool %r, which called the client in thread %s, is no longer declared", name, call.thread_id)
        return name is not None

    async def _add_answers(self, thread_id: str, item_id: str, answers: types.StructuredInputSubmission) -> Plan:
        thread = await self._threads.open_for_turn(thread_id)
        item = await self._store.backend.load_item(self._store.owner, thread.id, item_id)
        if not isinstance(item, types.StructuredInputItem):
            raise RequestError(400, "wrong_item", f"item {item_id!r} asks no questions")
        if item.status != "pending":
            raise RequestError(409, "already_answered", f"item {item_id!r} has been {item.status} already")
        answered = _apply_answers(item, answers)
        history = await self._threads.history(thread.id)
        await self._check_agent(thread, last_inference_options(history), history)
        await self._threads.write(thread, [answered])
        history = [answered if old.id == answered.id else old for old in history]
        return AnswerThread(thread=thread, items=history, news=[types.ThreadItemReplacedEvent(item=answered)])

    async def _retry(self, thread_id: str, item_id: str) -> Plan:
        if self._seen is None:
            self._seen = await self._store.backend.item_ids_after(self._store.owner, thread_id, item_id)
        thread = await self._threads.open_for_turn(thread_id)
        item = await self._store.backend.load_item(self._store.owner, thread.id, item_id)
        if not isinstance(item, types.UserMessageItem):
            raise RequestError(400, "wrong_item", f"item {item_id!r} is not a user message; only those can be retried")
        stale = await self._store.backend.item_ids_after(self._store.owner, thread.id, item_id)
        if stale != self._seen and not self._threads.ended_dead_turn:
            # Clicked twice: the user has not seen the answer that this would delete. A dead turn leaves none.
            return _notice(thread, "This message has been answered again already.")
        loaded = await self._threads.history(thread.id, more=len(stale))
        # Tools that have run for an answer that failed do not run again.
        done = unfinished_items(_until_next_message([old for old in loaded if old.id in set(stale)]))
        history, stale = cut_after(loaded, stale, item_id)
        await self._check_agent(thread, last_inference_options(history), history)
        await self._threads.write_mark(thread)
        kept = {old.id for old in done}
        # The page has removed them.
        shown: list[Event] = [types.ThreadItemDoneEvent(item=old) for old in done if not isinstance(old, _HIDDEN)]
        stale = [old for old in stale if old not in kept]
        return AnswerThread(thread=thread, items=[*history, *done], stale=stale, news=shown)

    async def _continue_interrupted(self, thread_id: str, item_id: str | None) -> Plan:
        """Let the agents answer again where an answer was interrupted; they know the tools that have run."""
        thread = await self._threads.open_for_turn(thread_id)
        history = await self._threads.history(thread.id)
        items = [item for item in history if item.id != item_id or not is_open_interruption(item)]
        if item_id is None or len(items) == len(history):
            return _notice(thread, "This answer has already been continued.")
        await self._check_agent(thread, last_inference_options(items), items)
        await self._threads.write(thread, (), delete=[item_id])
        return AnswerThread(thread=thread, items=items, news=[types.ThreadItemRemovedEvent(item_id=item_id)])

    async def _run_action(self, thread_id: str, item_id: str | None, action: Action[str, Any]) -> Plan:
        try:
            thread, sender, built = await resolve_click(
                self._snapshot, self._request.user, self._threads, thread_id, item_id, action
            )
        except ClickRefused as refused:
            return _notice(await self._threads.open(thread_id), refused.notice)
        if built.message is None:
            # A click is not a turn: its handler runs at once, also while an answer is being written.
            return HandleAction(thread=thread, built=built, action=action, sender=sender)
        thread = await self._threads.open_for_turn(thread_id)
        empty = SendNews(thread=thread)
        context = Execution(self._snapshot, self._request, self._threads, empty, self._uploads).context
        try:
            item = message_item(built.message(context, action), thread, self._store)
        except TemplateError as error:
            message = f"the message of action {action.type!r} can't be rendered with its payload: {error}"
            if await is_stale(self._threads, thread, sender, action, message):
                return _notice(thread, StaleWidget.notice)
            raise RequestError(400, "invalid_payload", message) from None
        message_input = types.UserMessageInput(
            content=item.content, attachments=[], inference_options=item.inference_options
        )
        check_texts(message_input, self._snapshot.config.limits)
        self._check_message(message_input)
        return await self._continue(thread, item, news=[types.ThreadItemDoneEvent(item=item)])

    async def _decide_approval(self, thread_id: str, action: Action[str, Any]) -> Plan:
        """Store the user's decision about a call; the run continues once every call of it is decided."""
        call_id, approved = read_decision(action.payload)
        thread = await self._threads.open_for_turn(thread_id)
        history = await self._threads.history(thread.id)
        stored_run = find_pending(history)
        call = next((call for call in stored_run[1].calls if call.call_id == call_id), None) if stored_run else None
        if stored_run is None or call is None or call.allowed is not None:
            # Clicked twice, or too late: the conversation has continued.
            return _notice(thread, "This request has already been answered.")
        run_item, pending = stored_run
        if is_expired(self._snapshot, pending):
            changed, replaced = decline(history, pending, "outdated")
            await self._threads.write(thread, changed, delete=[run_item.id])
            return SendNews(
                thread=thread, news=[*replaced, types.NoticeEvent(level="info", message=f"{EXPIRED} {CONTINUE}")]
            )
        self._snapshot.routing.require(pending.starter, self._request.user)
        pending = pending.decide(call_id, approved)
        card = answered_card(history, call, "approved" if approved else "denied")
        news = [types.ThreadItemReplacedEvent(item=card)]
        if any(waiting.allowed is None for waiting in pending.calls):
            await self._threads.write(thread, [card, pending.to_item(run_item.id, thread.id)])
            return SendNews(thread=thread, news=news)
        # Deleted before the run continues, so that no call can run twice, even if the process ends in between.
        await self._threads.write(thread, [card], delete=[run_item.id])
        items = [old for old in history if old.id != run_item.id]
        return ResumeRun(thread=thread, pending=pending, items=items, news=news)

    async def _make_item(self, message: types.UserMessageInput, thread: types.ThreadMetadata) -> types.UserMessageItem:
        # Once each: an attachment that is named twice is one.
        named = dict.fromkeys(message.attachments)
        attachments = [await self._store.load_attachment(attachment_id) for attachment_id in named]
        if attachments and self._uploads is not None:
            await self._uploads.check_sent(self._store.owner, attachments)
            base_url = self._request.base_url
            attachments = [await self._uploads.sign(self._store.owner, each, base_url) for each in attachments]
        return types.UserMessageItem(
            id=self._store.generate_item_id("message", thread),
            thread_id=thread.id,
            created_at=datetime.now(UTC),
            content=message.content,
            attachments=[attachment.model_copy(update={"thread_id": thread.id}) for attachment in attachments],
            quoted_text=message.quoted_text,
            inference_options=message.inference_options,
        )


_HIDDEN = (ModelItem, types.HiddenContextItem, types.SDKHiddenContextItem)


def _until_next_message(items: Sequence[types.ThreadItem]) -> Sequence[types.ThreadItem]:
    ends = [index for index, item in enumerate(items) if isinstance(item, types.UserMessageItem)]
    return items[: ends[0]] if ends else items


def message_item(text: str, thread: types.ThreadMetadata, store: OwnerStore) -> types.UserMessageItem:
    """Make a user message of a text."""
    return types.UserMessageItem(
        id=store.generate_item_id("message", thread),
        thread_id=thread.id,
        created_at=datetime.now(UTC),
        content=[types.UserMessageTextContent(text=text)],
        inference_options=types.InferenceOptions(),
    )


def _notice(thread: types.ThreadMetadata, message: str) -> SendNews:
    return SendNews(thread=thread, news=[types.NoticeEvent(level="info", message=message)])


def _replaced(item: types.WidgetItem) -> Event:
    return types.ThreadItemReplacedEvent(item=item)


def _text_of(item: types.UserMessageItem) -> str:
    return "".join(part.text for part in item.content).strip()


def _apply_answers(
    item: types.StructuredInputItem, submission: types.StructuredInputSubmission
) -> types.StructuredInputItem:
    answered = item.model_copy(deep=True)
    unknown = sorted(set(submission.answers) - {question.id for question in answered.inputs})
    if unknown:
        # The page may have questions of an earlier version of the item.
        logger.warning("item %s has no questions %s: the answers to them are ignored", item.id, unknown)
    for question in answered.inputs:
        given = submission.answers.get(question.id)
        if submission.status == "skipped" or given is None or given.skipped or not given.values:
            question.answer = types.StructuredInputAnswer(skipped=True)
            continue
        single = isinstance(question, types.StructuredInputMultipleChoice) and not question.multiple
        question.answer = types.StructuredInputAnswer(values=given.values[:1] if single else given.values)
    answered.status = submission.status
    return answered
