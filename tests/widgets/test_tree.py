import datetime
import enum
import json
from pathlib import Path
from typing import Any

import pytest

from runtime.assemble.widgets import BuiltWidget, WidgetError, build_widget
from runtime.config.model.widgets import TemplateWidget
from runtime.config.project_files import ProjectFiles


def build(*children: Any, **more: Any) -> BuiltWidget:
    template = {"type": "Card", "children": list(children)}
    return build_widget(
        "card", TemplateWidget(template=template, **more), ProjectFiles(Path("project")), lambda path: path
    )


def draw(*children: Any, data: dict[str, Any]) -> list[Any]:
    shown = build(*children).render(data).model_dump(mode="json", exclude_none=True)["children"]
    assert isinstance(shown, list)
    return shown


def text(value: Any, **more: Any) -> dict[str, Any]:
    return {"type": "Text", "value": value, **more}


HOSTILE = [
    'say "hi"',
    "a\nb\\n",
    "{{ secret }}",
    "{% for %}",
    "<b>&amp;'",
    '","type":"Button',
    "\u2028",
    "${HOME}",
    "$if",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_what_stands_in_the_data_stays_data(value: str) -> None:
    nodes = [text("{{ name }}"), text("Dear {{ name }}!"), {"$for": "n in names", "$do": text("{{ n }}")}]
    shown = draw(*nodes, data={"name": value, "names": [value]})
    assert shown == [text(value), text(f"Dear {value}!"), text(value)]


def test_a_lone_expression_keeps_its_type_where_the_component_takes_it() -> None:
    shown = draw(
        text("x", maxLines="{{ lines }}", truncate="{{ lines > 1 }}"),
        {"type": "Button", "onClickAction": {"type": "go", "payload": "{{ order }}"}},
        data={"lines": 2, "order": {"id": 7, "lines": [1.5, None, True]}},
    )
    assert shown[0] == text("x", maxLines=2, truncate=True)
    assert shown[1]["onClickAction"]["payload"] == {"id": 7, "lines": [1.5, True]}


def test_a_number_becomes_text_where_the_component_takes_text_alone() -> None:
    shown = draw(
        text("{{ count }}", key="{{ count }}"),
        {"type": "Badge", "label": "{{ ratio }}"},
        text("{{ done }}"),
        text("{{ count * 2 }}"),
        data={"count": 3, "ratio": 0.5, "done": True},
    )
    assert shown == [text("3", key="3"), {"type": "Badge", "label": "0.5"}, text("true"), text("6")]


def test_a_list_is_repeated_and_the_loop_is_known() -> None:
    line = text("{{ loop.index }}/{{ loop.length }} {{ line.name }}{{ '' if loop.last else ',' }}")
    shown = draw({"$for": "line in lines", "$do": line}, data={"lines": [{"name": "a"}, {"name": "b"}]})
    assert shown == [text("1/2 a,"), text("2/2 b")]


def test_a_loop_may_add_several_nodes_and_stand_in_another() -> None:
    inner = {"$for": "cell in row", "$do": text("{{ cell }}")}
    shown = draw({"$for": "row in rows", "$do": [{"type": "Divider"}, inner]}, data={"rows": [["a", "b"], []]})
    assert shown == [{"type": "Divider"}, text("a"), text("b"), {"type": "Divider"}]


def test_an_object_is_repeated_by_two_names() -> None:
    shown = draw(
        {"$for": "key, value in facts", "$do": text("{{ key }}={{ value }}")}, data={"facts": {"a": 1, "b": 2}}
    )
    assert shown == [text("a=1"), text("b=2")]
    shown = draw({"$for": "key, value in facts", "$do": text("{{ key }}={{ value }}")}, data={"facts": [["a", 1]]})
    assert shown == [text("a=1")]


def test_a_field_named_like_a_method_can_be_repeated() -> None:
    shown = draw({"$for": "item in order.items", "$do": text("{{ item }}")}, data={"order": {"items": ["a"]}})
    assert shown == [text("a")]


def test_a_condition_chooses_and_leaves_nothing_behind() -> None:
    node = {"$if": "n > 1", "$then": text("many"), "$else": [text("few"), text("only")]}
    assert draw(node, data={"n": 2}) == [text("many")]
    assert draw(node, data={"n": 1}) == [text("few"), text("only")]
    assert draw({"$if": "n", "$then": text("some")}, None, text("end"), data={"n": 0}) == [text("end")]


def test_a_directive_may_be_the_value_of_a_key() -> None:
    node = {
        "type": "Select",
        "name": "size",
        "options": {"$for": "s in sizes", "$do": {"value": "{{ s }}", "label": "Size {{ s }}"}},
        "placeholder": {"$if": "hint", "$then": "{{ hint }}"},
        "disabled": {"$if": "sizes", "$then": False, "$else": True},
    }
    options = [{"value": "s", "label": "Size s"}]
    shown = draw(node, data={"sizes": ["s"], "hint": ""})
    assert shown == [{"type": "Select", "name": "size", "options": options, "disabled": False}]
    shown = draw(node, data={"sizes": [], "hint": "Pick"})
    assert shown == [{"type": "Select", "name": "size", "options": [], "placeholder": "Pick", "disabled": True}]


SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "note": {"type": "string"}, "size": {"type": "string", "default": "sm"}},
    "required": ["id"],
    "additionalProperties": False,
}


