"""Token budgets: what a turn may still use, what the user is told when nothing is left, and what was used is kept."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from chatkit.types import NoticeEvent

from runtime.assemble.token_meter import Budget, TokenBudgetExceeded, TokenMeter
from runtime.config.model.server import TokenBudgets
from runtime.server.turns.errors import own_words
from runtime.stores.owner_store import OwnerStore
from runtime.templates.template import Template

logger = logging.getLogger("runtime.server")

_WORDS: Mapping[Budget, str] = {
    "turn": "This answer has used up what one answer may use. Ask for less at a time.",
    "thread": "This conversation has used up what one conversation may use. Please start a new one.",
    "day": "You have used up what you may use in a day. It begins anew at midnight UTC.",
    "all": "What may be used in a day is used up. It begins anew at midnight UTC.",
}


def today() -> date:
    """The day in UTC."""
    return datetime.now(UTC).date()


async def allow(meter: TokenMeter, budgets: TokenBudgets | None, store: OwnerStore, thread_id: str) -> None:
    """Tell the meter what is left of each budget. Raise TokenBudgetExceeded when nothing is."""
    if budgets is None:
        return
    used, day = store.backend.sum_usage, today()
    if budgets.turn is not None:
        meter.left["turn"] = budgets.turn
    if budgets.thread is not None:
        meter.left["thread"] = budgets.thread - (await used(store.owner, thread_id=thread_id)).total
    if budgets.day is not None:
        meter.left["day"] = budgets.day - (await used(store.owner, day=day)).total
    if budgets.all is not None:
        meter.left["all"] = budgets.all - (await used(None, day=day)).total
    meter.check()


async def keep(meter: TokenMeter, store: OwnerStore, thread_id: str) -> None:
    """Store what was used; a failure is logged, because the answer is there all the same."""
    if not meter.used:
        return
    used, meter.used = meter.used, {}
    for model, usage in used.items():
        sides = usage.input_tokens, usage.output_tokens
        logger.info("thread %s used %d tokens of %s (%d in, %d out)", thread_id, usage.total, model, *sides)
    try:
        await store.backend.add_usage(store.owner, thread_id, today(), used)
    except Exception:
        logger.exception("what thread %s has used could not be stored", thread_id)


def notice(
    used_up: TokenBudgetExceeded, own: Mapping[str, Template], scope: Mapping[str, Any], request_id: str
) -> NoticeEvent:
    """Tell the user in the project's `own` words, or in ours."""
    logger.info("turn stopped [%s]: %s", request_id, used_up)
    words = own_words("tokens", own, scope, request_id, budget=used_up.budget)
    return NoticeEvent(level="warning", message=words or _WORDS[used_up.budget])
