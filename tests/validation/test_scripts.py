"""Scripts of offline models, judged without being played: each mistake at its line of the script."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from agents import function_tool
from agents.tool_context import ToolContext

from runtime.config.load import load_config
from runtime.static_analysis.module import Modules
from runtime.static_analysis.resolver import Resolver
from runtime.validation.project import check_project
from runtime.validation.scripts.steps import expected_instead

PROJECT = """version: 1
entry: a
models: {m: {scripted: s.yaml}}
tools: {look: {client: x}}
agents:
  a: {model: m, tools: [look], handoffs: [b]}
  b: {model: m, name: Billing}
"""


def found(folder: Path, script: str, project: str = PROJECT, **environ: str) -> list[str]:
    (folder / "agents.yaml").write_text(project, encoding="utf-8")
    (folder / "s.yaml").write_text(script, encoding="utf-8")
    return [str(d) for d in check_project(load_config(folder, environ=environ)) if d.code == "A623"]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("turns:\n  - replly: x\n", "s.yaml:2:5: error A623: the script can't be played: unknown key 'replly' "),
        ("turns:\n  - reply: [{say: x}, {say: '{{ x'}]\n", "s.yaml:2:29: error A623: the script can't be played: "),
        ("turns:\n  - {user: /(/, reply: x}\n", "s.yaml:2:12: error A623: the script can't be played: the regular "),
        ("turns:\n  - reply: 'x\n", "s.yaml:2:12: error A623: the script can't be read: "),
        ("[]\n", "s.yaml:1:1: error A623: the script can't be played: expected a mapping, got a list"),
        (
            "otherwise: {call: lok}\n",
            "s.yaml:1:19: error A623: the script calls 'lok', and no agent that answers from it ",
        ),
        ("otherwise: [{call: {lok: {}}}, x]\n", "s.yaml:1:21: error A623: the script calls 'lok'"),
        ("otherwise: {handoff: b}\n", "s.yaml:1:22: error A623: the script hands off to 'b', and no agent that "),
    ],
)
def test_a_mistake_is_told_at_its_line(tmp_path: Path, script: str, expected: str) -> None:
    lines = found(tmp_path, script)
    assert len(lines) == 1
    assert lines[0].startswith(expected)
    assert lines[0].endswith("[models.m.scripted]")


def test_a_near_miss_is_suggested(tmp_path: Path) -> None:
    assert "(did you mean 'look'?)" in found(tmp_path, "otherwise: {call: lok}\n")[0]
    assert "(did you mean 'reply:'?)" in found(tmp_path, "turns: [{replly: x}]\n")[0].replace("'reply'", "'reply:'")


@pytest.mark.parametrize(
    "script",
    [
        "otherwise: [{call: look}, done]\n",
        "turns: [{agent: Billing, reply: x}, {reply: {handoff: Billing}}]\n",
        "turns: [{agent: billing, reply: x}]\notherwise: {handoff: transfer_to_billing}\n",
        "otherwise: [{call: [look, {look: {}}]}, x]\n",
        "turns: [{user: /(a+)+b/, reply: x}]\n",
    ],
)
def test_a_script_that_can_be_played_is_fine(tmp_path: Path, script: str) -> None:
    assert found(tmp_path, script) == []


def test_a_script_for_want_of_a_key_is_an_error_only_while_there_is_none(tmp_path: Path) -> None:
    project = "version: 1\nmodels: {m: {name: gpt-4.1, offline: s.yaml}}\nagents: {a: {model: m}}\n"
    assert "error A623" in found(tmp_path, "turns: 5\n", project)[0]
    assert "warning A623" in found(tmp_path, "turns: 5\n", project, OPENAI_API_KEY="sk-x")[0]


def test_the_script_of_a_model_that_nobody_uses_is_not_read(tmp_path: Path) -> None:
    project = "version: 1\nmodels: {m: {scripted: s.yaml}, n: gpt-4.1}\nagents: {a: {model: n}}\n"
    assert found(tmp_path, "turns: 5\n", project) == []


def test_a_script_of_two_models_is_reported_once(tmp_path: Path) -> None:
    project = PROJECT.replace("models: {", "models: {n: {scripted: s.yaml}, ").replace("b: {model: m", "b: {model: n")
    assert len(found(tmp_path, "otherwise: {call: lok}\n", project)) == 1


def test_a_tool_in_python_may_have_another_name(tmp_path: Path) -> None:
    lines = found(tmp_path, "otherwise: {call: lok}\n", PROJECT.replace("tools: [look]", "tools: ['app:get']"))
    assert [line.split(" ")[1] for line in lines] == ["note"]


DESK = """version: 1
entry: guide
models: {m: {scripted: s.yaml}}
widgets:
  card:
    template: {type: Card, children: [{type: Text, value: "{{ name }}"}]}
    data: {type: object, properties: {name: {type: string}}, required: [name], additionalProperties: false}
