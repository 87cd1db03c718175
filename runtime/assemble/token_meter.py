"""Counts the tokens of every model that a turn asks: its agents, those that are tools, judges and titles.

Counted once for each response, by the run's hooks: an event of a stream costs nothing. Runs that a project's own Python
starts count when they are given `METERED`.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

from agents import Agent, Model, ModelResponse, RunContextWrapper, RunHooks

from runtime.assemble.scripted_model import ScriptedConversation
from runtime.errors import RuntimeFault
from runtime.resources.token_usage import TokenUsage

Budget = Literal["turn", "thread", "day", "all"]


class TokenBudgetExceeded(RuntimeFault):
    """A budget of tokens is used up; `budget` says which."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(f"the token budget of the {budget} is used up")
        self.budget: Budget = budget


@dataclass(slots=True)
class TokenMeter:
    """What one turn has used, by model, and what is `left` to it of each budget."""

    used: dict[str, TokenUsage] = field(default_factory=dict)
    left: dict[Budget, int] = field(default_factory=dict)
    _total: int = 0

    def count(self, model: str, usage: TokenUsage) -> None:
        """Add what one response took."""
        self.used[model] = self.used.get(model, TokenUsage()) + usage
        self._total += usage.total

    def check(self) -> None:
        """Raise TokenBudgetExceeded when nothing is left of a budget."""
        for budget, left in self.left.items():
            if self._total >= left:
                raise TokenBudgetExceeded(budget)


TOKEN_METER: ContextVar[TokenMeter | None] = ContextVar("TOKEN_METER", default=None)
"""The meter of the turn that runs in this context."""

ANSWERING_MODEL: ContextVar[Model | None] = ContextVar("ANSWERING_MODEL", default=None)
"""Which of several models has answered, where a fallback asked them in turn."""


class MeteringHooks(RunHooks[Any]):
    """Asks the turn's meter before each request to a model, and tells it after."""

    async def on_llm_start(
        self, context: RunContextWrapper[Any], agent: Agent[Any], system_prompt: str | None, input_items: list[Any]
    ) -> None:
        """Raise TokenBudgetExceeded when nothing is left of a budget."""
        meter = TOKEN_METER.get()
        if meter is not None:
            meter.check()
        ANSWERING_MODEL.set(None)

    async def on_llm_end(self, context: RunContextWrapper[Any], agent: Agent[Any], response: ModelResponse) -> None:
        """Count the response."""
        meter, usage = TOKEN_METER.get(), response.usage
        if meter is not None and usage is not None:
            meter.count(_name_of(ANSWERING_MODEL.get() or agent.model), _counted(usage))


METERED = MeteringHooks()


def _counted(usage: Any) -> TokenUsage:
    ins, outs = usage.input_tokens_details, usage.output_tokens_details
    return TokenUsage(
        max(usage.requests or 0, 1),
        usage.input_tokens or 0,
        (getattr(ins, "cached_tokens", 0) or 0),
        usage.output_tokens or 0,
        (getattr(outs, "reasoning_tokens", 0) or 0),
    )


def _name_of(model: Model | str | None) -> str:
    """The name of a model at its provider."""
    if isinstance(model, ScriptedConversation):
        return "scripted"
    name = model if isinstance(model, str) else getattr(model, "model", None)
    return str(name) if name else type(model).__name__
