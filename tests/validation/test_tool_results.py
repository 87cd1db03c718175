"""What scripts read of tool results: fields that the tool's Python certainly never returns are reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.config.load import load_config
from runtime.validation.project import check_project

PROJECT = """version: 1
models: {m: {scripted: s.yaml}}
tools: {made: {factory: "app:make", with: {unit: km}}, shown: {client: shown}}
agents: {a: {model: m, tools: ["app:look", made, shown]}}
"""
MAKE = """
from agents import function_tool
def make(unit):
    @function_tool
    def made(day: str) -> dict:
        return {"unit": unit, "far": {"km": 3}}
    return made
"""


def found(folder: Path, source: str, read: str, call: str = "look", **more: str) -> list[str]:
    for name, text in {"app.py": source + MAKE, "agents.yaml": PROJECT, **more}.items():
        (folder / name).write_text(text)
    (folder / "s.yaml").write_text(f"otherwise: [{{call: {{{call}: {{day: x}}}}}}, {{say: '{{{{ {read} }}}}'}}]\n")
    return [
        f"{each.severity}: {each.message} ({each.hint})"
        for each in check_project(load_config(folder, environ={}))
        if each.code == "A623"
    ]


LOOK = "def look(day: str):\n    '''Look.'''\n"
TRAILS = "TRAILS = [{'name': 'Ridge', 'km': 7}, {'name': 'Lake', 'at': {'x': 1}}]\n" + LOOK


@pytest.mark.parametrize(
    ("source", "read", "expected"),
    [
        (LOOK + "    return {'name': day, 'km': 7}\n", "data.nme", "'data' has no 'nme' (did you mean 'name'?)"),
        (LOOK + "    return {'km': 7}\n", "data.far", "'data' has no 'far' (it has 'km')"),
        (LOOK + "    return {'km': {'up': 7}}\n", "data.km.upp", "'data.km' has no 'upp'"),
        (LOOK + "    return {'km': 7}\n", "results.look.kn", "'results.look' has no 'kn'"),
        (LOOK + "    row = {'km': 7}\n    return row\n", "data.kn", "'data' has no 'kn'"),
        (LOOK + "    import json\n    return json.dumps({'km': 7})\n", "data.kn", "'data' has no 'kn'"),
        (LOOK + "    return dict(km=7) if day else {'up': 1}\n", "data.kn", "'data' has no 'kn'"),
        (LOOK + "    if day:\n        return {'km': 7}\n    return {'up': 1}\n", "data.kn", "'data' has no 'kn'"),
        (LOOK + "    return f'on {day}'\n", "data.km", "'data' has no 'km' (it has no fields)"),
        (TRAILS + "    return [t for t in TRAILS if t['name']]\n", "data[0].kn", "an item of 'data' has no 'kn'"),
        (TRAILS + "    return sorted(TRAILS)[:2]\n", "data[-1].kn", "an item of 'data' has no 'kn'"),
        (TRAILS + "    return TRAILS\n", "data.km", "'data' has no 'km' (it is a list, so write data[0], or a loop)"),
        (TRAILS + "    return next(t for t in TRAILS)\n", "data.kn", "'data' has no 'kn'"),
        (TRAILS + "    return next((t for t in TRAILS if 1), None)\n", "data.kn", "'data' has no 'kn'"),
        (TRAILS + "    return TRAILS[0]['at']\n", "data.y", "'data' has no 'y'"),
        ("C = {'a': {'km': 1}, 'b': {'up': 2}}\n" + LOOK + "    return C[day]\n", "data.kn", "'data' has no 'kn'"),
        ("C = {'a': {'km': 1}}\n" + LOOK + "    return C.get(day, 'none')\n", "data.kn", "'data' has no 'kn'"),
    ],
)
def test_a_field_that_no_result_has_is_an_error(tmp_path: Path, source: str, read: str, expected: str) -> None:
    (line,) = found(tmp_path, source, read)
    assert line.startswith(f"error: the template fails: {expected}")


def test_the_tool_of_a_factory_counts(tmp_path: Path) -> None:
    (line,) = found(tmp_path, LOOK + "    return day\n", "data.far.kn", "made")
    assert line == "error: the template fails: 'data.far' has no 'kn' (it has 'km')"


@pytest.mark.parametrize("read", ["user.name", "agent.name", "result.km"])
def test_a_text_has_no_fields(tmp_path: Path, read: str) -> None:
    (line,) = found(tmp_path, LOOK + "    return day\n", read)
    assert "(it has no fields)" in line


TYPED = "from typing import TypedDict\nclass Row(TypedDict):\n    km: int\n    kind: str\n"


def test_a_near_miss_of_a_typed_dict_is_a_warning(tmp_path: Path) -> None:
    look = TYPED + "def look(day: str) -> list[Row]:\n    '''Look.'''\n    return load(day)\n"
    (line,) = found(tmp_path, look, "data[0].kindd")
    assert line == "warning: the template fails: an item of 'data' has no 'kindd' (did you mean 'kind'?)"
    assert found(tmp_path, look, "data[0].other") == []


@pytest.mark.parametrize(
    ("source", "read"),
    [
        (LOOK + "    return {'km': 7}\n", "data.km"),
        (LOOK + "    return {'km': 7}\n", "data.items() | list"),
        (LOOK + "    return {'km': 7}\n", "data.kn | default(1)"),
        (LOOK + "    return '{\"kn\": 1}'\n", "data.kn"),
        (LOOK + "    return f'{day}'\n", "data.kn"),
        (LOOK + "    return {**other(), 'km': 7}\n", "data.kn"),
        (LOOK + "    row = {'km': 7}\n    row['kn'] = 1\n    return row\n", "data.kn"),
        (LOOK + "    row = {'km': 7}\n    enrich(row)\n    return row\n", "data.kn"),
        (LOOK + "    row = {'km': 7}\n    other = row\n    enrich(other)\n    return row\n", "data.kn"),
        (LOOK + "    row = {'km': 7}\n    enrich([row])\n    return row\n", "data.kn"),
        (TRAILS + "    return TRAILS\ndef more():\n    for t in TRAILS:\n        enrich(t)\n", "data[0].kn"),
        (TRAILS + "    return TRAILS\nrows = [enrich(t) for t in TRAILS]\n", "data[0].kn"),
        (TRAILS + "    return TRAILS\nlast = TRAILS[-1]\nenrich(last)\n", "data[0].kn"),
        (TRAILS + "    return TRAILS\nenrich(next(t for t in TRAILS))\n", "data[0].kn"),
        (TRAILS + "    return TRAILS\nenrich(look('x'))\n", "data[0].kn"),
        (LOOK + "    row = {'km': 7}\n    row.update(kn=1)\n    return row\n", "data.kn"),
        (LOOK + "    return fetch(day)\n", "data.kn"),
        (LOOK + "    yield {'km': 7}\n", "data.kn"),
        ("def wrap(f): return f\n@wrap\n" + LOOK + "    return {'km': 7}\n", "data.kn"),
        (TRAILS + "    return TRAILS\n", "data[0].at"),
        (TRAILS + "    return TRAILS\ndef more():\n    for t in TRAILS:\n        t['kn'] = 1\n", "data[0].kn"),
        (TRAILS + "    return TRAILS\nenrich(TRAILS)\n", "data[0].kn"),
        (TRAILS + "    return TRAILS\ndef more():\n    global TRAILS\n    TRAILS = load()\n", "data[0].kn"),
    ],
)
def test_what_a_result_may_have_is_not_refused(tmp_path: Path, source: str, read: str) -> None:
    assert found(tmp_path, source, read) == []


@pytest.mark.parametrize(
    "other",
    [
        "import app\napp.TRAILS = []\n",
        "import app\nsetattr(app, 'TRAILS', [])\n",
        "from app import TRAILS\nenrich(TRAILS)\n",
        "from app import TRAILS\nTRAILS[0]['kn'] = 1\n",
        "from app import TRAILS\nTRAILS.append({'kn': 1})\n",
        "from app import TRAILS\nTRAILS +\n",
        "from app import look\nrows = look('x')\nrows[0]['kn'] = 1\n",
        "import app\nenrich(app.TRAILS)\n",
    ],
)
def test_another_file_may_change_a_constant(tmp_path: Path, other: str) -> None:
    assert found(tmp_path, TRAILS + "    return TRAILS\n", "data[0].kn", **{"other.py": other}) == []
    reads = "from app import TRAILS\nfirst = next(t for t in TRAILS)\nshow(f'{first}', first['km'], len(TRAILS))\n"
    assert found(tmp_path, TRAILS + "    return TRAILS\n", "data[0].kn", **{"other.py": reads})


def test_after_a_call_of_two_tools_either_may_be_the_latest(tmp_path: Path) -> None:
    source = LOOK + "    return {'km': 7}\n"
    assert found(tmp_path, source, "data.kn", "shown: {}, look") == []
