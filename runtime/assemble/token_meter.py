"""Counts the tokens of all model requests of a turn: of agents, of agents that are tools, of judges and of titles.

The hooks of a run count once for each response, so streaming is not slowed down. Runs that a project's own Python
starts are counted if it passes `hooks=METERED`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from agents import Agent, Model, ModelResponse, RunContextWrapper, RunHooks

from runtime.assemble.context import RuntimeContext
from runtime.assemble.scripted_model import ScriptedConversation
from runtime.config.known_models import Prices
from runtime.documents.untrusted import clean
from runtime.errors import RuntimeFault
from runtime.resources.token_usage import NANO, TokenUsage

_MILLION = 1_000_000

Budget = Literal["turn", "thread", "day", "all"]


Unit = Literal["tokens", "cost"]


class TokenBudgetExceeded(RuntimeFault):
    """The budget `budget` of `limits.tokens`, or of `limits.cost`, is used up."""

    def __init__(self, budget: Budget, unit: Unit = "tokens") -> None:
        what = "token budget" if unit == "tokens" else "budget in money"
        super().__init__(f"the {what} of the {budget} is used up")
        self.budget: Budget = budget
        self.unit: Unit = unit


@dataclass(slots=True)
class TokenMeter:
    """The tokens that one turn has used, by model, and what was `left` of each budget when it started.

    `prices` are those of the models by their names at the provider. What is left of a budget in money is in billionths
    of a US dollar.
    """

    prices: Mapping[str, Prices] = field(default_factory=dict)
    used: dict[str, TokenUsage] = field(default_factory=dict)
    left: dict[Budget, int] = field(default_factory=dict)
    cost_left: dict[Budget, int] = field(default_factory=dict)
    _total: int = 0
    _cost: int = 0

    def count(self, model: str, usage: TokenUsage, *, is_estimated: bool = False) -> None:
        """Add the usage of one response, and what it costs; estimated counts have an entry of their own."""
        prices = self.prices.get(model)
        model = f"{model}{_ESTIMATED}" if is_estimated else model
        if prices is not None:
            usage = replace(usage, nano_cost=nano_cost(usage, prices))
        self.used[model] = self.used.get(model, TokenUsage()) + usage
        self._total += usage.total
        self._cost += usage.nano_cost

    def check(self) -> None:
        """Raise TokenBudgetExceeded if a budget is used up."""
        for budget, left in self.left.items():
            if self._total >= left:
                raise TokenBudgetExceeded(budget)
        for budget, left in self.cost_left.items():
            if self._cost >= left:
                raise TokenBudgetExceeded(budget, "cost")


def nano_cost(usage: TokenUsage, prices: Prices) -> int:
    """Return what tokens cost, in billionths of a US dollar; the prices are for a million tokens."""
    cached = min(usage.cached_tokens, usage.input_tokens)
    fresh = usage.input_tokens - cached
    dollars = fresh * prices.input + cached * prices.cached + usage.output_tokens * prices.output
    return round(dollars * NANO / _MILLION)


TOKEN_METER: ContextVar[TokenMeter | None] = ContextVar("TOKEN_METER", default=None)
"""The meter of the running turn."""

ANSWERING_MODEL: ContextVar[Model | None] = ContextVar("ANSWERING_MODEL", default=None)
"""The model that answered, set by a FallbackModel."""

ESTIMATED_USAGE: ContextVar[bool] = ContextVar("ESTIMATED_USAGE", default=False)
"""Whether the tokens of the last answer are estimated, because its endpoint has not counted them."""

_ESTIMATED = " (estimated)"


class MeteringHooks(RunHooks[Any]):
    """Checks the budgets before each model request, and counts the tokens of each response."""

    async def on_llm_start(
        self, context: RunContextWrapper[Any], agent: Agent[Any], system_prompt: str | None, input_items: list[Any]
    ) -> None:
        """Note which agent is asked. Raise TokenBudgetExceeded if a budget is used up."""
        if isinstance(context.context, RuntimeContext):
            context.context._turn_state.asked_agent = agent
        meter = TOKEN_METER.get()
        if meter is not None:
            meter.check()
        ANSWERING_MODEL.set(None)

    async def on_llm_end(self, context: RunContextWrapper[Any], agent: Agent[Any], response: ModelResponse) -> None:
        """Count the response, and make its texts fit for the next request, which is UTF-8."""
        for item in response.output:
            _clean_texts(item)
        meter, usage = TOKEN_METER.get(), response.usage
        if meter is not None and usage is not None:
            name = name_of(ANSWERING_MODEL.get() or agent.model)
            meter.count(name, token_usage(usage), is_estimated=ESTIMATED_USAGE.get())


METERED = MeteringHooks()


def _clean_texts(item: Any) -> None:
    for part in getattr(item, "content", None) or ():
        _clean_field(part, "text")
    _clean_field(item, "arguments")


def _clean_field(value: Any, name: str) -> None:
    text = getattr(value, name, None)
    if isinstance(text, str) and (cleaned := clean(text)) is not text:
        setattr(value, name, cleaned)


def token_usage(usage: Any) -> TokenUsage:
    """Return the counts of the SDK, or of a response of the API; zeros if there are none."""
    if usage is None:
        return TokenUsage()
    input_details, output_details = usage.input_tokens_details, usage.output_tokens_details
    return TokenUsage(
        max(getattr(usage, "requests", 0) or 0, 1),
        usage.input_tokens or 0,
        (getattr(input_details, "cached_tokens", 0) or 0),
        usage.output_tokens or 0,
        (getattr(output_details, "reasoning_tokens", 0) or 0),
    )


def name_of(model: Model | str | None) -> str:
    """Return the name of a model at its provider."""
    if isinstance(model, ScriptedConversation):
        return "scripted"
    name = model if isinstance(model, str) else getattr(model, "model", None)
    return str(name) if name else type(model).__name__
