"""Renew a thread's summary in the background; a failure affects no answer."""

from __future__ import annotations

import logging

from chatkit.store import NotFoundError

from runtime.assemble.context import RuntimeContext
from runtime.assemble.project import Snapshot
from runtime.assemble.token_meter import TOKEN_METER, TokenBudgetExceeded, TokenMeter
from runtime.server.history.load import load_history
from runtime.server.history.transcript import to_transcript
from runtime.server.history.window import Room, Uncovered, find_uncovered
from runtime.server.turns import token_budget as budget
from runtime.server.turns.model_items import new_model_item
from runtime.server.turns.recorder import to_the_end
from runtime.stores.owner_store import OwnerStore
from runtime.stores.store import ModelItem

logger = logging.getLogger("runtime.server")

MOST_CHARACTERS = 8_000
"""The most characters of a summary."""
_WINDOWS = 4
"""The most windows that a thread's first summary covers."""


async def renew_summary(snapshot: Snapshot, context: RuntimeContext, store: OwnerStore) -> None:
    """Summarize the items that the thread's summary does not cover. A failure is logged; the old summary stays."""
    thread_id, meter = context.thread.id, TokenMeter()
    TOKEN_METER.set(meter)
    try:
        await budget.check_budgets(meter, snapshot.config.limits.budgets, store, thread_id)
        await _renew(snapshot, context, store)
    except TokenBudgetExceeded as exceeded:
        logger.info("no summary for thread %s: %s", thread_id, exceeded)
    except Exception as error:
        logger.warning("no summary for thread %s: %s: %s", thread_id, type(error).__name__, error)
    finally:
        await to_the_end(budget.store_usage(meter, store, thread_id))


async def _renew(snapshot: Snapshot, context: RuntimeContext, store: OwnerStore) -> None:
    history, thread_id = snapshot.config.chat.history, context.thread.id
    assert snapshot.summarise is not None
    room = Room.of(history)
    uncovered = find_uncovered(await load_history(store, thread_id, history, reach=room.times(_WINDOWS)), history)
    if uncovered is None:
        return
    earlier = uncovered.earlier.text if uncovered.earlier is not None else ""
    transcript = await to_transcript(snapshot.converter, uncovered.items, room.characters)
    text = await snapshot.summarise(context, earlier, transcript)
    if not text.strip():
        raise ValueError("the model returned an empty text")
    summary = {"text": text.strip()[:MOST_CHARACTERS], "until": uncovered.until}
    item = new_model_item(thread_id, {"summary": summary})
    await to_the_end(_store(store, item, uncovered))


async def _store(store: OwnerStore, item: ModelItem, uncovered: Uncovered) -> None:
    """Store a summary, unless an item that it covers was deleted while it was being written."""
    owner, write = store.owner, store.backend.write_items
    await write(owner, item.thread_id, [item])
    first = uncovered.items[0].id
    covered = {item.id for item in uncovered.items}
    if uncovered.earlier is not None:
        covered.add(uncovered.earlier.item_id)
    # Checked after writing: what deletes an item from now on deletes the summary as well.
    try:
        existing = {first, *await store.backend.item_ids_after(owner, item.thread_id, first)}
    except NotFoundError:
        existing = set()
    if not covered <= existing:
        logger.info("no summary for thread %s: an item that it covers was deleted meanwhile", item.thread_id)
        await write(owner, item.thread_id, (), delete=[item.id])
