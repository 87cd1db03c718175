"""The benchmark of the chat page runs in Chromium and reports what it measured. Not how much anything takes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.browser import CLIENT, ONLY, PLAIN, main
from benchmarks.servers import ROOT
from tests.cli.compiling import missing


def test_every_figure_has_a_value_for_each_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not (shutil.which("chromium") or shutil.which("chromium-browser")):
        missing("no browser: Chromium is missing (`apt-get install chromium`)")
    file = tmp_path / "figures.json"
    assert main(["--quick", "--json", str(file)]) == 0, capsys.readouterr().err
    assert "ratios to plain" in capsys.readouterr().out
    document = json.loads(file.read_text())
    assert document["settings"] == {"quick": True, "rounds": 1, "items": 120, "frames": 10, "visits": 2}
    figures = document["figures"]
    assert [(figure["name"], set(figure["values"])) for figure in figures] == [
        ("time to first view", {PLAIN, CLIENT}),
        ("time to first view", {PLAIN, CLIENT}),
        ("event to painted text, the first", {PLAIN, CLIENT}),
        ("event to painted text, median", {PLAIN, CLIENT}),
        ("event to painted text, 95th percentile", {PLAIN, CLIENT}),
        ("files of a first visit", {PLAIN, CLIENT}),
        ("bytes of a first visit", {PLAIN, CLIENT}),
        ("CPU per first visit", {PLAIN, CLIENT}),
        ("time to the end of a thread", {CLIENT}),
        ("frame time while scrolling, 95th percentile", {CLIENT}),
        ("frames dropped while scrolling", {CLIENT}),
    ]
    readme = (ROOT / "benchmarks" / "README.md").read_text()
    assert [figure["name"] for figure in figures if f"| {figure['name']} |" not in readme] == []


@pytest.mark.parametrize("option", [["--only", "mine"], ["--items", "0"], ["--rounds", "x"]])
def test_an_option_that_makes_no_sense_is_a_usage_error(option: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(option)


def test_every_part_is_in_the_readme() -> None:
    assert f"# some of {', '.join(ONLY)}" in (ROOT / "benchmarks" / "README.md").read_text()
