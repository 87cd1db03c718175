"""What tokens cost, and budgets of tokens and of money."""

from __future__ import annotations

import pytest

from runtime.assemble.token_meter import TokenBudgetExceeded, TokenMeter, nano_cost
from runtime.config.known_models import Prices
from runtime.resources.token_usage import TokenUsage, UsageTable

LUNA = Prices(0.1, 0.01, 0.5)


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        (TokenUsage(1, 1_000_000), 0.1),
        (TokenUsage(1, 1_000_000, 1_000_000), 0.01),
        (TokenUsage(1, 1_000_000, 400_000, 200_000, 150_000), 0.06 + 0.004 + 0.1),
        (TokenUsage(1, 0, 0, 1), 0.0000005),
        (TokenUsage(1, 10, 500), 0.0000001),  # an endpoint that counts more cached tokens than there are
        (TokenUsage(), 0),
    ],
)
def test_cached_input_has_a_price_of_its_own_and_thoughts_are_output(usage: TokenUsage, dollars: float) -> None:
    assert nano_cost(usage, LUNA) / 1e9 == pytest.approx(dollars)


def test_many_small_costs_add_up_exactly() -> None:
    table = UsageTable()
    meter = TokenMeter({"luna": LUNA})
    for _ in range(1000):
        meter.count("luna", TokenUsage(1, 3, 1, 7))
    assert meter.used["luna"].nano_cost == 1000 * nano_cost(TokenUsage(1, 3, 1, 7), LUNA)
    assert table.sum(None, None, None).cost == 0


def test_a_model_without_a_price_costs_nothing() -> None:
    meter = TokenMeter({"luna": LUNA}, cost_left={"day": 1})
    meter.count("other", TokenUsage(1, 1_000_000))
    meter.check()
    assert meter.used["other"].cost == 0


def test_a_budget_in_money_is_used_up_when_its_last_dollar_is_spent() -> None:
    meter = TokenMeter({"luna": LUNA}, cost_left={"thread": 100_000_000})
    meter.count("luna", TokenUsage(1, 999_999))
    meter.check()
    meter.count("luna", TokenUsage(1, 1))
    with pytest.raises(TokenBudgetExceeded, match="the budget in money of the thread is used up") as exceeded:
        meter.check()
    assert (exceeded.value.budget, exceeded.value.unit) == ("thread", "cost")


def test_estimated_tokens_have_an_entry_of_their_own_at_the_same_price() -> None:
    meter = TokenMeter({"luna": LUNA})
    meter.count("luna", TokenUsage(1, 1_000_000), is_estimated=True)
    assert {name: usage.cost for name, usage in meter.used.items()} == {"luna (estimated)": 0.1}
