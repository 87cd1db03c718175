"""The benchmark of starts runs and compares like with like. Not how fast anything is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.start import CASES, IMPORTS, OURS, main


def test_each_command_has_a_time_for_both_servers_and_a_ratio(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    assert main(["--quick", "--json", str(file)]) == 0
    assert "ratios to imports" in capsys.readouterr().out
    figures = json.loads(file.read_text())["figures"]
    assert [(figure["case"], figure["name"]) for figure in figures] == [
        (case.name, name) for case in CASES[:2] for name in ("time", "CPU")
    ]
    for figure in figures:
        assert set(figure["values"]) == {IMPORTS, OURS}
        assert set(figure["ratios"]) == {OURS}


def test_a_command_that_fails_ends_the_benchmark(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("benchmarks.start.CASES", (type(CASES[1])("odd", ("no-such-verb",), "sys"),))
    assert main(["--quick"]) == 1
    assert "chatkit-runtime (odd) failed" in capsys.readouterr().err
