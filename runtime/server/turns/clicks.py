"""The declared action behind a click in a widget, also in a widget that an earlier version of the project made."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from chatkit.actions import Action
from chatkit.store import NotFoundError
from chatkit.types import ThreadItem, ThreadMetadata, WidgetItem

from runtime.assemble.actions import BuiltAction
from runtime.assemble.project import Snapshot
from runtime.assemble.roles import require_role
from runtime.auth.user import User
from runtime.errors import RequestError
from runtime.server.turns.click_claims import ClickRefused
from runtime.server.turns.thread_access import ThreadAccess
from runtime.stores.serialization import with_sdk_widget

logger = logging.getLogger("runtime.server")


class StaleWidget(ClickRefused):
    """A click in a stored widget that the current configuration has no action for."""

    notice = "This button no longer works because the assistant was updated."

    def __init__(self) -> None:
        super().__init__("outdated_widget", self.notice)


async def resolve_click(
    snapshot: Snapshot, user: User, threads: ThreadAccess, thread_id: str, item_id: str | None, action: Action[str, Any]
) -> tuple[ThreadMetadata, WidgetItem | None, BuiltAction]:
    """Return the thread, the widget and the declared action of a click, and claim it if a Python function handles it.

    Raise ClickRefused for a widget of another version of the project, and while the same click is handled; and
    RequestError, NotFoundError.
    """
    if action.type in snapshot.actions:
        require_role(user, snapshot.actions[action.type].roles, f"the action {action.type!r}")
    try:
        built = find_action(snapshot, action)
    except RequestError as error:
        try:
            thread, sender = await _load_sender(threads, thread_id, item_id)
        except (RequestError, NotFoundError):
            raise error from None
        if error.code == "unknown_action":
            if sender is not None and has_action(sender, action.type):
                logger.info("ignored a click in item %s: %s", item_id, error.message)
                raise StaleWidget from None
        elif await is_stale(threads, thread, sender, action, error.message):
            raise StaleWidget from None
        raise
    claimed = action if built.is_exclusive else None
    return *await _load_sender(threads, thread_id, item_id, claimed), built


def find_action(snapshot: Snapshot, action: Action[str, Any]) -> BuiltAction:
    """Return the declared action of that type and check the payload. Raise RequestError (400)."""
    built = snapshot.actions.get(action.type)
    if built is None:
        declared = ", ".join(map(repr, snapshot.actions)) or "none"
        raise RequestError(400, "unknown_action", f"no action {action.type!r} is declared (declared: {declared})")
    problem = built.check(action.payload)
    if problem:
        raise RequestError(400, "invalid_payload", f"the payload of action {action.type!r} is invalid: {problem}")
    return built


async def is_stale(
    threads: ThreadAccess, thread: ThreadMetadata, sender: WidgetItem | None, action: Action[str, Any], reason: str
) -> bool:
    """Return whether a click failed because the project has changed since the thread's last turn; log the reason."""
    if sender is None or threads.mark is None or not has_action(sender, action.type):
        return False
    mark = await threads.store.backend.load_generation(threads.store.owner, thread.id)
    if mark is None or (mark.config, mark.code) == (threads.mark.config, threads.mark.code):
        return False
    logger.warning("ignored a click in item %s, of an earlier version of the project: %s", sender.id, reason)
    return True


def has_action(item: WidgetItem, action_type: str) -> bool:
    """Return whether any component of a widget has an action of this type."""
    return _contains_action(item.widget.model_dump(mode="json"), action_type)


def _contains_action(part: Any, action_type: str) -> bool:
    if isinstance(part, Mapping):
        pairs = part.items()
        return any(_is_action(key, value, action_type) or _contains_action(value, action_type) for key, value in pairs)
    return isinstance(part, list) and any(_contains_action(value, action_type) for value in part)


def _is_action(key: str, value: Any, action_type: str) -> bool:
    # `action` of a Card's buttons; `onClickAction`, `onSubmitAction`, `onChangeAction` everywhere else.
    is_action_key = key == "action" or key.endswith("Action")
    return is_action_key and isinstance(value, Mapping) and value.get("type") == action_type


async def _load_sender(
    threads: ThreadAccess, thread_id: str, item_id: str | None, claimed: Action[str, Any] | None = None
) -> tuple[ThreadMetadata, WidgetItem | None]:
    thread = await threads.open(thread_id)
    if item_id is None:
        return thread, None
    if claimed is None:
        sender = await threads.store.backend.load_item(threads.store.owner, thread.id, item_id)
    else:
        sender = await threads.claim_click(thread.id, item_id, claimed, partial(_has_button, claimed.type))
    sender = with_sdk_widget(sender)
    if not isinstance(sender, WidgetItem):
        raise RequestError(400, "wrong_item", f"item {item_id!r} is not a widget")
    return thread, sender


def _has_button(action_type: str, item: ThreadItem) -> bool:
    return isinstance(item, WidgetItem) and has_action(item, action_type)
