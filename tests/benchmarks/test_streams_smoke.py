"""The benchmark of many streams runs and reports what it measured. Not how fast anything is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.servers import ROOT, SERVERS
from benchmarks.streams import main


def test_every_figure_of_many_streams_has_a_value_for_every_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "figures.json"
    assert main(["--quick", "--streams", "4", "--json", str(file)]) == 0
    assert "ratios to the handwritten server" in capsys.readouterr().out
    document = json.loads(file.read_text())
    assert document["settings"] == {"quick": True, "rounds": 1, "streams": 4, "seconds": 1}
    figures = document["figures"]
    assert [figure for figure in figures if set(figure["values"]) != set(SERVERS)] == []
    readme = (ROOT / "benchmarks" / "README.md").read_text()
    assert [figure["name"] for figure in figures if f"| {figure['name']} |" not in readme] == []


@pytest.mark.parametrize("option", [["--servers", "mine"], ["--streams", "0"], ["--seconds", "x"]])
def test_an_option_of_many_streams_that_makes_no_sense_is_a_usage_error(option: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(option)
