"""What a change does to conversations that go on, and which changes do nothing to them."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from runtime.config.load import load_config
from runtime.json_schema.checks import narrowings
from runtime.validation.breaking_changes import check_changes

HEAD = "version: 1\n"
AGENT = "agents: {a: {model: gpt-6.1-sol}}\n"


def changes(folder: Path, old: str, new: str, **environ: str) -> list[str]:
    (folder / "old").mkdir(exist_ok=True)
    (folder / "old" / "agents.yaml").write_text(HEAD + old, encoding="utf-8")
    (folder / "agents.yaml").write_text(HEAD + new, encoding="utf-8")
    loaded = load_config(folder, environ=environ)
    assert [str(d) for d in loaded.diagnostics if d.severity == "error"] == []
    found = check_changes(loaded, folder / "old")
    return [str(d).replace(f"{folder}/", "") for d in found]


SAME: list[tuple[str, str]] = [
    (AGENT, AGENT),
    (AGENT, "agents: {a: {model: gpt-6.1-sol, instructions: More words., settings: {temperature: 0}}}\n"),
    (AGENT, "entry: a\nagents: {a: {model: gpt-6.1-sol, handoffs: [b]}, b: {model: gpt-6-astra}}\n"),
    ("models: {m: gpt-6.1-sol}\nagents: {a: {model: m}}\n", AGENT),
    (f"{AGENT}store: postgresql://me:one@db/x\n", f"{AGENT}store: postgresql://me:two@db/x\n"),
    (f"{AGENT}chat: {{history: {{items: 5}}}}\n", f"{AGENT}chat: {{history: {{items: 6}}}}\n"),
    (f"{AGENT}tools: {{t: {{client: x}}}}\n", AGENT),
    (f"{AGENT}actions: {{x: {{message: a}}}}\n", f"{AGENT}actions: {{x: {{message: b}}, y: {{message: c}}}}\n"),
]


@pytest.mark.parametrize(("old", "new"), SAME)
def test_a_change_that_no_conversation_notices_is_not_reported(tmp_path: Path, old: str, new: str) -> None:
    assert changes(tmp_path, old, new) == []


def test_a_removed_agent_is_reported_with_its_old_place_and_new_name(tmp_path: Path) -> None:
    two = (
        "entry: a\nagents:\n  a: {model: gpt-6.1-sol, handoffs: [NAME]}\n"
        "  NAME: {model: gpt-6.1-sol, instructions: Bill.}\n"
    )
    assert changes(tmp_path, two.replace("NAME", "billing"), two.replace("NAME", "accounts")) == [
        "agents.yaml:3:1: note A701: the agent 'billing' is gone (it was at old/agents.yaml:5; its threads go on with "
        "the agent that answers first; if 'accounts' is the same one, let it keep its name) [agents]"
    ]


def test_a_removed_section_is_reported_at_the_file(tmp_path: Path) -> None:
    lines = changes(tmp_path, f"actions: {{order.confirm: {{message: yes}}}}\n{AGENT}", AGENT)
    assert lines[0].startswith(
        "agents.yaml: warning A704: the action 'order.confirm' is gone (it was at old/agents.yaml:2;"
    )


TOOL = "tools: {t: {client: CLIENT, parameters: PARAMETERS}}\nagents: {a: {model: gpt-6.1-sol, tools: [t]}}\n"
FREE = "{type: object, properties: {x: {type: string}}}"
CLOSED = "{type: object, properties: {x: {type: string}}, required: [x]}"


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (AGENT, "warning A702: no agent has the tool 't' of the browser any more"),
        (
            TOOL.replace("CLIENT", "other").replace("PARAMETERS", FREE),
            "warning A702: the tool 't' calls 'other' in the",
        ),
        (
            TOOL.replace("CLIENT", "mine").replace("PARAMETERS", CLOSED),
            "warning A702: the tool 't' refuses what it took before: 'x' is required now",
        ),
    ],
)
def test_a_tool_of_the_browser_that_open_pages_do_not_know_is_reported(tmp_path: Path, new: str, expected: str) -> None:
    lines = changes(tmp_path, TOOL.replace("CLIENT", "mine").replace("PARAMETERS", FREE), new)
    assert len(lines) == 1
    assert expected in lines[0]


CARD = AGENT + "widgets: {w: {template: {type: Card}, data: DATA}}\n"
RENDERS = CARD + "actions: {w.show: {widget: w}}\n"


@pytest.mark.parametrize(("file", "severity"), [(CARD, "note"), (RENDERS, "warning")])
def test_narrower_data_matters_where_old_buttons_render_the_widget(tmp_path: Path, file: str, severity: str) -> None:
    lines = changes(tmp_path, file.replace("DATA", FREE), file.replace("DATA", CLOSED))
    assert len(lines) == 1
    assert f"{severity} A703: the widget 'w' refuses what it took before: 'x' is required now" in lines[0]
    assert lines[0].endswith("[widgets.w.data]")


def test_a_schema_where_there_was_none_may_refuse(tmp_path: Path) -> None:
    text = AGENT + "actions: {x: {message: hello}}\n"
    lines = changes(tmp_path, text, text.replace("message: hello", f"message: hello, payload: {CLOSED}"))
    assert "note A704: the action 'x' may refuse what it took before: it has a schema now" in lines[0]


def test_another_store_is_reported_without_its_password(tmp_path: Path) -> None:
    lines = changes(
        tmp_path, f"{AGENT}store: postgresql://me:hunter2@old/x\n", f"{AGENT}store: '${{URL}}'\n", URL="memory"
    )
    assert len(lines) == 1
    assert "warning A705: the threads are kept in 'memory', and no longer in 'postgresql://me:***@old/x'" in lines[0]
    assert lines[0].endswith("it was at old/agents.yaml:3) [store]")


def test_another_path_lower_limits_and_less_history_are_reported(tmp_path: Path) -> None:
    history = "chat: {history: {tokens: 500, tool_results: false}}\n"
    summed_up = "chat: {history: {summary: gpt-6-luna}}\n"
    lines = changes(tmp_path, AGENT + summed_up, f"{AGENT}server: {{path: /ask}}\nlimits: {{body: 1KiB}}\n{history}")
    assert [line.split(": ")[1] for line in lines] == ["warning A705", "warning A708", *["note A708"] * 3]


def test_a_declared_model_that_changes_is_reported_once(tmp_path: Path) -> None:
    file = "entry: a\nmodels: {m: NAME}\nagents: {a: {model: m, handoffs: [b]}, b: {model: m}}\n"
    lines = changes(tmp_path, file.replace("NAME", "gpt-6.1-sol"), file.replace("NAME", "gpt-6-astra"))
    assert [line.partition(" (")[0] for line in lines] == [
        "agents.yaml:3:13: note A707: the model 'm' is 'gpt-6-astra', and no longer 'gpt-6.1-sol'"
    ]


def test_a_base_that_is_not_there_or_wrong_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text(HEAD + AGENT, encoding="utf-8")
    loaded = load_config(tmp_path, environ={})
    gone = check_changes(loaded, tmp_path / "nowhere.yaml")
    assert [(d.code, d.severity) for d in gone] == [("A709", "error")]
    (tmp_path / "wrong.yaml").write_text(
        "version: 1\nagents: {a: {modle: hunter2-secret}}\nadmin: {token: hunter2-secret}\n"
    )
    wrong = check_changes(loaded, tmp_path / "wrong.yaml")
    assert "line 2: unknown key 'modle'" in wrong[0].message
    assert "hunter2" not in str(wrong[0])


def test_a_project_with_errors_is_not_compared(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text("version: 1\n", encoding="utf-8")
    assert check_changes(load_config(tmp_path, environ={}), tmp_path / "nowhere.yaml") == []


OBJECT = {"type": "object", "properties": {"x": {"type": "string"}}}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (OBJECT, {**OBJECT, "required": ["x"]}, "'x' is required now"),
        (OBJECT, {**OBJECT, "additionalProperties": False}, "it accepts no other properties now"),
        (
            {**OBJECT, "additionalProperties": False},
            {"type": "object", "properties": {}, "additionalProperties": False},
            "'x' is not accepted any more",
        ),
        ({"type": ["string", "null"]}, {"type": "string"}, "it is no longer null"),
        ({"type": "number"}, {"type": "integer"}, "it is no longer number"),
        ({"enum": ["a", "b"]}, {"enum": ["a"]}, "it can't be 'b' any more"),
        ({"type": "string"}, {"type": "string", "enum": ["a"]}, "it can only be 'a' now"),
        ({"type": "string"}, {"type": "string", "maxLength": 5}, "it has the 'maxLength' 5 now"),
        ({"maxLength": 9}, {"maxLength": 5}, "it has the 'maxLength' 5 now"),
        ({"minimum": 1}, {"minimum": 2}, "it has the 'minimum' 2 now"),
        ({"items": {"type": "number"}}, {"items": {"type": "string"}}, "'[]' is no longer integer or number"),
        (
            {"properties": {"y": {"properties": {"z": {"enum": [1, 2]}}}}},
            {"properties": {"y": {"properties": {"z": {"const": 1}}}}},
            "'y.z' can't be 2 any more",
        ),
        ({"type": "string"}, {"type": "string", "pattern": "a"}, "it has another 'pattern'"),
    ],
)
def test_what_a_schema_refuses_that_it_let_through_is_found(old: Any, new: Any, expected: str) -> None:
    assert [str(found) for found in narrowings(old, new)] == [expected]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (OBJECT, OBJECT),
        (OBJECT, None),
        (None, None),
        ({**OBJECT, "required": ["x"]}, OBJECT),
        ({**OBJECT, "additionalProperties": False}, {**OBJECT, "properties": {"x": {}, "y": {"type": "string"}}}),
        ({"type": "integer"}, {"type": "number"}),
        ({"enum": ["a"]}, {"enum": ["a", "b"]}),
        ({"enum": ["a"]}, {}),
        ({"maxLength": 5}, {"maxLength": 9}),
        ({"minimum": 2}, {"minimum": 1}),
        ({"type": "string", "pattern": "a", "description": "x"}, {"type": "string", "description": "y"}),
    ],
)
def test_a_schema_that_lets_as_much_through_is_no_change(old: Any, new: Any) -> None:
    assert list(narrowings(old, new)) == []


def test_a_base_outside_of_the_project_names_files_of_the_project(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "prompts").mkdir(parents=True)
    (project / "prompts" / "guide.md").write_text("Guide.", encoding="utf-8")
    text = "version: 1\nagents:\n  guide: {model: m, instructions: {file: prompts/guide.md}}\n"
    (project / "agents.yaml").write_text(text, encoding="utf-8")
    before = tmp_path / "before.yaml"
    before.write_text(text + "  clerk: {model: m}\nentry: guide\n", encoding="utf-8")
    found = check_changes(load_config(project, environ={}), before)
    assert [each.code for each in found] == ["A701"]
    assert "'clerk'" in found[0].message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_base_may_be_a_pipe(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text("version: 1\nagents: {guide: {model: m}}\n", encoding="utf-8")
    pipe = tmp_path / "base"
    os.mkfifo(pipe)
    text = "version: 1\nagents: {guide: {model: m}, clerk: {model: m}}\nentry: guide\n"
    writer = threading.Thread(target=pipe.write_text, args=(text,))
    writer.start()
    found = check_changes(load_config(tmp_path, environ={}), pipe)
    writer.join()
    assert [each.code for each in found] == ["A701"]
