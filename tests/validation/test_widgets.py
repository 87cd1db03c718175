"""What `validate` says of widgets, each mistake at its place; and that its errors are exactly those of the build."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.assemble.widgets import WidgetError, build_widget
from runtime.config.load import load_config
from runtime.config.model.widgets import TemplateWidget
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.json_schema.samples import make_data
from runtime.validation.project import check_project


def check(folder: Path, text: str, files: dict[str, Any] | None = None) -> list[Diagnostic]:
    """Check a project with one agent, one tool that shows `card`, and what the text adds."""
    head = "version: 1\nagents: {guide: {model: gpt-6-luna, tools: [show]}}\ntools: {show: {widget: card}}\n"
    (folder / "agents.yaml").write_text(head + text, encoding="utf-8")
    for name, content in (files or {}).items():
        (folder / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    found = check_project(load_config(folder, environ={"OPENAI_API_KEY": "none"}))
    return [diagnostic for diagnostic in found if "A400" < diagnostic.code < "A500"]


def told(folder: Path, text: str, files: dict[str, Any] | None = None) -> list[str]:
    return [str(diagnostic) for diagnostic in check(folder, text, files)]


def export(template: str, schema: dict[str, Any] | None = None, sample: dict[str, Any] | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"version": "1.0", "name": "x", "template": template}
    if schema:
        made["jsonSchema"] = schema
    if sample:
        made["encodedWidget"] = base64.urlsafe_b64encode(json.dumps({"defaultState": sample}).encode()).decode()
    return made


def strings(*names: str, **more: Any) -> dict[str, Any]:
    properties = {name: {"type": "string"} for name in names}
    return {"type": "object", "properties": properties, "required": list(names), **more}


def card(*children: Any) -> dict[str, Any]:
    return {"type": "Card", "children": list(children)}


CARD = "widgets: {card: card.json}\n"


def test_every_mistake_of_a_tree_is_reported_at_once_and_at_its_place(tmp_path: Path) -> None:
    file = """{
\t"type": "Card",
\t"sise": "sm",
\t"children": [
\t\t{"type": "Txt", "value": "a"},
\t\t{"type": "Text", "size": "huge"},
\t\t{"type": "Icon", "name": "calender"},
\t\t{"type": "Text", "value": "{{ a | shout }}"},
\t\t{"$for": "x of xs", "$do": {"type": "Badge"}},
\t\t{"$fro": "x in xs", "$do": {"type": "Badge"}},
\t\t{"type": "Button", "onClickAction": {"type": "go", "hanlder": "client"}}
\t]
}
"""
    found = check(tmp_path, CARD + "actions: {go: {message: x}}\n", {"card.json": file})
    assert [(str(d.place), d.code, d.message, d.hint, d.length) for d in found] == [
        ("card.json:3:2", "A413", "'Card' has no property 'sise'", "did you mean 'size'?", 6),
        ("card.json:5:12", "A412", "there is no component 'Txt'", "did you mean 'Text'?", 5),
        ("card.json:6:3", "A415", "'Text' needs 'value'", "", 1),
        (
            "card.json:6:28",
            "A414",
            '\'size\' of \'Text\': expected "xs", "sm", "md", "lg" or "xl", got "huge"',
            "",
            6,
        ),
        (
            "card.json:7:28",
            "A414",
            "'name' of 'Icon': \"calender\" is not one of the 64 values that are allowed",
            "did you mean 'calendar'?",
            10,
        ),
        ("card.json:8:30", "A410", "the template can't be read: no filter named 'shout'", "", 1),
        ("card.json:9:12", "A410", "expected 'item in items', got \"x of xs\"", "", 9),
        ("card.json:9:30", "A415", "'Badge' needs 'label'", "", 1),
        ("card.json:10:4", "A410", "unknown directive '$fro'", "did you mean '$for'?", 6),
        ("card.json:10:30", "A415", "'Badge' needs 'label'", "", 1),
        (
            "card.json:11:54",
            "A413",
            "'Button' has no property 'onClickAction.hanlder'",
            "did you mean 'handler'?",
            9,
        ),
    ]


def test_a_mistake_in_the_text_of_an_export_is_reported_at_its_place_in_the_file(tmp_path: Path) -> None:
    text = '{"type":"Card","children":[{"type":"Txet","value":"é"},{"type":"Text","valeu":{{ b | tojson }}}]}'
    file = json.dumps(export(text, strings("b")), indent=1)
    found = check(tmp_path, "widgets: {card: card.widget}\n", {"card.widget": file})
    line = file.splitlines()[3]
    places = [(d.code, d.severity, d.place.line, line[d.place.column - 1 :][:7]) for d in found]
    assert places == [
        ("A412", "warning", 4, '\\"Txet\\'),
        ("A413", "warning", 4, r"\"valeu"),
    ]


def test_a_mistake_that_only_rendering_shows_is_reported_where_the_text_has_it(tmp_path: Path) -> None:
    text = '{"type":"Card","children":[{% if a %}{"type":"Hologram","value":{{ a | tojson }}}{% endif %}]}'
    file = json.dumps(export(text, strings("a"), {"a": "x"}))
    [found] = check(tmp_path, "widgets: {card: card.widget}\n", {"card.widget": file})
    assert (found.code, found.severity, found.message) == ("A412", "warning", "there is no component 'Hologram'")
    assert file[found.place.column - 1 :].startswith(r"\"Hologram")


def test_a_template_in_an_export_that_cant_be_read_is_reported_at_the_block_at_fault(tmp_path: Path) -> None:
    text = '{"type":"Card","children":[{"type":"Text","value":"{{ a }}{{ b | shout }}"}]}'
    file = json.dumps(export(text))
    [found] = check(tmp_path, "widgets: {card: card.widget}\n", {"card.widget": file})
    assert (found.code, found.severity) == ("A410", "error")
    assert found.message == "the template can't be read: no filter named 'shout'"
    assert file[found.place.column - 1 :].startswith("{{ b | shout")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ([], "card.json:1:1: error A411: expected an object, got [] [widgets.card]"),
        (
            {"type": "widget", "widget": [], "data": 1},
            "card.json:1:30: error A411: expected an object, got [] [widgets.card]",
        ),
        (
            {"sections": [{"type": "text", "txt": "x"}]},
            "card.json:1:32: error A411: unknown key 'txt' (did you mean 'text'?) [widgets.card]",
        ),
        (
            {"version": "2", "template": "{}"},
            'card.json:1:13: error A411: expected "1.0", got "2" [widgets.card]',
        ),
        (
            {"version": "1.0", "template": {}},
            "card.json:1:32: error A411: expected a string, got {} [widgets.card]",
        ),
        ({"sections": [{"type": "table", "rows": "x"}]}, "card.json:1:41: error A410: expected a list or a template"),
    ],
)
def test_a_malformed_file_is_reported_at_its_place(tmp_path: Path, file: Any, message: str) -> None:
    assert told(tmp_path, CARD, {"card.json": file})[0].startswith(message)


def test_the_cause_is_reported_and_not_what_follows_from_it(tmp_path: Path) -> None:
    broken = card({"type": "Text", "value": "{{ a"}, {"type": "Text", "value": "{{ b.c }}"})
    [only] = check(tmp_path, CARD, {"card.json": {"type": "widget", "widget": broken, "sample": {"b": {}}}})
    assert only.code == "A410"
    schema = "widgets: {card: {template: card.json, data: {type: objekt}, sample: {a: 1}}}\n"
    [only] = check(tmp_path, schema, {"card.json": card({"type": "Text", "value": "{{ zz }}"})})
    assert (only.code, str(only.place)) == ("A416", "agents.yaml:4:52")
    misspelt = "widgets: {card: {template: card.json, data: {properties: {a: {}}}}}\n"
    [only] = check(tmp_path, misspelt, {"card.json": card({"type": "Text", "value": "{{ aa.b }}"})})
    assert (only.code, only.severity) == ("A419", "warning")


@pytest.mark.parametrize(
    ("schema", "warning"),
    [
        ({"tpye": "object"}, "JSON Schema has no keyword 'tpye', and ignores it"),
        ({"type": "object", "nam": {"type": "string"}}, "'nam' is no keyword of JSON Schema, so it has no effect"),
        (
            {"name": {"type": "string"}},
            "these are properties, and not a JSON Schema: any data would be valid (name)",
        ),
        ({"type": "string"}, "a widget's data is an object, which this schema rejects"),
    ],
)
def test_a_schema_that_says_nothing_is_reported_once(tmp_path: Path, schema: dict[str, Any], warning: str) -> None:
    text = f"widgets: {{card: {{template: card.json, data: {json.dumps(schema)}}}}}\n"
    assert [d.message for d in check(tmp_path, text, {"card.json": card()})] == [warning]


def test_a_sample_is_reported_at_the_value_that_does_not_fit(tmp_path: Path) -> None:
    text = """widgets:
  card:
    template: card.json
    data: {properties: {a: {type: string}, b: {type: integer}, c: {}}, required: [c], additionalProperties: false}
    sample:
      a: x
      b: many
      aa: 1
