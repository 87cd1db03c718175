"""The table of OpenAI's models: complete, in agreement with the installed packages, and with the announced days."""

from __future__ import annotations

import json
from datetime import date
from importlib.resources import files

import pytest
from agents.models.default_models import get_default_model_settings

from runtime.config.known_models import (
    describe_shutdown,
    is_openai_address,
    known_model,
    known_names,
    stored_prompts_shutdown,
)
from tests.config.sdk_models import read_names, read_shutdowns

RENEW = "renew runtime/config/openai_models.json: CONTRIBUTING.md, 'OpenAI's models'"


def test_every_model_of_the_installed_package_is_in_the_table() -> None:
    assert read_names() - set(known_names()) == set(), RENEW


def test_the_days_are_those_that_the_installed_package_announces() -> None:
    announced = read_shutdowns()
    assert len(announced) > 70, "the package no longer says its days where this test looks"
    table = {name: model.shutdown for name in announced if (model := known_model(name))}
    assert table == announced, RENEW


def test_the_default_efforts_are_those_that_the_agents_sdk_sets() -> None:
    set_by_the_sdk = {
        name: settings.reasoning.effort
        for name in known_names()
        if (settings := get_default_model_settings(name)).reasoning is not None
    }
    assert len(set_by_the_sdk) > 12
    assert {name: model.default_effort for name in set_by_the_sdk if (model := known_model(name))} == set_by_the_sdk


def test_the_file_says_where_and_when_it_was_read_and_its_rows_are_sorted() -> None:
    table = json.loads((files("runtime.config") / "openai_models.json").read_text(encoding="utf-8"))
    assert date.fromisoformat(table["read"]) >= date(2026, 11, 28)
    assert any(source.endswith("/deprecations") for source in table["sources"])
    assert list(table["models"]) == sorted(table["models"])
    keys = {key for row in table["models"].values() for key in row}
    assert keys == {"kind", "shutdown", "replacement", "api", "efforts", "default_effort", "function_tools", "price"}


@pytest.mark.parametrize(
    ("names", "day", "replacement"),
    [
        ("gpt-4.1-nano", "2026-10-23", "gpt-6-luna"),
        ("gpt-4-turbo gpt-4 o1 o3-mini gpt-4o-2024-05-13", "2026-10-23", "gpt-6.1-sol"),
        ("gpt-3.5-turbo o4-mini", "2026-10-23", "gpt-6.1-terra"),
        ("gpt-5 gpt-5-2025-08-07 o3", "2026-12-11", "gpt-6.1-sol"),
        ("gpt-5-mini", "2026-12-11", "gpt-6.1-terra"),
        ("gpt-5-nano", "2026-12-11", "gpt-6-luna"),
        ("gpt-5-pro o3-pro", "2026-12-11", "gpt-6.1-sol with 'reasoning: {mode: pro}'"),
        ("gpt-4.1 gpt-4.1-mini gpt-4o gpt-4o-mini gpt-4o-2024-08-06 gpt-4.1-2025-04-14", "2027-01-14", "gpt-6-luna"),
        ("whisper-1 gpt-4o-transcribe gpt-4o-mini-transcribe", "2027-02-26", "gpt-transcribe"),
        ("gpt-5.1", "2027-04-01", "gpt-6.1-sol"),
    ],
)
def test_a_model_has_its_last_day_and_its_replacement(names: str, day: str, replacement: str) -> None:
    for name in names.split():
        model = known_model(name)
        assert model is not None
        assert (str(model.shutdown), model.replacement) == (day, replacement)
        assert known_model(replacement.split()[0])


def test_a_replacement_is_a_model_of_the_same_kind_without_a_last_day() -> None:
    table = json.loads((files("runtime.config") / "openai_models.json").read_text(encoding="utf-8"))["models"]
    replaced = {name: row["replacement"] for name, row in table.items() if "replacement" in row}
    assert len(replaced) > 50
    for name, replacement in replaced.items():
        for named in replacement.partition(" with ")[0].split(" or "):
            assert "shutdown" not in table[named], f"{name} is replaced by {named}, which is shut down as well"
            assert table[named].get("kind") == table[name].get("kind"), (
                f"{name} is replaced by {named}, of another kind"
            )


def test_stored_prompts_have_a_last_day() -> None:
    assert stored_prompts_shutdown() == date(2026, 11, 30)


def test_a_snapshot_accepts_what_its_model_does_and_has_a_day_of_its_own() -> None:
    listed, unlisted = known_model("gpt-4o-2024-05-13"), known_model("gpt-5-2031-01-01")
    assert listed is not None
    assert unlisted is not None
    assert (listed.efforts, listed.shutdown) == ((), date(2026, 10, 23))
    assert (unlisted.efforts, unlisted.shutdown) == (("minimal", "low", "medium", "high"), None)


def test_a_fine_tuned_model_ends_with_its_base_and_has_prices_of_its_own() -> None:
    model = known_model("ft:gpt-4.1-mini-2025-04-14:acme::x1")
    assert model is not None
    assert (model.shutdown, model.prices, model.efforts) == (date(2027, 1, 14), None, None)
    assert known_model("ft:somebody-elses:acme::x1") is None


def test_the_day_itself_is_the_first_without_the_model() -> None:
    day = date(2027, 1, 14)
    before = describe_shutdown("gpt-4.1", day, "gpt-6-luna", date(2027, 1, 13))
    after = describe_shutdown("gpt-4.1", day, "", day)
    assert before == (
        "warning",
        "the model 'gpt-4.1' shuts down on 2027-01-14",
        "OpenAI recommends gpt-6-luna instead",
    )
    assert after == (
        "error",
        "the model 'gpt-4.1' was shut down on 2027-01-14: every call fails",
        "choose another model",
    )


@pytest.mark.parametrize(
    ("address", "is_openai"),
    [
        ("https://api.openai.com/v1", True),
        ("https://eu.api.openai.com/v1", True),
        ("https://acme.openai.azure.com/openai/v1", False),
        ("https://api.openai.com.example.org/v1", False),
        ("https://openrouter.ai/api/v1", False),
        ("http://127.0.0.1:11434/v1", False),
    ],
)
def test_openais_addresses_are_told_from_others(address: str, is_openai: bool) -> None:
    assert is_openai_address(address) is is_openai