def test_a_declared_property_that_the_data_leaves_out_is_its_default_or_null() -> None:
    widget = build(text("{{ id }}", size="{{ size }}"), {"$if": "note", "$then": text("{{ note }}")}, data=SCHEMA)
    shown = widget.render({"id": "a"}).model_dump(exclude_none=True)["children"]
    assert shown == [text("a", size="sm")]
    shown = widget.render({"id": "a", "note": "n", "size": "lg"}).model_dump(exclude_none=True)["children"]
    assert shown == [text("a", size="lg"), text("n")]


def test_rendering_twice_shares_nothing_with_the_data_or_each_other() -> None:
    data = {"payload": {"a": [1]}}
    widget = build({"type": "Button", "onClickAction": {"type": "go", "payload": "{{ payload }}"}})
    first, second = widget.render(data), widget.render(data)
    first.children[0].onClickAction["payload"]["a"].append(2)  # type: ignore[union-attr, index]  # a Card's list
    assert data == {"payload": {"a": [1]}}
    assert second.children[0].onClickAction["payload"] == {"a": [1]}  # type: ignore[union-attr, index]  # a Card's list


class Color(enum.Enum):
    RED = "red"


def test_values_of_python_tools_are_written_as_json() -> None:
    values = {"day": datetime.date(2030, 1, 2), "color": Color.RED, "pair": (1, 2), "safe": "{{ '<' | e }}"}
    node = {"type": "Button", "onClickAction": {"type": "go", "payload": {key: f"{{{{ {key} }}}}" for key in values}}}
    (shown,) = draw(node, text("{{ words | map('upper') | join(' ') }}"), data={**values, "words": ["a"]})[:1]
    expected = {"day": "2030-01-02", "color": "red", "pair": [1, 2], "safe": "{{ '<' | e }}"}
    assert shown["onClickAction"]["payload"] == expected
    with pytest.raises(WidgetError, match="expected a value of JSON, got something that is not JSON"):
        draw(text("{{ x }}"), data={"x": object()})


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"$fro": "x in y", "$do": {}}, "children[0].$fro: unknown directive '$fro' (did you mean '$for'?)"),
        ({"$for": "x of y", "$do": {}}, "children[0].$for: expected 'item in items', got \"x of y\""),
        ({"$for": 3, "$do": {}}, "children[0].$for: expected 'item in items', got 3"),
        ({"$for": "x in y"}, "children[0]: '$do' is missing beside '$for'"),
        ({"$if": "x"}, "children[0]: '$then' is missing beside '$if'"),
        (
            {"$if": "x", "$then": {}, "$els": {}},
            "children[0].$els: unknown key '$els' beside '$if' (did you mean '$else'?)",
        ),
        ({"$if": "{{ x }}", "$then": {}}, 'children[0].$if: expected an expression without braces, got "{{ x }}"'),
        ({"$if": " ", "$then": {}}, 'children[0].$if: expected an expression, got " "'),
        ({"$if": "x", "$then": text("{{ x")}, "children[0].$then.value: unexpected end of template"),
        (text("{{ x | shout }}"), "children[0].value: no filter named 'shout' in \"{{ x | shout }}\""),
        (
            {"$if": "x", "$then": {"type": "Txt"}},
            "children[0].$then.type: unknown component 'Txt' (did you mean 'Text'?)",
        ),
        ({"$for": "x in y", "$do": [text("a", siez="sm")]}, "children[0].$do[0].siez: unknown (did you mean 'size'?)"),
        (text("a", size="{{ a }}", weight="heavy"), 'children[0].weight: expected "normal", "medium", "semibold" or'),
        ("just text", 'children[0]: expected a component, got "just text"'),
    ],
)
def test_a_mistake_in_the_tree_is_found_when_it_is_built(node: Any, message: str) -> None:
    with pytest.raises(WidgetError) as caught:
        build(node)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("node", "data", "message"),
    [
        (text("{{ titel }}"), {"title": "x"}, "children[0].value: 'titel' is not in the data (did you mean 'title'?)"),
        (
            text("Hi {{ titel }}"),
            {"title": "x"},
            "children[0].value: 'titel' is not in the data (did you mean 'title'?)",
        ),
        (text("{{ a.b }}"), {"a": {}}, "children[0].value: \"{{ a.b }}\" reads 'b', which is not in the data"),
        (text("{{ a[3] }}"), {"a": []}, "children[0].value: \"{{ a[3] }}\" reads '3', which is not in the data"),
        (text("{{ a + 1 }}"), {"a": "x"}, 'children[0].value: "{{ a + 1 }}" can\'t be computed from this data'),
        (text("{{ 1 / a }}"), {"a": 0}, 'children[0].value: "{{ 1 / a }}" divides by zero'),
        (text("{{ a | map(attribute='b') | list }}"), {"a": [{}]}, 'children[0].value: "{{ a | map('),
        (text("{{ a.__class__ }}"), {"a": 1}, 'children[0].value: "{{ a.__class__ }}" does what a template must not'),
        ({"$for": "x in y", "$do": text("a")}, {"y": "abc"}, 'children[0].$for: expected a list, got "abc"'),
        ({"$for": "x in y", "$do": text("a")}, {"y": {"a": 1}}, 'children[0].$for: expected a list, got {"a": 1}'),
        (
            {"$for": "x, z in y", "$do": text("a")},
            {"y": [1]},
            "children[0].$for: expected a list of pairs, got 1 in it",
        ),
        ({"$if": "missing", "$then": text("a")}, {}, "children[0].$if: 'missing' is not in the data"),
        ("{{ x }}", {"x": "t"}, 'children[0]: expected a component, got "t"'),
        ({"type": "{{ x }}"}, {"x": 3}, "children[0].type: expected a string, got 3"),
        ({"type": "Col", "children": ["{{ x }}"]}, {"x": {}}, "children[0].children[0].type: is missing"),
    ],
)
def test_a_failure_is_reported_at_its_place_and_without_a_word_of_python(
    node: Any, data: dict[str, Any], message: str
) -> None:
    with pytest.raises(WidgetError) as caught:
        build(node).render(data)
    assert caught.value.message.startswith(message)