"""
    assert told(tmp_path, text, {"card.json": card()}) == [
        "agents.yaml:9:7: error A417: the sample lacks 'c', which the schema requires [widgets.card.sample]",
        "agents.yaml:10:10: error A417: 'b': expected a whole number, got \"many\" [widgets.card.sample.b]",
        "agents.yaml:11:7: error A417: the data has no 'aa' [widgets.card.sample.aa]",
    ]


def test_a_sample_beside_a_template_in_its_file_is_reported_there(tmp_path: Path) -> None:
    file = {"type": "widget", "widget": card(), "data": strings("a"), "sample": {"a": 1}}
    [found] = check(tmp_path, CARD, {"card.json": file})
    text = json.dumps(file)
    assert (found.code, found.severity) == ("A417", "error")
    assert found.place.column == text.rindex("1") + 1


@pytest.mark.parametrize(
    ("text", "schema", "message"),
    [
        ("{{ 1 / n }}", {"n": {"type": "integer"}}, "zero in 'n' breaks the widget: \"{{ 1 / n }}\" divides by zero"),
        ("{{ 1 / n }}", {"n": {"type": "integer", "minimum": 1}}, ""),
        (
            "{{ {'a': 1}[k] }}",
            {"k": {"type": "string"}},
            "with data that fits its schema, the widget can't be rendered",
        ),
        ("{{ {'a': 1}[k] }}", {"k": {"enum": ["a"]}}, ""),
        ("{{ xs[0].b }}", {"xs": {"items": strings("b")}}, "an empty list in 'xs' breaks the widget"),
        ("{{ o.b }}", {"o": {"anyOf": [{"type": "null"}, strings("b")]}}, "without 'o', the widget can't be rendered"),
        ("{{ o.b if o else '' }}", {"o": {"anyOf": [{"type": "null"}, strings("b")]}}, ""),
        ("{{ s[0] }}", {"s": {"type": "string", "minLength": 1}}, ""),
    ],
)
def test_data_that_the_schema_allows_and_the_template_does_not_expect_is_a_warning(
    tmp_path: Path, text: str, schema: dict[str, Any], message: str
) -> None:
    required = [name for name in schema if name != "o"]
    data = json.dumps({"type": "object", "properties": schema, "required": required})
    lines = told(
        tmp_path,
        f"widgets: {{card: {{template: card.json, data: {data}}}}}\n",
        {"card.json": card({"type": "Text", "value": text})},
    )
    assert any(message in line and "warning A420" in line for line in lines) if message else lines == []


QUOTED = '{"type":"Card","children":[{% if a %}{"type":"Text","value":"{{ a }}"},{% endif %}{"type":"Divider"}]}'


def test_a_quote_that_breaks_an_export_is_reported_with_the_way_out(tmp_path: Path) -> None:
    file = json.dumps(export(QUOTED, strings("a")))
    [found] = check(tmp_path, "widgets: {card: card.widget}\n", {"card.widget": file})
    assert (found.code, found.severity) == ("A420", "warning")
    assert found.message == "a quote in 'a' breaks the template's JSON"
    assert found.hint == "write `{{ name | tojson }}` without quotes around it"


def test_an_export_that_does_not_ask_whether_optional_data_is_there_is_a_warning(tmp_path: Path) -> None:
    file = export(QUOTED.replace('"{{ a }}"', "{{ a | tojson }}"), {"properties": {"a": {"type": "string"}}})
    [found] = check(tmp_path, "widgets: {card: card.widget}\n", {"card.widget": file})
    assert found.message == "without 'a', the widget can't be rendered: 'a' is not in the data"
    asks = export(file["template"].replace("if a", "if a is defined"), {"properties": {"a": {"type": "string"}}})
    assert check(tmp_path, "widgets: {card: card.widget}\n", {"card.widget": asks}) == []


def test_data_that_becomes_structure_is_found_where_the_json_stays_whole(tmp_path: Path) -> None:
    shown = "a[a.find('\",'):] if '\",' in a else ''"
    text = f'{{"type":"Card","children":[{{"type":"Text","value":"{{{{ {shown} }}}}"}}{{% if a %}}{{% endif %}}]}}'
    [found] = check(tmp_path, "widgets: {card: card.widget}\n", {"card.widget": export(text, strings("a"))})
    assert found.message == "JSON in 'a' breaks the widget: text of the data becomes a part of the widget"


ACTIONS = """widgets:
  card:
    template:
      type: Card
      confirm: {label: OK, action: {type: confirmed}}
      children:
        - {type: Button, onClickAction: {type: go.clinet, handler: client}}
        - {type: Button, onClickAction: {type: "{{ kind }}"}}
        - $if: kind
          $then: {type: Button, onClickAction: {type: went, payload: {type: lost, onClickAction: {type: lost}}}}
