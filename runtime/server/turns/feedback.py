"""Feedback: the rating of an answer is stored, and passed to the project's function."""

from __future__ import annotations

import logging

from chatkit.types import ItemFeedbackParams
from starlette.exceptions import HTTPException

from runtime.assemble.project import Snapshot
from runtime.errors import RequestError
from runtime.project_code.import_errors import raised_at
from runtime.resources.containment import ProjectCodeError, reason_of
from runtime.server.turns.request_parsing import RequestInfo
from runtime.stores.store import ThreadStore

logger = logging.getLogger("runtime.server")


async def save_feedback(
    snapshot: Snapshot, info: RequestInfo, backend: ThreadStore, params: ItemFeedbackParams
) -> None:
    """Store a rating and call the function of `chat.feedback`. Raise NotFoundError, RequestError.

    A function that fails is logged: the rating is stored. A store that keeps no ratings leaves them to the function.
    """
    owner, tell = info.user.id, snapshot.tell_feedback
    try:
        await backend.save_feedback(owner, params.thread_id, params.item_ids, params.kind)
    except RequestError as error:
        if tell is None or error.code != "not_implemented":
            raise
        for item_id in params.item_ids:
            await backend.load_item(owner, params.thread_id, item_id)
    if tell is None:
        return
    try:
        await tell(params.thread_id, params.item_ids, params.kind, info.request_context)
    except (RequestError, HTTPException):
        raise
    except Exception as error:
        cause = error.cause if isinstance(error, ProjectCodeError) else error
        place, _ = raised_at(cause, snapshot.code.sources)
        reason = reason_of(cause)
        logger.error("`chat.feedback` failed [%s] at %s: %s", info.request_id, place, reason, exc_info=error)
