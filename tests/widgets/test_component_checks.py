import warnings
from typing import Any, get_args

import chatkit.widgets
import pytest

from runtime.widgets.component_checks import check_components


def card(*children: Any, **more: Any) -> dict[str, Any]:
    return {"type": "Card", "children": list(children), **more}


KITCHEN_SINK = card(
    {"type": "Title", "value": "t", "size": "3xl"},
    {
        "type": "Box",
        "padding": {"x": 2, "top": "4px"},
        "border": {"size": 1, "color": {"light": "#fff", "dark": "#000"}},
    },
    {"type": "Row", "flex": "auto", "children": [{"type": "Icon", "name": "vendor:x"}, {"type": "Spacer"}]},
    {"type": "Image", "src": "https://example.com/x.png", "fit": "cover", "position": "top left", "size": 40},
    {"type": "Button", "iconStart": "calendar", "onClickAction": {"type": "go", "payload": {"any": [1]}}},
    {"type": "Text", "value": "x", "editable": {"name": "n", "required": True}},
    {"type": "Text", "value": "x", "editable": False, "maxLines": None},
    {"type": "DatePicker", "name": "d", "min": "2030-01-01T00:00:00"},
    {"type": "RadioGroup", "name": "r", "options": [{"label": "a", "value": "b"}]},
    {"type": "Transition", "children": {"type": "Caption", "value": "c", "key": "k"}},
    {"type": "Transition", "children": None},
    {"type": "Form", "direction": "col", "children": [{"type": "Input", "name": "i", "inputType": "email"}]},
    {
        "type": "Chart",
        "data": [{"day": "Mo", "n": 1}],
        "series": [{"type": "area", "dataKey": "n", "label": None, "curveType": "monotone"}],
        "xAxis": {"dataKey": "day", "labels": {"Mo": "Monday"}},
    },
    status={"text": "s", "icon": "info"},
    confirm={"label": "ok", "action": {"type": "ok", "handler": "client"}},
)


def test_what_the_sdk_knows_passes() -> None:
    assert check_components(KITCHEN_SINK) == []
    assert check_components({"type": "Basic", "theme": "dark", "gap": 2, "children": KITCHEN_SINK}) == []
    item = {"type": "ListViewItem", "gap": 2, "children": [{"type": "Markdown", "value": "m"}]}
    assert check_components({"type": "ListView", "limit": "auto", "children": [item]}) == []


@pytest.mark.parametrize(
    ("tree", "problems"),
    [
        ({"type": "Crad"}, ["\"Crad\" can't be the root of a widget (did you mean 'Card'?)"]),
        ([], ["expected a component, got []"]),
        (card({"type": "Tetx"}), ["children[0].type: unknown component 'Tetx' (did you mean 'Text'?)"]),
        (card({"type": "Text", "valeu": "x"}), ["children[0].valeu: unknown (did you mean 'value'?)"]),
        (card({"type": "Text"}), ["children[0].value: is missing"]),
        (card({"type": "Text", "value": 3}), ["children[0].value: expected a string, got 3"]),
        (card(size="xl"), ['size: expected "sm", "md", "lg" or "full", got "xl"']),
        (card(theme="drak"), ['theme: expected "light" or "dark", got "drak" (did you mean \'dark\'?)']),
        (
            card("text", {"value": 1}),
            ['children[0]: expected a component, got "text"', "children[1]: 'type' is missing"],
        ),
        (card({"type": "Box", "padding": {"t": 1}}), ["children[0].padding.t: unknown"]),
        (
            card({"type": "Box", "padding": [1]}),
            ["children[0].padding: expected a number, a string or an object, got [1]"],
        ),
        (card(confirm={"label": "ok"}), ["confirm.action: is missing"]),
        (
            card({"type": "Button", "onClickAction": {"type": "go", "hanlder": "client"}}),
            ["children[0].onClickAction.hanlder: unknown (did you mean 'handler'?)"],
        ),
        (
            card({"type": "Icon", "name": "calender"}),
            ["children[0].name: \"calender\" is not one of the 64 values that are allowed (did you mean 'calendar'?)"],
        ),
        (
            card(
                {"type": "Chart", "data": [], "xAxis": "d", "series": [{"type": "bat", "label": "l", "dataKey": "d"}]}
            ),
            ['children[0].series[0].type: expected "bar", "area" or "line", got "bat" (did you mean \'bar\'?)'],
        ),
        (
            card({"type": "Col", "children": [{"type": "Transition", "children": {"type": "Badg"}}]}),
            ["children[0].children[0].children.type: unknown component 'Badg' (did you mean 'Badge'?)"],
        ),
        (
            {"type": "ListView", "children": [{"type": "Text", "value": "x"}]},
            ["children[0]: the children of a ListView must be ListViewItem components, got 'Text'"],
        ),
        ({"type": "Basic", "children": [], "them": "dark"}, ["them: unknown (did you mean 'theme'?)"]),
    ],
)
def test_what_the_sdk_does_not_know_is_reported_with_its_path(tree: Any, problems: list[str]) -> None:
    assert check_components(tree) == problems


@pytest.mark.parametrize("kind", ["acme-map", "x-1", "my-own-list-view"])
def test_a_component_of_the_pages_own_takes_any_properties(kind: str) -> None:
    own = {"type": kind, "place": {"lat": 1}, "onClickAction": 5, "children": [{"type": "Text", "value": "x"}]}
    assert check_components(card(own)) == []
    wrong = card({**own, "children": [{"type": "Txt", "value": "x"}]})
    assert check_components(wrong) == ["children[0].children[0].type: unknown component 'Txt' (did you mean 'Text'?)"]


@pytest.mark.parametrize("kind", ["list-view", "list-view-item", "Acme-Map", "acmemap", "text-"])
def test_a_misspelt_component_of_chatkit_is_none_of_the_pages_own(kind: str) -> None:
    assert f"unknown component {kind!r}" in check_components(card({"type": kind}))[0]


def test_a_templated_tree_is_held_against_what_is_certain_of_it() -> None:
    tree = card(
        "{{ node }}",
        {"type": "{{ kind }}", "anything": 1},
        {
            "type": "Text",
            "value": "{{ v }}",
            "maxLines": "{{ n }}",
            "size": {"$if": "a", "$then": "sm"},
            "wieght": "{{ w }}",
        },
        {"$for": "x in xs", "$do": [{"type": "Badge"}, {"$if": "y", "$then": {"type": "Bdge"}}]},
        {"type": "Select", "name": "s", "options": {"$for": "o in os", "$do": {"value": "{{ o }}"}}},
        theme="{{ theme }}",
    )
    assert check_components(tree, templated=True) == [
        "children[2].wieght: unknown (did you mean 'weight'?)",
        "children[3].$do[0].label: is missing",
        "children[3].$do[1].$then.type: unknown component 'Bdge' (did you mean 'Badge'?)",
    ]


def test_every_component_of_the_installed_sdk_is_known_and_none_is_constructed() -> None:
    component, roots = chatkit.widgets.StrictWidgetComponent, chatkit.widgets.StrictWidgetRoot
    kinds = [*get_args(get_args(component)[0]), *get_args(get_args(roots)[0])]
    names = {kind.model_fields["type"].default for kind in kinds}
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        problems = {name: check_components({"type": "Basic", "children": {"type": name}}) for name in names}
    assert raised == []
    assert not [problem for found in problems.values() for problem in found if "unknown component" in problem]
    assert len(names) == 27
