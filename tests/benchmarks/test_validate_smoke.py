"""The benchmark of `validate` runs and compares like with like. Not how fast anything is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.validate import BASELINE, OURS, long_agents, main, short_agents
from runtime.config.load import load_config
from runtime.validation.project import check_project


@pytest.mark.parametrize("text", [short_agents(1), short_agents(3), long_agents(3)])
def test_what_is_measured_is_a_project_without_mistakes(tmp_path: Path, text: str) -> None:
    (tmp_path / "agents.yaml").write_text(text)
    loaded = load_config(tmp_path, environ={"OPENAI_API_KEY": "none"})
    assert check_project(loaded) == []


def test_every_figure_has_a_value_for_both_and_a_ratio(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    assert main(["--quick", "--json", str(file)]) == 0
    assert "ratios to check-jsonschema" in capsys.readouterr().out
    document = json.loads(file.read_text())
    assert document["baseline"] == BASELINE
    assert [figure["name"] for figure in document["figures"]] == ["CPU", "time"] * 2
    for figure in document["figures"]:
        assert set(figure["values"]) == {BASELINE, OURS}
        assert set(figure["ratios"]) == {OURS}
