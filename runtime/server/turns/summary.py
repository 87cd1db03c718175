"""Renews a thread's summary beside its turns: a courtesy, which delays no answer and harms none."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from chatkit.store import NotFoundError

from runtime.assemble.context import RuntimeContext
from runtime.assemble.project import Snapshot
from runtime.assemble.token_meter import TOKEN_METER, TokenBudgetExceeded, TokenMeter
from runtime.server.history.load import load_history
from runtime.server.history.transcript import as_text
from runtime.server.history.window import Room, Uncovered, to_sum_up
from runtime.server.turns import token_budget as budget
from runtime.server.turns.recorder import to_the_end
from runtime.stores.ids import new_id
from runtime.stores.owner_store import OwnerStore
from runtime.stores.store import ModelItem

logger = logging.getLogger("runtime.server")

LONGEST = 8_000
"""The most characters of a summary."""
_WINDOWS = 4
"""How many windows back a summary reaches at most, where the thread has none yet."""


async def renew_summary(snapshot: Snapshot, context: RuntimeContext, store: OwnerStore) -> None:
    """Sum up what the thread's summary doesn't cover yet; failures are logged, and the older summary stays."""
    thread_id, meter = context.thread.id, TokenMeter()
    TOKEN_METER.set(meter)
    try:
        await budget.allow(meter, snapshot.config.limits.budgets, store, thread_id)
        await _renew(snapshot, context, store)
    except TokenBudgetExceeded as used_up:
        logger.info("no summary for thread %s: %s", thread_id, used_up)
    except Exception as error:
        logger.warning("no summary for thread %s: %s: %s", thread_id, type(error).__name__, error)
    finally:
        await to_the_end(budget.keep(meter, store, thread_id))


async def _renew(snapshot: Snapshot, context: RuntimeContext, store: OwnerStore) -> None:
    history, thread_id = snapshot.config.chat.history, context.thread.id
    assert snapshot.summarise is not None
    room = Room.of(history)
    uncovered = to_sum_up(await load_history(store, thread_id, history, reach=room.times(_WINDOWS)), history)
    if uncovered is None:
        return
    earlier = uncovered.earlier.text if uncovered.earlier is not None else ""
    told = await as_text(snapshot.converter, uncovered.items, room.characters)
    text = await snapshot.summarise(context, earlier, told)
    if not text.strip():
        raise ValueError("it is empty")
    kept = {"text": text.strip()[:LONGEST], "until": uncovered.until}
    item = ModelItem(id=new_id("call"), thread_id=thread_id, created_at=datetime.now(UTC), content={"summary": kept})
    await to_the_end(_store(store, item, uncovered))


async def _store(store: OwnerStore, item: ModelItem, uncovered: Uncovered) -> None:
    """Store a summary, unless something that it tells of was deleted while it was being written."""
    owner, write = store.owner, store.backend.write_items
    await write(owner, item.thread_id, [item])
    first = uncovered.items[0].id
    told = {told.id for told in uncovered.items}
    if uncovered.earlier is not None:
        told.add(uncovered.earlier.item_id)
    # Asked afterwards: whoever deletes something from now on finds the summary.
    try:
        there = {first, *await store.backend.item_ids_after(owner, item.thread_id, first)}
    except NotFoundError:
        there = set()
    if not told <= there:
        logger.info("no summary for thread %s: what it tells of was deleted meanwhile", item.thread_id)
        await write(owner, item.thread_id, (), delete=[item.id])