"""


def test_every_action_that_the_server_must_handle_is_declared(tmp_path: Path) -> None:
    assert told(tmp_path, ACTIONS + "actions: {confirm: {message: x}}\n") == [
        "agents.yaml:8:43: error A422: nothing handles the action 'confirmed': the server rejects a click on it"
        " (did you mean 'confirm'?) [widgets.card.template.confirm.action]",
        "agents.yaml:13:55: warning A422: nothing handles the action 'went': the server rejects a click on it"
        " (declare it in 'actions', or write 'handler: client')"
        " [widgets.card.template.children[2].$then.onClickAction]",
    ]


def test_an_action_in_an_export_that_is_no_tree_is_found_in_its_text(tmp_path: Path) -> None:
    text = (
        '{"type":"Card","children":[{% if a %}{"type":"Button","onClickAction":{"type":"a.go","handler":"client"}},'
        '{% endif %}{"type":"Button","onClickAction":{"type":"b.go","payload":{"a":{{ a | tojson }}}}}]}'
    )
    file = json.dumps(export(text, strings("a")))
    [found] = check(tmp_path, "widgets: {card: card.widget}\n", {"card.widget": file})
    assert found.message == "nothing handles the action 'b.go': the server rejects a click on it"
    assert file[found.place.column - 1 :].startswith('\\"b.go')


def test_a_dead_button_is_an_error_where_the_widget_is_shown_and_no_condition_decides_about_it(tmp_path: Path) -> None:
    text = """widgets:
  {name}:
    template:
      type: Card
      children:
        - {{type: Button, onClickAction: {{type: a.go}}}}
        - {{$for: x in xs, $do: {{type: Button, onClickAction: {{type: b.go}}}}}}
        - {{$if: x, $then: {{type: Button, onClickAction: {{type: c.go}}}}}}
  card: {{template: {{type: Card, children: []}}}}
