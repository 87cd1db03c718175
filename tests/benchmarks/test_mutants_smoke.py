"""The mutation test in short: it distinguishes what works from what does not, and no mutant that works is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from benchmarks.mutants.__main__ import main
from benchmarks.mutants.documents import CONFIG, FILES, PROMPT, SCRIPT, WIDGETS, parse, read_project
from benchmarks.mutants.operators import OPERATORS, make_mutant
from benchmarks.mutants.report import Row, Verdict
from benchmarks.mutants.trial import Trial
from benchmarks.servers import ROOT

pytestmark = pytest.mark.timeout(1800)
TEXTS = read_project(ROOT)
WORKS = Trial((), (), None, None)

# A process of its own may fork, because it has no threads: a worker of pytest has some.
PROGRAM = """
import json, sys
from benchmarks.mutants import trial
from benchmarks.mutants.__main__ import main
from benchmarks.mutants.documents import read_project
from benchmarks.servers import ROOT

texts = read_project(ROOT)
if code := main(["--quick", "--json", sys.argv[1]]):
    sys.exit(code)
tried = []
for limit_s, edits in json.load(sys.stdin):
    trial.LIMIT_S = limit_s
    changed = {file: texts.get(file, "").replace(old, new) if old else new for file, old, new in edits}
    made = trial.try_project(ROOT, {**texts, **changed})
    tried.append({"step": made.step, "reason": made.reason, "outcome": made.outcome})
