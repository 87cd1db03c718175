"""The short form of `python -m benchmarks.soak`: edits, some broken, under streams that none of them disturbs."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.soak import BROKEN, Project, Report, judge, soak
from runtime.config.load import load_config

SAVED = {("v1", "v1"), ("v2", "v1")}


def said(first: str = "v2", second: str = "v2", *code: str) -> str:
    model, tool, deep, late = code or ("v1",) * 4
    return f"first={first} second={second} model={model} tool={tool} deep={deep} late={late} . ."


@pytest.mark.timeout(900)
async def test_thirty_edits_under_streaming_clients_lose_and_mix_nothing() -> None:
    report = await soak(reloads=30, clients=8, seed=3, fork=True)
    # How many edits get a turn of their own depends on the machine; in the long run it is nearly all of them.
    violations = [text for text in report.violations() if "90 %" not in text]
    assert violations == [], report.complaints
    assert report.turns > 0
    assert (report.reloaded, report.refusals, sum(report.refused.values())) == (27, 3, 3)
    assert report.refused == {"schema": 1, "references": 1, "python": 1}


def test_the_judge_sees_a_version_that_is_whole() -> None:
    assert judge(said(), SAVED) == ("v2", "v1")


@pytest.mark.parametrize(
    "text",
    [
        said("v1", "v2"),
        said("v2", "v2", "v2", "v1", "v1", "v1"),
        said("v2", "v2", "v1", "v2", "v1", "v1"),
        said("v2", "v2", "v1", "v1", "v2", "v1"),
        said("v2", "v2", "v1", "v1", "v1", "v2"),
        said("v1", "v1", "v2", "v2", "v2", "v2"),
        "first=v2 second=v2 model=v1",
    ],
)
def test_the_judge_sees_an_answer_that_is_mixed_or_cut(text: str) -> None:
    assert judge(text, SAVED) is None


def test_a_report_names_every_promise_that_did_not_hold() -> None:
    good = Report(reloaded=9, valid_edits=9, served_edits=9, broken_edits=1, refusals=1, snapshots_at_end=1)
    assert good.violations() == []
    for change in (
        {"dropped": 1},
        {"failed": 1},
        {"mixed": 1},
        {"served_edits": 8},
        {"snapshots_too_many": 1},
        {"snapshots_at_end": 2},
        {"broken_edits": 2},
        {"reloaded": 8},
        {"reloaded": 1000, "valid_edits": 1000, "served_edits": 1000, "memory": [100.0] * 5 + [120.0]},
    ):
        bad = Report(**{**{name: getattr(good, name) for name in Report.__dataclass_fields__}, **change})  # type: ignore[arg-type]
        assert len(bad.violations()) == 1, change


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_edit_is_broken_and_the_next_one_mends_it(tmp_path: Path, how: str) -> None:
    project = Project(tmp_path, random.Random(1))
    project.save_broken(how, 1)
    stamp = (tmp_path / "desk/inner/stamp.py").read_text()
    if how.startswith("Python"):
        with pytest.raises((SyntaxError, ValueError)):
            exec(compile(stamp, "stamp.py", "exec"), {})
    else:
        assert load_config(tmp_path, environ={}).config is None
    project.edit(2)
    assert load_config(tmp_path, environ={}).config is not None
    exec(compile((tmp_path / "desk/inner/stamp.py").read_text(), "stamp.py", "exec"), {})
