"""Scripts of offline models, judged without being played: each mistake at its line of the script."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.config.load import load_config
from runtime.validation.project import check_project

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
def test_a_mistake_is_reported_at_its_line(tmp_path: Path, script: str, expected: str) -> None:
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
    ],
)
def test_a_script_that_can_be_played_is_fine(tmp_path: Path, script: str) -> None:
    assert found(tmp_path, script) == []


def test_a_script_for_want_of_a_key_is_an_error_only_while_there_is_none(tmp_path: Path) -> None:
    project = "version: 1\nmodels: {m: {name: gpt-6-luna, offline: s.yaml}}\nagents: {a: {model: m}}\n"
    assert "error A623" in found(tmp_path, "turns: 5\n", project)[0]
    assert "warning A623" in found(tmp_path, "turns: 5\n", project, OPENAI_API_KEY="sk-x")[0]


def test_the_script_of_a_model_that_nobody_uses_is_not_read(tmp_path: Path) -> None:
    project = "version: 1\nmodels: {m: {scripted: s.yaml}, n: gpt-6-luna}\nagents: {a: {model: n}}\n"
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
        ("{ask: {inputt: hm}}", "error: the call of 'ask' fails: unknown argument 'inputt' (did you mean 'input'?)"),
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
def test_a_call_that_fails_whenever_it_is_made_is_reported(tmp_path: Path, call: str, expected: str) -> None:
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


def test_a_group_that_no_expression_of_the_turn_has_is_reported(tmp_path: Path) -> None:
    (line,) = desk(tmp_path, "'{{ match.m }}'")
    assert line.startswith("error: the template fails: no regular expression of this turn has the group 'm' ")


OUTPUTS = """version: 1
entry: a
models: {m: {scripted: s.yaml}}
agents:
  a: {model: m, handoffs: [b], output: {schema: {type: object}, template: "{{ output }}"}}
  b: {model: m, handoffs: [a]}
"""


@pytest.mark.parametrize(
    ("reply", "agent", "place"),
    [
        ("[{say: '{}'}, {handoff: b}]", "a", "s.yaml:1:34"),
        ("['{}', {handoff: b}, done]", "a", "s.yaml:1:28"),
        ("[{handoff: b}, done]", "a", ""),
        ("[{think: hm}, {handoff: b}, done]", "a", ""),
        ("[one moment, {handoff: a}]", "b", ""),
    ],
)
def test_an_agent_with_an_output_does_not_answer_and_hand_over_at_once(
    tmp_path: Path, reply: str, agent: str, place: str
) -> None:
    lines = found(tmp_path, f"turns: [{{agent: {agent}, reply: {reply}}}]\notherwise: done\n", OUTPUTS)
    assert [line.partition(": ")[0] for line in lines] == ([place] if place else [])
    # Agent b may answer this turn, too, and has no output.
    assert found(tmp_path, f"otherwise: {reply.replace('handoff: a', 'handoff: b')}\n", OUTPUTS) == []


def test_a_regular_expression_that_can_take_very_long_is_a_warning(tmp_path: Path) -> None:
    (line,) = found(tmp_path, "turns:\n  - {user: '/^(\\w+\\s?)+$/', reply: x}\notherwise: y\n")
    assert line.startswith("s.yaml:2:12: warning A623: ")
    assert "can take very long" in line


NO_STEP_LEFT = "error: the reply has no step left after the call of {!r}, which does not end the turn"


@pytest.mark.parametrize(
    ("reply", "name"),
    [
        ("[{call: {weigh: {item: x}}}]", "weigh"),
        ("[Hm, {think: hm}, {call: {mark: {size: big}}}]", "mark"),
        ("{call: {ask: {input: hm}}}", "ask"),
        ("{call: {look: {at: x}}}", "look"),
        ("[{call: {seal: {colour: red}}}]", "seal"),
        ("[{call: {weigh: {item: x}}}, {call: {weigh: {item: x}}}]", "weigh"),
    ],
)
def test_a_reply_that_ends_with_a_call_after_which_the_model_runs_again_is_reported(
    tmp_path: Path, reply: str, name: str
) -> None:
    (line,) = desk(tmp_path, reply)
    assert line.startswith(NO_STEP_LEFT.format(name))
    assert "(add a 'say' behind it, or write 'stop: true' at the tool)" in line


@pytest.mark.parametrize(
    ("reply", "old", "new"),
    [
        ("{call: {show: {name: x}}}", "", ""),
        ("{call: {weigh: {item: x}}}", "with: {unit: kg}", "stop: true, with: {unit: kg}"),
        ("{call: {weigh: {item: x}}}", "with: {unit: kg}", "needs_approval: true, with: {unit: kg}"),
        ("{call: ask}", "guide: {model: m", "guide: {tool_use_behavior: stop_on_first_tool, model: m"),
        ("{call: [{show: {name: x}}, ask]}", "", ""),
        ("[{call: {web_search: {}}}]", "", ""),
        ("[{handoff: gear}, {call: ask}]", "gear: {model: m, tools: [look]", "gear: {model: m, tools: [look, ask]"),
    ],
)
def test_a_reply_whose_last_call_may_end_the_turn_is_fine(tmp_path: Path, reply: str, old: str, new: str) -> None:
    assert [line for line in desk(tmp_path, reply, DESK.replace(old, new)) if "no step left" in line] == []


@pytest.mark.parametrize(
    ("turns", "source"),
    [
        ("{context: done, reply: x}, {agent: guide, reply: {call: {weigh: {item: x}}}}", APP),
        ("{tools: [look], reply: x}, {agent: guide, reply: {call: {weigh: {item: x}}}}", APP),
        ("{agent: guide, instructions: help, reply: {call: {weigh: {item: x}}}}", APP),
        (
            "{agent: guide, reply: {call: {weigh: {item: x}}}}",
            APP.replace("return item", "return ctx.context.call_client(item, {})"),
        ),
    ],
)
def test_a_call_that_may_change_which_turn_answers_or_end_it_itself_is_fine(
    tmp_path: Path, turns: str, source: str
) -> None:
    (tmp_path / "app.py").write_text(source)
    assert [line for line in found(tmp_path, f"turns: [{turns}]\n", DESK) if "no step left" in line] == []


SPEAKERS = """version: 1
entry: a
models: {{m: {{scripted: s.yaml}}, n: {{name: gpt-6-luna, api_key: none}}}}
chat: {{title: {title}}}
guardrails: {{calm: {{judge: {judge}, instructions: Is this polite}}}}
agents:
  a: {{model: m, instructions: {instructions}, handoffs: [b], guardrails: {{input: [calm]}}}}
  b: {{model: m, instructions: {{file: b.md}}}}