"""
    said = [found.severity for found in check(tmp_path, text.format(name="other")) if found.code == "A422"]
    assert said == ["warning"] * 3
    (tmp_path / "tools.py").write_text("def show(): return widget('other')\n", encoding="utf-8")
    said = [found.severity for found in check(tmp_path, text.format(name="other")) if found.code == "A422"]
    assert said == ["error", "error", "warning"]


def test_an_export_that_the_server_refuses_whatever_its_data_is_an_error(tmp_path: Path) -> None:
    wrong = [
        '{"type":"Card","children":[null,{"type":"Text","value":{{ a }}}]}',
        '{"type":"Card","children":[{"typ":"Text","value":"x"},{% if a %}{"type":"Divider"}{% endif %}]}',
        '{"type":"Card","children":[{"type":"Button","onClickAction":{"type":null}}]}',
        '{"type":"Card","children":[{"type":"Button","key":7}]}',
        '{"type":"Crad","size":{% if a %}"sm"{% else %}"md"{% endif %},"children":[]}',
    ]
    may_work = [
        '{"type":"Card","children":[{% if a %}7{% endif %}]}',
        '{"type":"Card","children":{{ a }}}',
        '{"type":"{{ a }}","children":[]}',
        '{ {% if a %}"type":"Card",{% endif %}"children":[]}',
        '{"type":"Card","children":[{"type":"Hologram","size":"huge"}]}',
        '{"type":"Card","children":[{"type":"Button","onClickAction":{"type":null,"handler":"client"}}]}',
    ]
    for template in (*wrong, *may_work):
        found = check(tmp_path, "widgets: {card: card.json}\n", {"card.json": export(template, strings("a"))})
        assert any(diagnostic.severity == "error" for diagnostic in found) == (template in wrong), template


@pytest.mark.parametrize(
    ("template", "is_certain"),
    [
        ("{{ b }}", True),
        ("{{ b.c | tojson }}", True),
        ("{% for x in b %}{% endfor %}", True),
        ("{{ 'x' ~ b.upper() }}", True),
        ("{% if a %}{{ b }}{% endif %}", False),
        ("{{ b if a else a }}", False),
        ("{{ a or b }}", False),
        ("{{ b | default('x') }}", False),
        ("{{ [b] }}", False),
    ],
)
def test_a_name_that_an_export_always_reads_and_never_has_is_an_error(
    tmp_path: Path, template: str, is_certain: bool
) -> None:
    text = f'{{"type":"Card","children":[{{"type":"Text","value":"{template}"}}]}}'
    for closed in (True, False):
        schema = strings("a", additionalProperties=not closed)
        found = check(tmp_path, "widgets: {card: card.json}\n", {"card.json": export(text, schema)})
        is_error = any(diagnostic.severity == "error" for diagnostic in found)
        assert is_error == (is_certain and closed), found


@pytest.mark.parametrize(
    ("schema", "severities"),
    [
        (strings("a", required=["b"], additionalProperties=False), ["error"]),
        (strings("a", required=["b"]), []),
        (strings("a", required=["b"], additionalProperties=False, patternProperties={"b": {}}), []),
        (strings("a", properties={"a": strings(required=["b"], additionalProperties=False)}), ["error"]),
        (strings("a", properties={"a": strings(required=["b"], additionalProperties=False)}, required=[]), ["warning"]),
        (strings("a", properties={"a": {"items": strings(required=["b"], additionalProperties=False)}}), ["warning"]),
    ],
)
def test_a_schema_that_requires_what_it_refuses_is_reported_once(
    tmp_path: Path, schema: dict[str, Any], severities: list[str]
) -> None:
    more = {"template": card(), "data": schema}
    found = check(tmp_path, f"widgets: {json.dumps({'card': more})}\n")
    assert [(diagnostic.code, diagnostic.severity) for diagnostic in found] == [("A416", each) for each in severities]


PAYLOAD = (
    "{type: object, properties: {id: {type: integer}, by: {enum: [a, b]}}, required: [id], additionalProperties: false}"
)


@pytest.mark.parametrize(
    ("payload", "messages"),
    [
        ("{id: 7, by: a}", []),
        ('{id: "{{ id }}", by: "{{ by }}"}', []),
        (
            "{id: seven, by: c}",
            ["rejects this 'id': expected integer, got 'seven'", "rejects this 'by': 'c' is not one of"],
        ),
        ("{idd: 7}", ["needs 'id' in its payload", "takes no 'idd' in its payload"]),
        ('"{{ all }}"', []),
    ],
)
def test_a_payload_is_held_against_what_the_action_takes(tmp_path: Path, payload: str, messages: list[str]) -> None:
    button = f"{{type: Button, onClickAction: {{type: go, payload: {payload}}}}}"
    text = f"widgets: {{card: {{template: {{type: Card, children: [{button}]}}}}}}\n"
    found = check(tmp_path, text + f"actions: {{go: {{message: x, payload: {PAYLOAD}}}}}\n")
    assert {d.code for d in found} <= {"A425"}
    assert len(found) == len(messages)
    assert all(any(message in d.message for d in found) for message in messages)


def test_the_inputs_of_a_form_are_part_of_its_payload(tmp_path: Path) -> None:
    text = """widgets:
  card:
    template:
      type: Card
      children:
        - type: Form
          onSubmitAction: {type: go}
          children: [{type: Input, name: id}]
