"""Counts the tokens of all model requests of a turn: of agents, of agents that are tools, of judges and of titles.

The hooks of a run count once for each response, so streaming is not slowed down. Runs that a project's own Python
starts are counted if it passes `hooks=METERED`.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

from agents import Agent, Model, ModelResponse, RunContextWrapper, RunHooks

from runtime.assemble.context import RuntimeContext
from runtime.assemble.scripted_model import ScriptedConversation
from runtime.documents.untrusted import clean
from runtime.errors import RuntimeFault
from runtime.resources.token_usage import TokenUsage

Budget = Literal["turn", "thread", "day", "all"]


class TokenBudgetExceeded(RuntimeFault):
    """The token budget `budget` is used up."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(f"the token budget of the {budget} is used up")
        self.budget: Budget = budget


@dataclass(slots=True)
class TokenMeter:
    """The tokens that one turn has used, by model, and those that were `left` of each budget when it started."""

    used: dict[str, TokenUsage] = field(default_factory=dict)
    left: dict[Budget, int] = field(default_factory=dict)
    _total: int = 0

    def count(self, model: str, usage: TokenUsage) -> None:
        """Add the usage of one response."""
        self.used[model] = self.used.get(model, TokenUsage()) + usage
        self._total += usage.total

    def check(self) -> None:
        """Raise TokenBudgetExceeded if a budget is used up."""
        for budget, left in self.left.items():
            if self._total >= left:
                raise TokenBudgetExceeded(budget)


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
            meter.count(f"{name}{_ESTIMATED}" if ESTIMATED_USAGE.get() else name, token_usage(usage))


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
