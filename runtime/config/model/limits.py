"""The section `limits`: what a request may contain, how often it may come, and how long everything may take."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from runtime.config.model.types import Duration, PositiveDuration, Section, Size

RATE_PATTERN = r"^[1-9][0-9]{0,8}/(second|minute|hour|day)$"
Rate = Annotated[str, Field(pattern=RATE_PATTERN)]
"""A number of requests in a window of time, such as `120/minute`."""


class RequestRates(Section):
    """How many HTTP requests may be sent in a window of time. A request beyond it is answered with 429."""

    user: Rate | None = Field(None, examples=["120/minute"])
    """By each user who is logged in."""
    address: Rate | None = Field(None, examples=["600/minute"])
    """From each network address: that of the client, or of a proxy that does not forward it."""


class ConcurrentTurns(Section):
    """How many answers may be written at once, in each process."""

    user: int = Field(16, ge=1, examples=[4])
    """For each user who is logged in; a further request is answered with 429."""
    all: int = Field(1000, ge=1, examples=[200])
    """For all users together; further requests wait."""
    queue: int = Field(100, ge=0, examples=[20])
    """How many requests may wait; a further one is answered with 503."""
    wait: Duration = Field(30.0, examples=["10s"])
    """How long a request waits, before it is answered with 503."""


class TokenBudgets(Section):
    """How many input and output tokens may be used; days are in UTC. A budget is checked before each model call."""

    turn: int | None = Field(None, ge=1, examples=[50_000])
    """By one answer."""
    thread: int | None = Field(None, ge=1, examples=[500_000])
    """By one thread, in total."""
    day: int | None = Field(None, ge=1, examples=[200_000])
    """By each user, in a day."""
    all: int | None = Field(None, ge=1, examples=[5_000_000])
    """By all users together, in a day."""


class CostBudgets(Section):
    """How much the tokens may cost, in US dollars; days are in UTC. A budget is checked before each model call."""

    turn: float | None = Field(None, gt=0, examples=[0.25])
    """By one answer."""
    thread: float | None = Field(None, gt=0, examples=[2])
    """By one thread, in total."""
    day: float | None = Field(None, gt=0, examples=[1])
    """By each user, in a day."""
    all: float | None = Field(None, gt=0, examples=[50])
    """By all users together, in a day."""


COST_PATTERN = r"^([1-9][0-9]{0,8}(\.[0-9]{1,6})?|0\.0{0,5}[1-9][0-9]{0,5})/(turn|thread|day)$"
BUDGET_PATTERN = r"^[1-9][0-9]{0,14}/(turn|thread|day)$"


class Limits(Section):
    """Limits of requests and answers."""

    requests: RequestRates = Field(default_factory=RequestRates)
    """How many requests may be sent in a window of time."""
    concurrent_turns: ConcurrentTurns = Field(default_factory=ConcurrentTurns)
    """How many answers may be written at once."""
    body: Size = 1024 * 1024
    """The size of a request's body."""
    audio: Size = 25 * 1024 * 1024
    """The size of a recording for dictation."""
    message: Size = 32 * 1024
    """The size of a user's message with the text that it quotes, as UTF-8; also of the answers to questions."""
    title: Size = Field(1024, examples=["200B"])
    """The size of a thread's title that a user writes, as UTF-8."""
    payload: Size = Field(64 * 1024, examples=["16KiB"])
    """The size of an action's payload, of the data of mentions in a message, and of a request's metadata, as JSON."""
    receive: PositiveDuration = Field(30.0, examples=["10s"])
    """How long the server waits for a request to arrive; a large body has another second for each 16 KiB."""
    send: PositiveDuration = Field(60.0, examples=["30s"])
    """How long the server waits for a client that does not read its response; then `chat.on_disconnect` applies."""
    turn: PositiveDuration | None = Field(None, examples=["120s"])
    """How long an answer may take, tools included. After that it ends with an error that offers a retry, and the output
    so far is kept."""
    tool: PositiveDuration = Field(600.0, examples=["60s"])
    """How long one call of a tool may take, unless the tool has a `timeout`, or one call of another function of the
    project. After that the model gets a timeout message, and a request a 503."""
    tool_output: Size = Field(256 * 1024, ge=1024, examples=["64KiB"])
    """The size of a tool's output as text; the rest is cut, and the model is told so. A larger result of a tool in the
    browser is refused."""
    parallel_tools: int | None = Field(None, ge=1, examples=[4])
    """How many of the tools that a model calls at once run in parallel; all of them by default."""
    tool_threads: int = Field(40, ge=1, le=1000, examples=[100])
    """How many sync tools and other sync functions of the project run at once, each in a thread. Further calls wait up
    to 30 seconds for a free thread, and then fail. Async functions need none."""
    tokens: Annotated[str, Field(pattern=BUDGET_PATTERN)] | TokenBudgets | None = Field(
        None, examples=["200000/day", {"turn": 50_000, "day": 200_000}]
    )
    """How many tokens may be used; `200000/day` is short for `{day: 200000}`. After that, the user gets a notice."""
    cost: Annotated[str, Field(pattern=COST_PATTERN)] | CostBudgets | None = Field(
        None, examples=["0.50/day", {"thread": 2, "all": 50}]
    )
    """How much the tokens may cost, in US dollars, by the prices of the models; `0.50/day` is short for `{day: 0.5}`.
    After that, the user gets a notice."""

    @property
    def cost_budgets(self) -> CostBudgets | None:
        """Return the budgets in money of either form."""
        if not isinstance(self.cost, str):
            return self.cost
        number, _, of = self.cost.partition("/")
        return CostBudgets.model_validate({of: float(number)})

    @property
    def budgets(self) -> TokenBudgets | None:
        """Return the token budgets of either form."""
        if not isinstance(self.tokens, str):
            return self.tokens
        number, _, of = self.tokens.partition("/")
        return TokenBudgets.model_validate({of: int(number)})
