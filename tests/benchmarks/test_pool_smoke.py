"""The benchmark of PostgreSQL's pool runs and leaves nothing behind. Not how fast anything is."""

from __future__ import annotations

import json
import os
from inspect import signature
from pathlib import Path

import pytest

from benchmarks.pool import SHIPPED, main
from runtime.stores.sql import SqlStore

POSTGRES = os.environ.get("CHATKIT_TEST_POSTGRES", "")


@pytest.mark.skipif(not POSTGRES, reason="CHATKIT_TEST_POSTGRES names no database")
def test_every_figure_has_a_value_for_each_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    assert main(["--store", POSTGRES, "--quick", "--json", str(file)]) == 0
    assert "how many connections" in capsys.readouterr().out
    figures = json.loads(file.read_text())["figures"]
    assert [figure["name"] for figure in figures] == ["turns' statements", "CPU of a turn's statements"]
    assert all(set(figure["values"]) == {"1", "10"} and set(figure["ratios"]) == {"1"} for figure in figures)


def test_what_is_measured_against_is_what_is_shipped() -> None:
    assert str(signature(SqlStore).parameters["connections"].default) == SHIPPED