def test_a_name_outside_a_closed_schema_is_an_error_and_outside_an_open_one_a_warning() -> None:
    node = {"$for": "item in ids", "$do": text("{{ item }} {{ loop.index }} {{ id }}")}
    told = "children[0].$for: 'ids' is not in the data (did you mean 'id'?)"
    with pytest.raises(WidgetError) as caught:
        build(node, data=SCHEMA)
    assert caught.value.message == told
    assert build(node, data={**SCHEMA, "additionalProperties": True}).warnings == (told,)


def test_a_name_in_the_copy_text_is_held_against_the_schema_too() -> None:
    with pytest.raises(WidgetError, match=r"copy_text: 'idd' is not in the data \(did you mean 'id'\?\)"):
        build(text("x"), data=SCHEMA, copy_text="Order {{ idd }}")


def test_a_large_tree_needs_no_recompilation(tmp_path: Path) -> None:
    tree = {"type": "Card", "children": [text("{{ a }} and {{ b }}") for _ in range(100)]}
    (tmp_path / "card.json").write_text(json.dumps(tree), encoding="utf-8")
    widget = build_widget("card", TemplateWidget(template="card.json"), ProjectFiles(tmp_path), lambda path: path)
    (tmp_path / "card.json").unlink()
    shown = widget.render({"a": 1, "b": 2}).model_dump(exclude_none=True)
    assert shown["children"] == [text("1 and 2")] * 100
