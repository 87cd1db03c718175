"""Counts of used tokens by owner, thread, day and model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass
from datetime import date
from typing import Any

NANO = 1_000_000_000


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Counts of requests and tokens; the input includes the cached tokens, and the output the reasoning tokens.

    `nano_cost` is what they cost, in billionths of a US dollar: an integer, because sums of many small ones are exact.
    It is 0 where the price is unknown.
    """

    requests: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    nano_cost: int = 0

    @property
    def cost(self) -> float:
        """What the tokens cost, in US dollars."""
        return self.nano_cost / NANO

    @property
    def total(self) -> int:
        """The input and output tokens."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: TokenUsage) -> TokenUsage:
        return TokenUsage(*(mine + more for mine, more in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class UsageEntry:
    """The tokens of one model that one owner used in one thread on one day (UTC)."""

    day: date
    owner: str
    thread_id: str
    model: str
    usage: TokenUsage

    def as_data(self) -> dict[str, Any]:
        """Return the entry for exports, with the cost in US dollars."""
        counts = asdict(self.usage)
        del counts["nano_cost"]
        key = {"day": self.day.isoformat(), "owner": self.owner, "thread_id": self.thread_id, "model": self.model}
        return {**key, **counts, "cost_usd": self.usage.cost}


class UsageTable:
    """Counts in the memory of this process, for stores that can't keep them."""

    def __init__(self) -> None:
        self._counts: dict[tuple[date, str, str, str], TokenUsage] = {}

    def add(self, owner: str, thread_id: str, day: date, used: Mapping[str, TokenUsage]) -> None:
        """Add the tokens that were used, by model."""
        for model, usage in used.items():
            key = (day, owner, thread_id, model)
            self._counts[key] = self._counts.get(key, TokenUsage()) + usage

    def sum(self, owner: str | None, thread_id: str | None, day: date | None) -> TokenUsage:
        """Return the sum of the matching counts; None matches all."""
        total = TokenUsage()
        for (its_day, its_owner, its_thread, _), usage in self._counts.items():
            if owner in (None, its_owner) and thread_id in (None, its_thread) and day in (None, its_day):
                total += usage
        return total

    def entries(self, since: date) -> list[UsageEntry]:
        """Return the counts since that day, sorted."""
        return [UsageEntry(*key, usage) for key, usage in sorted(self._counts.items()) if key[0] >= since]

    def forget(self, owner: str) -> None:
        """Delete the counts of an owner."""
        self._counts = {key: usage for key, usage in self._counts.items() if key[1] != owner}
