"""Clicks whose handlers run: the same click in the same widget runs one handler at a time, in whichever process."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from chatkit.actions import Action
from chatkit.store import NotFoundError
from chatkit.types import ThreadItem

from runtime.errors import RequestError
from runtime.server.settings import ServerSettings
from runtime.stores.store import ThreadStore
from runtime.stores.turns import Click, TurnStore

logger = logging.getLogger("runtime.server")

HasButton = Callable[[ThreadItem], bool]


class ClickRefused(RequestError):
    """A click in a stored widget that has no effect; `notice` is for the user."""

    def __init__(self, code: str, notice: str) -> None:
        self.notice = notice
        super().__init__(409, code, notice)


def _is_running() -> ClickRefused:
    return ClickRefused("action_running", "This is already being done (wait until it is finished).")


def _is_handled() -> ClickRefused:
    return ClickRefused("already_handled", "This has already been done.")


def click_of(owner: str, thread_id: str, item_id: str, action: Action[str, Any]) -> Click:
    """Return the click of an action in an item."""
    payload = json.dumps([thread_id, item_id, action.payload], sort_keys=True, default=str)
    return Click(owner, thread_id, item_id, action.type, hashlib.sha256(payload.encode()).hexdigest())


class ClickClaims:
    """The clicks whose handlers run in this process. Stores that several processes share have those of all."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._running: set[Click] = set()

    @asynccontextmanager
    async def hold(self, store: ThreadStore, click: Click, has_button: HasButton) -> AsyncIterator[ThreadItem]:
        """Claim a click, and yield its item. Raise ClickRefused while its handler runs, NotFoundError.

        `has_button` says whether an item has the button. Where a handler has taken it away, other clicks on it are
        refused as well, in a store that several processes share.
        """
        if click in self._running:
            raise _is_running()
        self._running.add(click)
        try:
            if not isinstance(store, TurnStore):
                yield await store.load_item(click.owner, click.thread_id, click.item_id)
                return
            async with self._claim(store, click, has_button) as item:
                yield item
        finally:
            self._running.discard(click)

    @asynccontextmanager
    async def _claim(self, store: TurnStore, click: Click, has_button: HasButton) -> AsyncIterator[ThreadItem]:
        if not await store.claim_click(click, self._settings.lease_s):
            raise _is_running()
        renewal = asyncio.create_task(self._renew(store, click), name="renewal of a click")
        had_button = None
        try:
            item = await store.load_item(click.owner, click.thread_id, click.item_id)
            if has_button(item):
                had_button = has_button
            elif await store.is_used_up(click):
                raise _is_handled()
            yield item
        finally:
            renewal.cancel()
            await _end(store, click, had_button)

    async def _renew(self, store: TurnStore, click: Click) -> None:
        while True:
            await asyncio.sleep(self._settings.renew_s)
            try:
                if not await store.renew_click(click, self._settings.lease_s):
                    logger.warning("the claim of a click in item %s was lost: its handler may run twice", click.item_id)
                    return
            except Exception as error:
                logger.warning("the claim of a click could not be renewed: %s: %s", type(error).__name__, error)


async def _end(store: TurnStore, click: Click, had_button: HasButton | None) -> None:
    """Release a claim. A failure is only logged: the claim then runs out."""
    try:
        used_up = had_button is not None and not await _is_in(store, click, had_button)
        await store.end_click(click, used_up=used_up)
    except Exception:
        logger.exception("the end of a click in item %s could not be stored", click.item_id)


async def _is_in(store: TurnStore, click: Click, has_button: HasButton) -> bool:
    try:
        return has_button(await store.load_item(click.owner, click.thread_id, click.item_id))
    except NotFoundError:
        return False
