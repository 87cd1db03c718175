"""One report for each cause, and none for what only follows from another."""

from pathlib import Path

import pytest

from runtime.config.load import load_config
from runtime.diagnostics.diagnostic import Diagnostic, Place, join_causes


def missing(line: int, code: str = "A205", name: str = "x", hint: str = "") -> Diagnostic:
    return Diagnostic(code, f"there is no agent {name!r}", Place("agents.yaml", line, 3), hint=hint)


def found(folder: Path, text: str) -> list[str]:
    (folder / "agents.yaml").write_text("version: 1\n" + text, encoding="utf-8")
    return [f"{d.code} {d.path}" for d in load_config(folder, environ={}).diagnostics]


def test_the_first_of_a_cause_says_where_the_others_are() -> None:
    [joined] = join_causes([missing(9), missing(4, "A206"), missing(7, hint="")])
    assert (joined.code, joined.place.line) == ("A206", 4)
    assert joined.hint == "also at agents.yaml:7:3, agents.yaml:9:3"


def test_many_places_are_counted() -> None:
    [joined] = join_causes([missing(line, hint="did you mean 'y'?") for line in range(1, 40)])
    assert joined.hint == "did you mean 'y'? also at agents.yaml:2:3, agents.yaml:3:3, agents.yaml:4:3 and 35 more"


def test_other_names_and_other_kinds_are_other_causes() -> None:
    assert len(join_causes([missing(1), missing(2, name="y"), missing(3, code="A207")])) == 3


def test_joining_twice_is_joining_once() -> None:
    once = join_causes([missing(1), missing(2), missing(3, name="y")])
    assert join_causes(once) == once


def test_the_same_slip_in_two_entries_is_two_mistakes(tmp_path: Path) -> None:
    text = "entry: a\nagents:\n  a: {modle: m, handoffs: [b]}\n  b: {modle: m}\n"
    assert found(tmp_path, text) == ["A101 agents.a.modle", "A101 agents.b.modle"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("entry: a\nagents:\n  a: {model: m, handoffs: [bb]}\n  b: {model: m}\n", ["A205 agents.a.handoffs[0]"]),
        ("agents:\n  a: {model: m, tools: [lok]}\ntools: {look: 'a:b'}\n", ["A203 agents.a.tools[0]"]),
        ("agents:\n  a: {model: carefull}\nmodels: {careful: m}\n", ["A204 agents.a.model"]),
    ],
)
def test_what_is_unused_because_its_name_is_misspelt_is_not_reported_as_unused(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    assert found(tmp_path, text) == expected


def test_what_is_unused_for_another_reason_still_is(tmp_path: Path) -> None:
    text = "agents:\n  a: {model: m, tools: [lok]}\ntools: {look: 'a:b', other: 'a:c'}\n"
    assert found(tmp_path, text) == ["A203 agents.a.tools[0]", "A221 tools.other"]
    text = "entry: a\nagents:\n  a: {model: m, handoffs: [nobody]}\n  zebra: {model: m}\n"
    assert found(tmp_path, text) == ["A205 agents.a.handoffs[0]", "A220 agents.zebra"]
