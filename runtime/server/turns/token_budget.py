"""Token budgets: check what is left before a turn, store what it has used, and notify the user when nothing is left."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from chatkit.types import NoticeEvent

from runtime.assemble.token_meter import Budget, TokenBudgetExceeded, TokenMeter
from runtime.config.model.limits import Limits
from runtime.resources.token_usage import NANO, TokenUsage
from runtime.server.turns.errors import own_text
from runtime.stores.owner_store import OwnerStore
from runtime.templates.template import Template

logger = logging.getLogger("runtime.server")

_BUDGETS: tuple[Budget, ...] = ("turn", "thread", "day", "all")
_MESSAGES: Mapping[Budget, str] = {
    "turn": "This answer has reached its token limit. Please ask for less at a time.",
    "thread": "This conversation has reached its token limit. Please start a new one.",
    "day": "You have reached your daily token limit. It resets at midnight UTC.",
    "all": "The daily token limit has been reached. It resets at midnight UTC.",
}
_COST_MESSAGES: Mapping[Budget, str] = {
    "turn": "This answer has reached its cost limit. Please ask for less at a time.",
    "thread": "This conversation has reached its cost limit. Please start a new one.",
    "day": "You have reached your daily cost limit. It resets at midnight UTC.",
    "all": "The daily cost limit has been reached. It resets at midnight UTC.",
}


def today() -> date:
    """Return the current day in UTC."""
    return datetime.now(UTC).date()


async def check_budgets(meter: TokenMeter, limits: Limits, store: OwnerStore, thread_id: str) -> None:
    """Set what is left of each budget on the meter. Raise TokenBudgetExceeded if nothing is left of one."""
    tokens, costs = limits.budgets, limits.cost_budgets
    if tokens is None and costs is None:
        return
    for budget in _BUDGETS:
        token_limit: int | None = getattr(tokens, budget, None)
        cost_limit: float | None = getattr(costs, budget, None)
        if token_limit is None and cost_limit is None:
            continue
        used = await _used(budget, store, thread_id)
        if token_limit is not None:
            meter.left[budget] = token_limit - used.total
        if cost_limit is not None:
            meter.cost_left[budget] = round(cost_limit * NANO) - used.nano_cost
    meter.check()


async def _used(budget: Budget, store: OwnerStore, thread_id: str) -> TokenUsage:
    """Return what earlier turns have used of a budget."""
    sum_usage = store.backend.sum_usage
    match budget:
        case "turn":
            return TokenUsage()
        case "thread":
            return await sum_usage(store.owner, thread_id=thread_id)
        case "day":
            return await sum_usage(store.owner, day=today())
        case "all":
            return await sum_usage(None, day=today())


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
        cost = f", {usage.cost:.6f} USD" if usage.nano_cost else ""
        logger.info("thread %s used %d tokens of %s (%d in, %d out%s)", thread_id, usage.total, model, *sides, cost)
    return (today(), used) if used else None


def budget_notice(
    exceeded: TokenBudgetExceeded, own: Mapping[str, Template], scope: Mapping[str, Any], request_id: str
) -> NoticeEvent:
    """Return the notice for the user, with the project's own text if there is one."""
    logger.info("turn stopped [%s]: %s", request_id, exceeded)
    text = own_text(exceeded.unit, own, scope, request_id, budget=exceeded.budget)
    messages = _MESSAGES if exceeded.unit == "tokens" else _COST_MESSAGES
    return NoticeEvent(level="warning", message=text or messages[exceeded.budget])