tools:
  look: {client: look, parameters: {type: object, properties: {at: {type: string}, far: {type: boolean}}}}
  show: {widget: card, stop: true}
  mark: {effect: mark, parameters: {type: object, properties: {size: {enum: [big]}, at: {pattern: '^(a+)+$'}}}}
  ask: {agent: gear}
  weigh: {python: "app:weigh", with: {unit: kg}}
  web: {hosted: web_search}
agents:
  guide: {model: m, tools: [look, show, mark, ask, weigh, web, 'app:stamp'], handoffs: [gear]}
  gear: {model: m, tools: [look]}
"""
APP = """from agents import RunContextWrapper, function_tool
from typing import Literal

def weigh(ctx: RunContextWrapper, item: str, unit: str, times: int = 1, how: Literal["fast", "well"] = "fast") -> str:
    return item

@function_tool(name_override="seal")
def stamp(colour: str | None) -> str:
    return "done"
"""


def desk(folder: Path, reply: str, project: str = DESK) -> list[str]:
    (folder / "app.py").write_text(APP, encoding="utf-8")
    lines = found(folder, f"turns: [{{agent: gear, reply: x}}, {{user: '/(?P<n>.)/', reply: {reply}}}]\n", project)
    return [line.partition(" A623: ")[0].rpartition(" ")[2] + ": " + line.partition(" A623: ")[2] for line in lines]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("{look: {at: 5}}", "error: the call of 'look' fails: expected a string, got 5"),
        ("{look: {at: [x]}}", "error: the call of 'look' fails: expected a string, got [\"x\"]"),
        ("{show: {nam: x}}", "error: the call of 'show' fails: unknown argument 'nam' (did you mean 'name'?)"),
        ("{show: {}}", "error: the call of 'show' fails: missing argument 'name'"),
        ("show", "error: the call of 'show' fails: missing argument 'name'"),
        (
            "{mark: {size: big, at: x}, look: {far: 1}}",
            "error: the call of 'look' fails: expected true or false, got 1",
        ),
        (
            "{mark: {size: '{{ match.n }}', at: 1}, look: {far: no}}",
            "error: the call of 'look' fails: expected true or false, got \"no\"",
        ),
        ("{mark: {size: '-'}}", 'error: the call of \'mark\' fails: expected "big", got "-"'),
        ("{ask: {input: 5}}", "error: the call of 'ask' fails: expected a string, got 5"),
        ("{weigh: {}}", "error: the call of 'weigh' fails: missing argument 'item'"),
        ("{weigh: {item: 5}}", "error: the call of 'weigh' fails: expected a string, got 5"),
        ("{weigh: {item: ['{{ match.n }}']}}", "error: the call of 'weigh' fails: expected a string, got a list"),
        ("{weigh: {item: x, times: many}}", "error: the call of 'weigh' fails: expected a whole number, got 'many'"),
        (
            "{weigh: {item: x, how: slow}}",
            "error: the call of 'weigh' fails: expected one of 'fast', 'well', got 'slow'",
        ),
        (
            "{weigh: {item: x, tims: 3}}",
            "warning: the call of 'weigh' ignores an unknown argument 'tims'",
        ),
        ("{seal: {}}", "error: the call of 'seal' fails: missing argument 'colour'"),
        (
            "{stamp: {colour: red}}",
            "error: the script calls 'stamp', and no agent that answers from it has such a tool",
        ),
    ],
)
def test_a_call_that_fails_whenever_it_is_made_is_told(tmp_path: Path, call: str, expected: str) -> None:
    lines = desk(tmp_path, f"[{{call: {call}}}, done]")
    assert expected in "\n".join(lines)
    assert len(lines) <= 2


@pytest.mark.parametrize(
    "reply",
    [
        "[{call: {look: {at: '{{ match.n }}', far: '{{ match.n }}', more: 1}}}, done]",
        "{call: {show: {name: '{{ match.n }}'}}}",
        "[{call: {mark: {size: '{{ match.n }}', at: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-}}}, done]",
        "[{call: {weigh: {item: x, unit: 5, times: '3'}}}, done]",
        "[{call: {weigh: {item: '{{ match.n }}', times: 3.0, how: '{{ match.n }}'}}}, done]",
        "[{call: {seal: {colour: null}}}, done]",
        "[{call: transfer_to_gear}, done]",
        "[{call: {ask: {input: hm}}}, '{{ result }} {{ results.ask }} {{ data.x }}']",
        "{handoff: gear}",
        "'{{ match.n }} {{ match.m | default(1) }} {{ match.m if match.m is defined }} {{ match.keys() | list }}'",
        "'{{ result | default(1) }}{{ data if data is defined }}'",
    ],
)
def test_what_may_go_well_is_not_refused(tmp_path: Path, reply: str) -> None:
    assert desk(tmp_path, reply) == []


def test_a_group_that_no_expression_of_the_turn_has_is_told(tmp_path: Path) -> None:
    (line,) = desk(tmp_path, "'{{ match.m }}'")
    assert line.startswith("error: the template fails: no regular expression of this turn has the group 'm' ")


@pytest.mark.parametrize(
    ("script", "count"),
    [
        ("turns: [{agent: gear, reply: [{call: mark}, x]}]", 1),
        ("turns: [{agent: guide, reply: [{call: [mark: {at: x}]}, x]}]", 0),
        ("turns: [{tools: mark, reply: [{call: {mark: {at: x}}}, x]}]", 0),
        ("turns: [{tools: unknown, reply: [{call: unknown}, x]}]", 0),  # no agent of this project answers
        ("turns: [{user: go, reply: {handoff: guide}}]", 1),
        ("turns: [{agent: gear, reply: {handoff: gear}}]", 1),
        ("turns: [{agent: guide, reply: [{handoff: gear}, {call: look}, x]}]", 0),
        ("turns: [{agent: guide, reply: [{handoff: gear}, {call: lok}, x]}]", 1),
    ],
)
def test_the_agents_that_a_turn_is_for_decide(tmp_path: Path, script: str, count: int) -> None:
    (tmp_path / "app.py").write_text(APP, encoding="utf-8")
    errors = [line for line in found(tmp_path, script, DESK) if ": error " in line]
    assert len(errors) == count, errors


def test_a_turn_for_nobody_is_a_warning_that_names_the_agent(tmp_path: Path) -> None:
    script = "turns: [{agent: b, reply: x}, {agent: bilingg, reply: x}, {agent: [b, a], reply: x}]"
    lines = found(tmp_path, script)
    assert [line.partition(" A623: ")[0] for line in lines] == ["s.yaml:1:17: warning", "s.yaml:1:39: warning"]
    assert "(its name is 'Billing')" in lines[0]
    assert "(did you mean 'Billing'?)" in lines[1]


def test_a_tool_that_waits_for_a_variable_may_be_any(tmp_path: Path) -> None:
    project = PROJECT.replace("tools: [look]", 'tools: ["${TOOL}"]')
    assert found(tmp_path, "otherwise: [{call: lok}, x]\n", project) == []


@pytest.mark.parametrize("edit", [("tools: [look]", "tools: [lok]"), ("handoffs: [b]", "handoffs: [c]")])
def test_a_name_that_leads_nowhere_is_told_once_and_not_at_every_step(tmp_path: Path, edit: tuple[str, str]) -> None:
    script = "turns: [{agent: a, user: x, reply: [{call: look}, x]}, {agent: a, reply: {handoff: b}}]"
    lines = found(tmp_path, script.replace("handoff: b", "handoff: Billing"), PROJECT.replace(*edit))
    assert lines == []


HINTS = ("str", "int", "float", "bool", "list[str]", "dict[str, str]", "str | None", "Literal['a', 'b']", "'int'")
VALUES: tuple[Any, ...] = (
    "a",
    "3",
    "3.5",
    " 7 ",
    "1_0",
    "nan",
    "-inf",
    "yes",
    "",
    3,
    1,
    3.5,
    2.0,
    True,
    None,
    [],
    ["a"],
    {},
    {"a": 1},
)


@pytest.mark.parametrize("hint", [*HINTS, "Optional[int]", "Union[int, bool]", "Literal['a'] | None", "int | list"])
async def test_the_sdk_refuses_what_is_said_to_be_refused(tmp_path: Path, hint: str) -> None:
    source = f"from typing import Literal, Optional, Union\ndef tool(x: {hint}) -> str:\n    return 'fine'\n"
    (tmp_path / "app.py").write_text(source, encoding="utf-8")
    scope: dict[str, Any] = {}
    exec(source, scope)
    tool = function_tool(scope["tool"], strict_mode=False)
    resolver = Resolver(Modules.of(tmp_path))
    module = resolver.modules.get("app")
    assert module is not None
    function = module.body[1]
    assert isinstance(function, ast.FunctionDef)
    told = 0
    for value in VALUES:
        arguments = json.dumps({"x": value})
        context = ToolContext(None, tool_name="tool", tool_call_id="1", tool_arguments=arguments)
        works = await tool.on_invoke_tool(context, arguments) == "fine"
        is_refused = bool(expected_instead(resolver, module, function.args.args[0].annotation, value))
        assert not (works and is_refused), value
        told += is_refused
    assert told >= 3
