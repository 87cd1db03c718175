"""Component trees that Python made: the shorthand, the wrapper, and mistakes with the path of their node."""

from __future__ import annotations

from typing import Any

import pytest
from chatkit.widgets import Card, Text

from runtime.json_schema.data import TreeError
from runtime.widgets.component_checks import check_components
from runtime.widgets.final_tree import read_tree

SECTIONS: dict[str, Any] = {
    "type": "sections",
    "title": "Oslo {{ city }}",
    "sections": [
        {"type": "table", "title": "Numbers", "rows": [{"key": "High", "value": 21.5}, {"key": "Low", "value": None}]},
        {"type": "metadata", "items": [{"key": "Source", "value": "{% if %}"}]},
        {"type": "image", "src": "https://example.com/chart.png", "alt": "Trend"},
        {"type": "text", "text": "**Note**"},
    ],
}
WRAPPED = {"type": "widget", "widget": SECTIONS, "copy_text": "copied"}


def values(node: dict[str, Any]) -> list[str]:
    own = [node["value"]] if "value" in node else []
    return own + [text for child in node.get("children", []) for text in values(child)]


@pytest.mark.parametrize("written", [SECTIONS, {key: SECTIONS[key] for key in ("title", "sections")}, WRAPPED])
def test_the_shorthand_becomes_components_bare_and_wrapped(written: dict[str, Any]) -> None:
    tree = read_tree(written).components
    assert check_components(tree) == []
    assert [child["type"] for child in tree["children"]] == ["Title", *["Divider", "Col"] * 4]


def test_the_texts_of_python_are_no_templates() -> None:
    texts = values(read_tree(SECTIONS).components)
    expected = ["Oslo {{ city }}", "Numbers", "High", "21.5", "Low", "—", "Source", "{% if %}", "**Note**"]
    assert texts == expected


def test_rows_and_facts_may_be_an_object() -> None:
    tables = [{"type": "table", "rows": {"a": 1}}, {"type": "metadata", "items": {"b": True}}]
    assert values(read_tree({"sections": tables}).components) == ["a", "1", "b", "true"]


def test_a_section_without_content_is_left_out() -> None:
    empty = [{"type": "table", "title": "None", "rows": []}, {"type": "text", "text": "x"}]
    assert values(read_tree({"sections": empty}).components) == ["x"]


@pytest.mark.parametrize(
    ("written", "copied"), [(SECTIONS, None), (WRAPPED, "copied"), ({**SECTIONS, "copy_text": "own"}, "own")]
)
def test_the_copy_text_may_come_with_the_tree(written: dict[str, Any], copied: str | None) -> None:
    assert read_tree(written).copy_text == copied


def test_models_of_the_sdk_may_stand_inside_a_tree_and_their_dumps_too() -> None:
    text = Text(value="hi")
    for child in (text, text.model_dump()):
        assert read_tree({"type": "Card", "children": [child]}).components["children"][0]["value"] == "hi"
    assert read_tree(Card(children=[text]).model_dump()).components["type"] == "Card"


def card(*children: Any) -> dict[str, Any]:
    return {"type": "Card", "children": list(children)}


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (card({"type": "Txt", "value": "x"}), "children[0].type: unknown component 'Txt' (did you mean 'Text'?)"),
        (
            card({"type": "Col", "children": [{"type": "Text", "valu": "x"}]}),
            "children[0].children[0].valu: unknown (did you mean 'value'?)",
        ),
        (
            {"type": "widget", "widget": card({"type": "Text", "value": 3})},
            "widget.children[0].value: expected a string, got 3",
        ),
        ({"type": "widget", "widget": card(), "copytext": "x"}, "copytext: unknown key 'copytext'"),
        ({"type": "widget", "widget": []}, "widget: expected an object, got []"),
        ({"type": "Text", "value": "x"}, '"Text" can\'t be the root of a widget'),
        ({"type": "Card", "children": ["x"]}, 'children[0]: expected a component, got "x"'),
        (card({"type": "sections", "sections": []}), "children[0].type: unknown component 'sections'"),
        ({"sections": [{"type": "tabel", "rows": []}]}, "sections[0].type: expected"),
        ({"sections": [{"type": "table", "rows": [{"key": "a"}]}]}, "sections[0].rows[0]: expected {key, value}"),
        ({"sections": [{"type": "table", "rows": "{{ rows }}"}]}, "sections[0].rows: expected a list of {key, value}"),
        ({"sections": [{"type": "table", "row": []}]}, "sections[0].row: unknown (did you mean 'rows'?)"),
        ({"type": "widget", "widget": {"sections": [{"type": "image"}]}}, "widget.sections[0].src: is missing"),
        ({"sections": []}, "sections: expected 1 or more items"),
        ({**SECTIONS, "copy_text": 3}, "copy_text: expected a string, got 3"),
        ({"version": "1.0", "template": "{}"}, "expected components, got a file of ChatKit Studio"),
        (None, "expected a component, got null"),
        ([card()], "expected a component, got "),
        ({"type": "Card", "children": [{"type": "Text", "value": object()}]}, "expected a value of JSON"),
    ],
)
def test_a_wrong_tree_names_its_node(written: Any, message: str) -> None:
    with pytest.raises(TreeError) as caught:
        read_tree(written)
    assert message in str(caught.value)


def test_all_mistakes_are_in_one_message_which_stays_short() -> None:
    with pytest.raises(TreeError) as caught:
        read_tree(card(*[{"type": "Txt"}] * 12))
    assert str(caught.value).count("unknown component") == 5
    assert str(caught.value).endswith("; and 7 more")
