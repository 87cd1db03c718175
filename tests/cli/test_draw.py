from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from chatkit import widgets
from rich.console import Console

from runtime.cli.terminal.draw import Choice, FormField, draw_widget


def drawn(tree: dict[str, Any], width: int = 60, first: int = 1) -> str:
    console = Console(file=StringIO(), width=width, markup=False, emoji=False, highlight=False)
    console.print(draw_widget(tree, first).body)
    return console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO


def choices(tree: dict[str, Any]) -> list[Choice]:
    return draw_widget(tree).choices


def card(*children: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "Card", "children": list(children), **fields}


def text(value: str, **fields: Any) -> dict[str, Any]:
    return {"type": "Text", "value": value, **fields}


def button(label: str, action: str, payload: Any = None) -> dict[str, Any]:
    return {"type": "Button", "label": label, "onClickAction": {"type": action, "payload": payload}}


def test_a_card_shows_its_texts_in_a_frame() -> None:
    picture = drawn(card({"type": "Title", "value": "Oslo"}, text("Sunny"), {"type": "Caption", "value": "now"}))
    assert [line.strip("│ ") for line in picture.splitlines()[1:-1]] == ["Oslo", "Sunny", "now"]
    assert picture.startswith("╭")


def test_every_component_of_the_sdk_is_drawn() -> None:
    names = set()
    for kind in vars(widgets).values():
        if isinstance(kind, type) and issubclass(kind, widgets.WidgetComponentBase):
            default = kind.model_fields["type"].default
            names |= {default} if isinstance(default, str) else set()
    assert names
    for name in names:
        assert f"<{name}>" not in drawn({"type": name}), name


def test_an_unknown_component_shows_its_name_and_its_children() -> None:
    picture = drawn(card({"type": "Hologram", "value": "boo", "children": [text("inside")]}))
    assert "<Hologram> boo" in picture
    assert "inside" in picture


def test_buttons_are_numbered_across_the_tree() -> None:
    tree = card(
        {"type": "Row", "children": [button("Yes", "yes", {"id": 1}), button("No", "no")]},
        confirm={"label": "Save", "action": {"type": "save"}},
        cancel={"label": "Drop", "action": {"type": "drop", "handler": "client"}},
    )
    picture = drawn(tree)
    for shown in ("[Yes] /1", "[No] /2", "[Save] /3", "[Drop] /4"):
        assert shown in picture
    assert [(choice.action, choice.payload, choice.handler) for choice in choices(tree)] == [
        ("yes", {"id": 1}, "server"),
        ("no", None, "server"),
        ("save", None, "server"),
        ("drop", None, "client"),
    ]


def test_a_button_without_an_action_or_disabled_has_no_number() -> None:
    tree = card({"type": "Button", "label": "Idle"}, {**button("Off", "off"), "disabled": True})
    assert choices(tree) == []
    assert "[Idle]" in drawn(tree)


def test_a_list_item_that_can_be_clicked_is_named_by_its_first_text() -> None:
    item = {"type": "ListViewItem", "children": [text("Line 7"), text("north")], "onClickAction": {"type": "pick"}}
    tree = {"type": "ListView", "children": [item], "status": {"text": "Lines"}}
    assert [choice.label for choice in choices(tree)] == ["Line 7"]
    picture = drawn(tree)
    assert "Lines" in picture
    assert "[/1] Line 7  north" in picture


def test_every_choice_inside_a_form_carries_its_inputs() -> None:
    inputs = [
        {"type": "Input", "name": "who", "placeholder": "name", "required": True},
        {"type": "Checkbox", "name": "vip", "label": "VIP", "defaultChecked": True},
        {"type": "Select", "name": "size", "options": [{"value": "s", "label": "Small"}, {"value": "l", "label": "L"}]},
        text("Draft", editable={"name": "note"}),
        {"type": "Button", "label": "Send", "submit": True},
        button("Check", "check"),
    ]
    form = {"type": "Form", "onSubmitAction": {"type": "send", "payload": {"id": 7}}, "children": inputs}
    send, check = choices(card(form))
    assert (send.label, send.action, send.payload) == ("Send", "send", {"id": 7})
    assert check.action == "check"
    expected = (
        FormField("who", "who", None, (), True),
        FormField("vip", "VIP", True, ("true", "false")),
        FormField("size", "size", None, ("s", "l")),
        FormField("note", "note", "Draft"),
    )
    assert send.fields == check.fields == expected


