"""Token budgets: check what is left before a turn, store what it has used, and notify the user when nothing is left."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from chatkit.types import NoticeEvent

from runtime.assemble.token_meter import Budget, TokenBudgetExceeded, TokenMeter
from runtime.config.model.limits import TokenBudgets
from runtime.resources.token_usage import TokenUsage
from runtime.server.turns.errors import own_text
from runtime.stores.owner_store import OwnerStore
from runtime.templates.template import Template

logger = logging.getLogger("runtime.server")

_MESSAGES: Mapping[Budget, str] = {
    "turn": "This answer has reached its token limit. Please ask for less at a time.",
    "thread": "This conversation has reached its token limit. Please start a new one.",
    "day": "You have reached your daily token limit. It resets at midnight UTC.",
    "all": "The daily token limit has been reached. It resets at midnight UTC.",
}


def today() -> date:
    """Return the current day in UTC."""
    return datetime.now(UTC).date()


async def check_budgets(meter: TokenMeter, budgets: TokenBudgets | None, store: OwnerStore, thread_id: str) -> None:
    """Set what is left of each budget on the meter. Raise TokenBudgetExceeded if nothing is left of one."""
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


async def store_usage(meter: TokenMeter, store: OwnerStore, thread_id: str) -> None:
    """Store the tokens used; a failure is only logged, because the answer is complete."""
    taken = take_usage(meter, thread_id)
    if taken is None:
        return
    try:
        await store.backend.add_usage(store.owner, thread_id, *taken)
    except Exception:
        logger.exception("the token usage of thread %s could not be stored", thread_id)


def take_usage(meter: TokenMeter, thread_id: str) -> tuple[date, Mapping[str, TokenUsage]] | None:
    """Take the tokens used off the meter, and log them; return them with the day, or None if there are none."""
    used, meter.used = meter.used, {}
    for model, usage in used.items():
        sides = usage.input_tokens, usage.output_tokens
        logger.info("thread %s used %d tokens of %s (%d in, %d out)", thread_id, usage.total, model, *sides)
    return (today(), used) if used else None


def budget_notice(
    exceeded: TokenBudgetExceeded, own: Mapping[str, Template], scope: Mapping[str, Any], request_id: str
) -> NoticeEvent:
    """Return the notice for the user, with the project's own text if there is one."""
    logger.info("turn stopped [%s]: %s", request_id, exceeded)
    text = own_text("tokens", own, scope, request_id, budget=exceeded.budget)
    return NoticeEvent(level="warning", message=text or _MESSAGES[exceeded.budget])