print(json.dumps(tried))
"""
EDITS: dict[str, tuple[str | None, str, list[tuple[str, str, str]]]] = {
    "another greeting": (None, "", [(CONFIG, "Where shall we walk?", "Where to?")]),
    "a reply that nobody asked for": (None, "", [(SCRIPT, "Boots with a firm sole will do.", "Sandals will do.")]),
    "no such module": ("build", "tools.trials", [(CONFIG, "tools.trails:find_trails", "tools.trials:find_trails")]),
    "no such agent": ("build", "there is no agent 'nobody'", [(CONFIG, "handoffs: [guide]", "handoffs: [nobody]")]),
    "half a file": ("build", CONFIG, [(CONFIG, TEXTS[CONFIG][1500:], "")]),
    "a tool that the agent lacks": (
        "turn",
        "the tool 'find_trails', which does not exist",
        [(CONFIG, "tools: [find_trails, get", "tools: [get")],
    ),
    "a tool that raises": ("turn", "has no attribute 'packing'", [(CONFIG, "state: {packing", "state: {packed")]),
    "a widget that can't be shown": ("turn", "root of a widget", [(WIDGETS[1], r"\"Card\"", r"\"Crad\"")]),
    "a button that nothing handles": (
        "click",
        "no longer works",
        [(CONFIG, "trail.map: {effect", "trail.mop: {effect")],
    ),
    "a button whose handler raises": ("click", "KeyError", [(WIDGETS[0], '"name": "{{ item', '"nome": "{{ item')]),
    "a script without an answer": (
        "result",
        "no step left",
        [(SCRIPT, '      - say: "{% if data.city', "#")],
    ),
    "a prompt that can't be made": ("build", "loacle", [(PROMPT, "locale", "loacle")]),
    "a module that ends its process": (
        "process",
        "without an answer",
        [("tools/api.py", "", "import os\nos._exit(3)\n")],
    ),
    "a module that calls the world": (
        "build",
        "wanted to speak to",
        [("tools/api.py", "", "import socket\nsocket.create_connection(('192.0.2.1', 80))\nrouter = make()\n")],
    ),
    "a module that takes for ever": ("time", "not done", [("tools/api.py", "", "import time\ntime.sleep(600)\n")]),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Run the command and the trials of EDITS in one process; return the figures, and the trials by name."""
    path = tmp_path_factory.mktemp("mutants") / "figures.json"
    trials = [(2 if step == "time" else 60, edits) for step, _, edits in EDITS.values()]
    command = [sys.executable, "-c", PROGRAM, str(path)]
    done = subprocess.run(command, cwd=ROOT, input=json.dumps(trials), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("seed 4\n")
    tried = json.loads(done.stdout.splitlines()[-1])
    return json.loads(path.read_text()), dict(zip(EDITS, tried, strict=True))


@pytest.fixture(scope="module")
def figures(results: tuple[dict[str, Any], dict[str, dict[str, Any]]]) -> dict[str, Any]:
    return results[0]


@pytest.fixture(scope="module")
def tried(results: tuple[dict[str, Any], dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    return results[1]


@pytest.mark.parametrize("name", EDITS)
def test_mutants_that_run_are_told_from_those_that_do_not(name: str, tried: dict[str, dict[str, Any]]) -> None:
    step, reason, _ = EDITS[name]
    trial = tried[name]
    assert (trial["step"] or "").partition(" ")[0] == (step or "")
    assert reason in (trial["reason"] or "")


def test_no_mutant_that_works_is_refused_and_the_checks_survive_them_all(figures: dict[str, Any]) -> None:
    refused = [row for row in figures["rows"] if row["outcome"] == "refused" or row["crash"]]
    assert refused == []
    assert figures["failures"] == []


def test_most_of_what_breaks_is_caught(figures: dict[str, Any]) -> None:
    missed = [row for row in figures["rows"] if row["outcome"] in ("missed", "warned")]
    assert figures["caught_share"] >= 0.8, missed


def test_the_operators_take_turns_and_both_kinds_of_mutants_occur(figures: dict[str, Any]) -> None:
    assert figures["mutants"] == len(OPERATORS)
    assert {name: sum(counts.values()) for name, counts in figures["by_operator"].items()} == dict.fromkeys(
        OPERATORS, 1
    )
    assert figures["broken"] >= 8
    assert figures["counts"]["working"] >= 3


def test_a_mutant_is_known_by_its_seed_and_number() -> None:
    assert make_mutant(TEXTS, 1, 7) == make_mutant(TEXTS, 1, 7)
    assert len({make_mutant(TEXTS, seed, 7) for seed in range(8)}) > 4


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_changes_one_file(operator: str) -> None:
    for seed in range(5):
        mutant = make_mutant(TEXTS, seed, OPERATORS.index(operator))
        assert mutant.operator == operator
        assert mutant.text not in (TEXTS[mutant.file], _as_written(mutant.file))


@pytest.mark.parametrize("file", [file for file in FILES if file != PROMPT])
def test_a_file_that_is_written_without_an_edit_says_the_same(file: str) -> None:
    written = _as_written(file)
    assert parse(file, written).data == parse(file, TEXTS[file]).data
    if file.endswith(".widget"):
        templates = [json.loads(text)["template"] for text in (written, TEXTS[file])]
        assert templates[0].replace(" ", "") == templates[1].replace(" ", "")


def test_the_verdict_counts_what_is_caught_and_names_what_is_wrong() -> None:
    broken = {"step": "build", "reason": "why"}
    trials = [
        *[Trial(("error",), (), **broken)] * 3,
        Trial((), ("warning",), **broken),
        Trial((), (), **broken),
        WORKS,
        Trial((), ("warning",), None, None),
    ]
    verdict = verdict_of(trials)
    assert verdict.counts == Counter(caught=3, warned=1, missed=1, working=2)
    assert (verdict.broken, verdict.share, verdict.failures()) == (5, 0.6, [])
    assert verdict_of([*trials, Trial(("error",), (), None, None)]).failures() == ["mutants that work were refused"]
    assert "checks themselves" in verdict_of([Trial((), (), None, None, "ValueError")]).failures()[0]
    assert "97%" in verdict_of([Trial((), (), **broken)] * 500).failures()[0]


@pytest.mark.parametrize(
    ("step", "depth"),
    [
        (None, None),
        ("build", "the build"),
        ("time", "the build"),
        ("turn 'Find me an easy trail'", "the first turn"),
        ("turn 'Where am I?'", "later turns and clicks"),
        ("click 'trail.ask'", "later turns and clicks"),
    ],
)
def test_a_trial_says_how_far_the_project_came(step: str | None, depth: str | None) -> None:
    assert Trial((), (), step, step).depth == depth


@pytest.mark.parametrize("option", [["--count", "0"], ["--workers", "x"], ["--seed", "one"]])
def test_an_option_that_makes_no_sense_is_a_usage_error(option: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(option)


def verdict_of(trials: list[Trial]) -> Verdict:
    mutant = make_mutant(TEXTS, 1, 0)
    return Verdict([Row(index, mutant, trial) for index, trial in enumerate(trials)])


def _as_written(file: str) -> str:
    return TEXTS[file] if file == PROMPT else parse(file, TEXTS[file]).text()