def test_a_form_without_a_submit_button_can_still_be_sent() -> None:
    form = {"type": "Form", "onSubmitAction": {"type": "send"}, "children": [{"type": "Input", "name": "q"}]}
    [choice] = choices(card(form))
    assert (choice.label, choice.action) == ("Submit", "send")


def test_confirm_of_a_card_that_is_a_form_sends_its_inputs() -> None:
    tree = card({"type": "Input", "name": "q"}, asForm=True, confirm={"label": "Go", "action": {"type": "go"}})
    [choice] = choices(tree)
    assert [one.name for one in choice.fields] == ["q"]


def test_a_select_that_acts_on_change_is_a_choice_of_its_own() -> None:
    select = {
        "type": "Select",
        "name": "theme",
        "options": [{"value": "dark", "label": "Dark"}],
        "onChangeAction": {"type": "theme.set"},
    }
    [choice] = choices(card(select))
    assert (choice.action, [one.name for one in choice.fields]) == ("theme.set", ["theme"])


def test_a_chart_is_a_table() -> None:
    chart = {
        "type": "Chart",
        "data": [{"day": "mon", "rain": 3}, {"day": "tue", "rain": 12}],
        "series": [{"type": "bar", "dataKey": "rain", "label": "Rain"}],
        "xAxis": {"dataKey": "day", "labels": {"mon": "Monday"}},
    }
    rows = [line.split() for line in drawn(card(chart)).splitlines()]
    assert ["│", "Monday", "3", "│"] in rows
    assert ["│", "tue", "12", "│"] in rows


def test_a_spacer_pushes_the_rest_of_a_row_to_the_right() -> None:
    picture = drawn(card({"type": "Row", "children": [text("left"), {"type": "Spacer"}, text("right")]}), width=40)
    [line] = [line for line in picture.splitlines() if "left" in line]
    assert line.startswith("│ left ")
    assert line.endswith("right │")


def test_an_image_shows_its_words_and_never_a_wall_of_base64() -> None:
    picture = drawn(card({"type": "Image", "src": "data:image/png;base64," + "A" * 5000, "alt": "a map"}))
    assert "a map" in picture
    assert len(picture) < 1000


def test_numbers_begin_where_the_caller_says() -> None:
    assert "[Go] /5" in drawn(card(button("Go", "go")), first=5)


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"type": None},
        {"type": "Card"},
        {"type": "Card", "children": None},
        {"type": "Card", "children": "words"},
        {"type": "Card", "children": {"type": "Text", "value": 7}},
        {"type": "Row", "children": [None, 3, True, []]},
        {"type": "Chart", "data": "x", "series": {"a": 1}},
        {"type": "Select", "options": [None, "a"]},
        {"type": "Button", "onClickAction": "boom"},
        {"type": "Card", "confirm": "yes", "status": "ok"},
        {"type": "Markdown"},
        {"type": ["list"]},
    ],
)
def test_a_malformed_tree_is_drawn_and_never_raises(tree: dict[str, Any]) -> None:
    assert isinstance(drawn(tree), str)


def test_a_bottomless_tree_ends() -> None:
    tree: dict[str, Any] = text("deep")
    for _ in range(500):
        tree = {"type": "Col", "children": [tree]}
    assert "…" in drawn(tree)


def test_control_characters_and_markup_stay_text() -> None:
    picture = drawn(
        card(text("\x1b[31mred\x1b[0m [bold]b[/bold] \u202eflip"), {"type": "Markdown", "value": "\x1b]0;x\x07"})
    )
    assert "\x1b" not in picture
    assert "\u202e" not in picture
    assert "[bold]b[/bold]" in picture