"""


@pytest.mark.parametrize(
    ("matcher", "told", "parts"),
    [
        ("titel", "(did you mean 'title'?)", {}),
        ("/^translate/", "'/^translate/'", {}),
        ("nothing like it", "'nothing like it'", {}),
        ("title", "'title'", {"title": "off"}),
        ("polite", "(did you mean 'police'?)", {"judge": "n", "instructions": "Call the police"}),
        ("translates", "(did you mean 'translate'?)", {"instructions": "'Translate for {{ user.name }}'"}),
    ],
)
def test_instructions_that_nothing_contains_are_reported(
    tmp_path: Path, matcher: str, told: str, parts: dict[str, str]
) -> None:
    (line,) = speak(tmp_path, matcher, **parts)
    assert line.startswith("s.yaml:1:24: warning A623: this turn never answers: no instructions contain")
    assert told in line


@pytest.mark.parametrize(
    ("matcher", "parts"),
    [
        ("title", {}),
        ("polite", {}),
        ("one word, yes or no", {}),
        ("/^sell/", {}),
        ("bookings", {}),
        ("anything", {"instructions": "'For {{ user.name }}'"}),
        ("anything", {"instructions": "{python: 'app:words'}"}),
    ],
)
def test_instructions_that_something_contains_or_may_contain_are_fine(
    tmp_path: Path, matcher: str, parts: dict[str, str]
) -> None:
    (tmp_path / "app.py").write_text("words = 'Say anything'\n")
    assert speak(tmp_path, matcher, **parts) == []


def speak(folder: Path, matcher: str, **parts: str) -> list[str]:
    (folder / "b.md").write_text("Take bookings.\n")
    parts = {"title": "{model: m}", "judge": "m", "instructions": "Sell tickets", **parts}
    script = f"turns: [{{instructions: {matcher!r}, reply: x}}]\notherwise: x\n"
    return found(folder, script, SPEAKERS.format(**parts))


@pytest.mark.parametrize(
    ("agent", "severity"),
    [
        ("Biling", "error"),  # like a name that exists
        ("b", "error"),  # the key; its name is 'Billing'
        ("Night shift", "warning"),  # another project may share the script
    ],
)
def test_a_turn_of_an_agent_that_nobody_is_named_is_never_reached(tmp_path: Path, agent: str, severity: str) -> None:
    [line] = found(tmp_path, f"turns: [{{agent: {agent}, reply: x}}, {{reply: y}}]\n")
    assert line.startswith(f"s.yaml:1:17: {severity} A623: no agent that answers from this script is named {agent!r}")