"""
    assert check(tmp_path, text + f"actions: {{go: {{message: x, payload: {PAYLOAD}}}}}\n") == []


def test_an_action_that_shows_a_widget_needs_that_widgets_data(tmp_path: Path) -> None:
    text = """widgets:
  card:
    template: {type: Card, children: [{type: Button, onClickAction: {type: go, payload: {nam: x}}}]}
    data: {type: object, properties: {name: {type: string}}, required: [name], additionalProperties: false}
actions: {go: {widget: card}}
"""
    assert [d.message for d in check(tmp_path, text)] == [
        "the action 'go' needs 'name' in its payload",
        "the action 'go' takes no 'nam' in its payload",
    ]


@pytest.mark.parametrize(
    ("action", "payload", "messages"),
    [
        ('{message: "{{ payload.name }}"}', "{name: x}", []),
        ('{message: "{{ payload.name }}"}', "{nam: x}", ["reads 'payload.name', which this payload lacks"]),
        ('{message: "{{ payload.name }}"}', "null", ["reads 'payload.name', which this payload lacks"]),
        ('{message: "{{ payload.name }}"}', '"{{ all }}"', []),
        ("{message: \"{{ payload.name | default('x') }} {{ payload.items }}\"}", "{}", []),
        ('{message: "{% if payload.a %}{{ payload.b }}{% endif %}"}', "{a: 1}", []),
        ('{effect: x, data: {a: ["{{ payload.name | upper }}"]}}', "{}", ["reads 'payload.name'"]),
        ("{widget: card}", "7", ["expected an object, got 7"]),
    ],
)
def test_a_payload_has_what_the_actions_texts_read(
    tmp_path: Path, action: str, payload: str, messages: list[str]
) -> None:
    button = f"{{type: Button, onClickAction: {{type: go, payload: {payload}}}}}"
    text = f"widgets: {{card: {{template: {{type: Card, children: [{button}]}}}}}}\nactions: {{go: {action}}}\n"
    found = check(tmp_path, text)
    assert [(each.code, each.severity) for each in found] == [("A425", "error")] * len(messages)
    assert all(message in each.message for message, each in zip(messages, found, strict=True))


def test_an_input_that_may_be_there_keeps_a_payload_from_lacking_anything(tmp_path: Path) -> None:
    text = (
        '{"type":"Card","children":[{% if a %}{"type":"Input","name":"name"}{% endif %},'
        '{"type":"Button","label":"x","onClickAction":{"type":"go"}}]}'
    )
    config = 'widgets: {card: card.json}\nactions: {go: {message: "{{ payload.name }}"}}\n'
    assert "A425" not in {found.code for found in check(tmp_path, config, {"card.json": export(text, strings("a"))})}


UNUSED = "widgets: {card: card.json, other: card.json}\nactions: {never.sent: {message: x}}\n"


def test_what_nothing_shows_or_sends_is_reported_unless_the_projects_files_name_it(tmp_path: Path) -> None:
    found = check(tmp_path, UNUSED, {"card.json": card()})
    assert [(d.code, d.severity) for d in found] == [("A424", "warning"), ("A423", "note")]
    (tmp_path / "show.py").write_text("widget(f'{kind}_card')\n", encoding="utf-8")
    assert [(d.code, d.severity) for d in check(tmp_path, UNUSED)] == [("A424", "note"), ("A423", "note")]
    (tmp_path / "show.py").write_text("show_widget('other')\n", encoding="utf-8")
    (tmp_path / "page.html").write_text("sendCustomAction({type: 'never.sent'})\n", encoding="utf-8")
    assert check(tmp_path, UNUSED) == []


def test_a_widget_that_with_names_is_shown_by_the_code_that_gets_the_name(tmp_path: Path) -> None:
    text = "widgets: {card: card.json, other: card.json, last: card.json}\n"
    text += "state: {s: {python: 'app:S', with: {shown: %s}}}\n"
    files = {"card.json": card(), "app.py": "class S:\n    def __init__(self, shown): ...\n"}
    for name, unused in (("other", "last"), ("last", "other")):
        assert [each.path for each in check(tmp_path, text % name, files)] == [f"widgets.{unused}"]


def test_a_file_that_several_entries_name_is_checked_once(tmp_path: Path) -> None:
    files = {"card.json": card({"type": "Txt"})}
    found = check(tmp_path, "widgets: {card: card.json}\nactions: {go: {widget: card.json}}\n", files)
    assert [d.code for d in found if d.severity != "note"] == ["A412"]


def test_an_adversarial_project_is_checked_in_a_few_seconds_and_leaves_no_process(tmp_path: Path) -> None:
    bombs = ["{{ 9 ** (9 ** 9) }}", "{{ 'a' * 10 ** 10 }}"]
    widgets = {f"w{index}": {"template": card({"type": "Text", "value": bomb})} for index, bomb in enumerate(bombs)}
    start, before = os.times(), children()
    found = check(tmp_path, f"widgets: {json.dumps({'card': {'template': card()}, **widgets})}\n")
    assert [d.severity for d in found if d.code == "A421"] == ["error", "error"]
    end = os.times()
    assert end.children_user + end.children_system - start.children_user - start.children_system < 20
    assert children() <= before


def children() -> set[str]:
    """The processes that this one has started and not yet waited for."""
    files = Path("/proc/self/task").glob("*/children")
    return {number for file in files for number in file.read_text().split()}


def test_a_widget_that_waits_for_a_variable_is_not_tried(tmp_path: Path) -> None:
    text = 'widgets: {card: {template: {type: Card, size: "${SIZE}", children: []}, sample: {a: "${A}"}}}\n'
    assert check(tmp_path, text) == []


def test_a_project_without_widgets_pays_nothing_for_them(tmp_path: Path) -> None:
    (tmp_path / "agents.yaml").write_text("version: 1\nagents: {a: {model: gpt-6-luna}}\n", encoding="utf-8")
    code = (
        "import sys; from pathlib import Path; from runtime.validation.project import check_project\n"
        "from runtime.config.load import load_config; check_project(load_config(Path(sys.argv[1])))\n"
        "print([m for m in ('jsonschema', 'jinja2', 'multiprocessing', 'subprocess', 'runtime.widgets.sandbox')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


SAMPLES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (card(), {}),
    (card({"type": "Text", "value": "{{ a }}"}), {"sample": {"a": 1}}),
    (card({"type": "Text", "value": "{{ a }}"}), {"sample": {}}),
    (card({"type": "Text", "value": "{{ a }}"}), {"data": strings("a"), "sample": {"a": "x"}}),
    (card({"type": "Text", "value": "{{ a }}"}), {"data": strings("b"), "sample": {"b": "x"}}),
    (card({"type": "Text", "value": "{{ a }}"}), {"data": strings("b", additionalProperties=False)}),
    (card({"type": "Text", "value": "x", "size": "{{ a }}"}), {"sample": {"a": "huge"}}),
    (card({"type": "Text", "value": "x", "size": "{{ a }}"}), {"sample": {"a": "sm"}}),
    (card({"type": "{{ a }}"}), {"sample": {"a": "Divider"}}),
    (card({"type": "{{ a }}"}), {"sample": {"a": "Divder"}}),
    (card({"$for": "a in as", "$do": {"type": "Text", "value": "{{ a }}"}}), {"sample": {"as": [1, None]}}),
    (card({"$for": "a in as", "$do": {"type": "Text", "value": "{{ a }}"}}), {"sample": {"as": 3}}),
    (card({"$if": "a", "$do": {"type": "Divider"}}), {}),
    ({"type": "Box", "children": []}, {}),
    ({"type": "ListView", "children": [{"type": "Text", "value": "x"}]}, {}),
    (card(), {"copy_text": "{{ a"}),
    (card(), {"copy_text": "{{ a.b }}", "sample": {"a": {}}}),
    (card(), {"data": {"type": "objekt"}}),
    (card(), {"data": {"properties": {"a": {"$ref": "#/$defs/none"}}}, "sample": {"a": 1}}),
    (card(), {"data": {"properties": {"a": {"$ref": "https://example.com/x"}}}, "sample": {"a": 1}}),
    ({"sections": [{"type": "text", "text": "{{ a }}"}]}, {"sample": {"a": "x"}}),
    ({"sections": [{"type": "table", "rows": "{{ a }}"}]}, {"sample": {"a": "x"}}),
    ({"sections": [{"type": "table", "rows": "a"}]}, {}),
    ({"sections": []}, {}),
    ({"type": "widget", "widget": card(), "sample": {}, "data": strings("a")}, {}),
    ({"type": "widget", "widget": card(), "sampel": {}}, {}),
    (export(QUOTED, strings("a")), {"sample": {"a": "x"}}),
    (export(QUOTED, strings("a")), {"sample": {"a": '"'}}),
    (export(QUOTED, strings("a")), {"sample": {"b": "x"}}),
    (export(QUOTED, strings("a"), {"a": 7}), {}),
    (export('{"type":"Card","children":[{"type":"Hologram"}]}'), {}),
    (export('{"type":"Card","children":[{"type":"Hologram"}]}'), {"sample": {"a": 1}}),
    (export('{"type":"Card","children":[{% if a %}]}'), {}),
    (export('{"type":"Card","children":[7, {{ a }}]}', strings("a")), {}),
    (export('{"children":[]}'), {}),
    (export('{"type":"Card","children":[{{ b }}]}', strings("a", additionalProperties=False)), {}),
    (export('{"type":"Card","children":[]}', strings(required=["a"], additionalProperties=False)), {}),
    (export("no JSON"), {"sample": {"a": 1}}),
    (export("[]"), {"sample": {"a": 1}}),
]


@pytest.mark.parametrize(("template", "more"), SAMPLES)
def test_what_the_build_refuses_is_an_error_and_what_it_takes_only_when_it_comes_to_nothing(
    tmp_path: Path, template: dict[str, Any], more: dict[str, Any]
) -> None:
    text = f"widgets: {json.dumps({'card': {'template': 'card.json', **more}})}\n"
    found = check(tmp_path, text, {"card.json": template})
    hold_against_the_build(tmp_path, more, found)


def hold_against_the_build(folder: Path, more: dict[str, Any], found: list[Diagnostic]) -> None:
    """Compare the errors with the build: all that it refuses, and besides only widgets that no data makes work."""
    errors = [str(each) for each in found if each.severity == "error" and each.code not in ("A422", "A425")]
    if said := refused(folder, more):
        assert errors, said
    else:
        assert not errors or comes_to_nothing(folder, more), errors


def refused(folder: Path, more: dict[str, Any]) -> str:
    """Say why the build refuses the widget; empty where it builds."""
    files = load_config(folder, environ={}).files
    try:
        build_widget("card", TemplateWidget(template="card.json", **more), files, lambda path: path)
    except WidgetError as error:
        return str(error)
    return ""


def comes_to_nothing(folder: Path, more: dict[str, Any]) -> bool:
    """Return whether no data makes a widget, or only one with a click that has no action."""
    files = load_config(folder, environ={}).files
    widget = build_widget("card", TemplateWidget(template="card.json", **more), files, lambda path: path)
    try:
        shown = widget.render(make_data(widget.data_schema) if widget.data_schema else {})
    except WidgetError:
        return True
    return any(not isinstance(action.get("type"), str) for action in clicks(shown.model_dump(mode="json")))


def clicks(node: Any) -> Iterator[dict[str, Any]]:
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if str(key).endswith("Action") and isinstance(value, dict):
            yield value
        yield from clicks(value)


COMPONENTS = "chat: {components: {acme-map: /map.html}}\n"


def test_a_misspelt_component_of_ones_own_is_found_in_every_form_of_a_template(tmp_path: Path) -> None:
    tree = card({"type": "Row", "children": [{"type": "acme-mpa"}]})
    inline = f"widgets: {{card: {{template: {json.dumps(tree)}}}}}\n{COMPONENTS}"
    forms: list[tuple[str, dict[str, Any]]] = [
        (inline, {}),
        (CARD + COMPONENTS, {"card.json": tree}),
        (f"widgets: {{card: card.widget}}\n{COMPONENTS}", {"card.widget": export(json.dumps(tree))}),
    ]
    for text, files in forms:
        (diagnostic,) = check(tmp_path, text, files)
        assert (diagnostic.code, diagnostic.severity) == ("A412", "warning")
        assert "'chat.components' does not declare 'acme-mpa' (did you mean 'acme-map'?" in str(diagnostic)
        assert diagnostic.length == len('"acme-mpa"')


def test_a_component_of_ones_own_whose_type_is_computed_is_found_with_the_sample(tmp_path: Path) -> None:
    template = '{"type": "Card", "children": [{"type": "acme-{{ kind }}"}]}'
    for kind, mistakes in (("map", 0), ("mpa", 1)):
        file = export(template, strings("kind"))
        text = f"widgets: {{card: {{template: card.widget, sample: {{kind: {kind}}}}}}}\n{COMPONENTS}"
        found = [each for each in check(tmp_path, text, {"card.widget": file}) if each.code == "A412"]
        assert [(each.severity, "with the sample, 'chat.components'" in each.message) for each in found] == [
            ("warning", True)
        ] * mistakes


@pytest.mark.parametrize(
    "components",
    [
        "chat: {components: {acme-mpa: /map.html}}\n",
        "chat: {components: {acme-mpa: {height: 90}}}\n",  # the mistake of this declaration is another
        "chat: {components: {acme-mpa: /map.html}, greting: Hello}\n",
    ],
)
def test_a_component_that_is_declared_is_not_reported_whatever_else_is_wrong(tmp_path: Path, components: str) -> None:
    tree = card({"type": "acme-mpa"})
    assert [each.code for each in check(tmp_path, CARD + components, {"card.json": tree})] == []


def test_a_component_that_only_the_pages_options_can_have_is_a_note(tmp_path: Path) -> None:
    for components in ("", COMPONENTS):
        (diagnostic,) = check(tmp_path, CARD + components, {"card.json": card({"type": "x-form"})})
        assert (diagnostic.code, diagnostic.severity) == ("A412", "note")
        assert "chat: {components: {x-form: /x-form.html}}" in diagnostic.hint
