"""Sync actions: a click that waits for the answer of its handler, without a stream."""

from __future__ import annotations

import logging

from chatkit import types
from starlette.exceptions import HTTPException

from runtime.assemble.actions import replacement
from runtime.assemble.functions import FunctionTimeout
from runtime.assemble.project import Snapshot
from runtime.errors import RequestError
from runtime.project_code.import_errors import raised_at
from runtime.resources.containment import ProjectCodeError, reason_of
from runtime.resources.threads import NoFreeThread
from runtime.server.attachments.uploads import Uploads
from runtime.server.turns.clicks import resolve_click
from runtime.server.turns.plan_execution import Execution
from runtime.server.turns.plans import SendNews
from runtime.server.turns.recorder import to_the_end, with_time_zone
from runtime.server.turns.request_parsing import RequestInfo
from runtime.server.turns.thread_access import ThreadAccess

logger = logging.getLogger("runtime.server")


async def answer_sync_action(
    snapshot: Snapshot,
    info: RequestInfo,
    threads: ThreadAccess,
    uploads: Uploads | None,
    params: types.ThreadCustomActionParams,
) -> types.SyncCustomActionResponse:
    """Run the handler of a click, and store what it has sent, set on the thread and returned. Raise RequestError."""
    thread, sender, action = await resolve_click(
        snapshot, info.user, threads, params.thread_id, params.item_id, params.action
    )
    if action.sync is None:
        raise RequestError(501, "not_supported", f"action {action.type!r} is not declared with `sync: true`")
    execution = Execution(snapshot, info, threads, SendNews(thread=thread), uploads)
    recorder, state = execution.recorder, execution.state
    try:
        answer = await action.sync(execution.context, params.action, sender)
        updated = replacement(answer, sender)
    except (RequestError, HTTPException, FunctionTimeout, NoFreeThread):
        raise
    except Exception as error:
        cause = error.cause if isinstance(error, ProjectCodeError) else error
        place, _ = raised_at(cause, snapshot.code.sources)
        reason = reason_of(cause)
        logger.error("action %r failed [%s] at %s: %s", action.type, info.request_id, place, reason, exc_info=error)
        message = f"the action {action.type!r} failed (reference {info.request_id})"
        raise RequestError(500, "action_failed", message) from error
    finally:
        # Also after a failure: the handler has done it.
        await to_the_end(recorder.record_emitted(state.queue))
    if state.client_calls or state.answer_requested:
        message = f"action {action.type!r} is sync: it can neither call the client nor let the agents answer"
        raise RequestError(501, "not_supported", message)
    if updated is None:
        return types.SyncCustomActionResponse(updated_item=None)
    updated = with_time_zone(updated)
    # Stored, so that a page that is loaded again shows it.
    await recorder.write(updated)
    return types.SyncCustomActionResponse(updated_item=updated)
