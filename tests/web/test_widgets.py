"""The components of widgets in Chromium: each value of each prop, actions, forms, messages, transitions, charts."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.web.gallery import Gallery
from tests.web.widget_cases import BASES, BEHAVIOUR, Case, cases, components, framed
from tests.web.widget_samples import SAMPLES

pytestmark = pytest.mark.timeout(600)
CASES = list(cases())


def test_each_component_of_the_sdk_has_a_sample_here() -> None:
    assert components().keys() == BASES.keys()
    assert BEHAVIOUR.keys() <= {(case.component, case.prop) for case in CASES}


@pytest.mark.parametrize("component", sorted(BASES))
def test_each_value_of_each_prop_is_known_and_makes_a_difference(gallery: Gallery, component: str) -> None:
    for case in CASES:
        if case.component == component:
            _compare(gallery, case)


def _compare(gallery: Gallery, case: Case) -> None:
    seen = gallery.page.evaluate("(widgets) => gallery.compare(widgets)", list(case.widgets))
    assert [notes for one in seen for notes in one["notes"]] == [], f"{case.component}.{case.prop}"
    if (case.component, case.prop) in BEHAVIOUR:
        return
    alike: dict[str, list[Any]] = {}
    for value, one in zip(case.values, seen, strict=True):
        alike.setdefault(one["sight"], []).append(value)
    assert [values for values in alike.values() if len(values) > 1] == [], f"{case.component}.{case.prop} look the same"


def _form(*children: dict[str, Any], **props: Any) -> dict[str, Any]:
    return {"type": "Card", "children": [{"type": "Form", "children": list(children), **props}]}


SUBMIT = {"type": "Button", "submit": True, "label": "Send"}


def test_a_form_is_refused_with_a_message_at_each_wrong_field_and_sent_once_all_are_right(gallery: Gallery) -> None:
    fields = [
        {"type": "Input", "name": "todo.title", "required": True},
        {"type": "Input", "name": "todo.mail", "inputType": "email"},
        {"type": "Textarea", "name": "todo.code", "pattern": "[A-Z]{3}"},
        {"type": "Checkbox", "name": "agree", "label": "I agree", "required": True},
        {"type": "RadioGroup", "name": "size", "required": True, "options": [{"value": "s", "label": "Small"}]},
        {"type": "Text", "value": "", "editable": {"name": "text", "required": True}},
    ]
    action = {"type": "save", "payload": {"id": 7, "todo": {"id": 8}}}
    gallery.draw(_form(*fields, SUBMIT, onSubmitAction=action))
    page = gallery.page
    page.get_by_label("todo.mail").fill("nobody")
    page.get_by_label("todo.code").fill("abc")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert")).to_have_count(6)
    expect(page.get_by_label("todo.title")).to_be_focused()
    expect(page.get_by_label("todo.title")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("todo.code")).to_have_accessible_description("Please match the requested format.")
    assert gallery.actions() == []
    page.get_by_label("todo.title").fill("Milk")
    expect(page.get_by_role("alert")).to_have_count(5)
    page.get_by_label("todo.mail").fill("ada@example.com")
    page.get_by_label("todo.code").fill("ABC")
    page.get_by_label("I agree").check()
    page.get_by_label("Small").check()
    page.get_by_label("text", exact=True).fill("two\nlines")
    page.get_by_role("button", name="Send").click()
    sent = {
        "id": 7,
        "todo": {"id": 8, "title": "Milk", "mail": "ada@example.com", "code": "ABC"},
        "agree": True,
        "size": "s",
        "text": "two\nlines",
    }
    assert gallery.actions() == [{"type": "save", "payload": sent}]


def test_values_are_sent_by_their_kinds_and_an_empty_choice_as_null(gallery: Gallery) -> None:
    options = [{"value": "a", "label": "Alpha"}, {"value": "b", "label": "Beta"}]
    fields = [
        {"type": "Input", "name": "count", "inputType": "number", "defaultValue": "3"},
        {"type": "Input", "name": "digits", "inputType": "number", "defaultValue": "12345678901234567890"},
        {"type": "Input", "name": "none", "inputType": "number"},
        {"type": "Input", "name": "empty"},
        {"type": "Checkbox", "name": "off", "label": "Off"},
        {"type": "Select", "name": "chosen", "options": options, "defaultValue": "b"},
        {"type": "Select", "name": "unchosen", "options": options, "placeholder": "Choose"},
        {"type": "DatePicker", "name": "day", "defaultValue": "2026-03-04T23:30:00+09:00"},
        {"type": "DatePicker", "name": "noday"},
        {"type": "Input", "name": "disabled", "defaultValue": "x", "disabled": True},
        {"type": "RadioGroup", "name": "radio", "options": options},
    ]
    gallery.draw(_form(*fields, SUBMIT, onSubmitAction={"type": "save"}))
    gallery.page.get_by_role("button", name="Send").click()
    sent = {
        "count": 3,
        "digits": "12345678901234567890",
        "none": None,
        "empty": "",
        "off": False,
        "chosen": "b",
        "unchosen": None,
        "day": "2026-03-04",
        "noday": None,
    }
    assert gallery.actions() == [{"type": "save", "payload": sent}]


def test_enter_in_a_field_submits_and_in_a_textarea_begins_a_line(gallery: Gallery) -> None:
    fields = [{"type": "Input", "name": "one"}, {"type": "Textarea", "name": "two"}]
    gallery.draw(_form(*fields, onSubmitAction={"type": "save"}))
    gallery.page.get_by_label("two").press("Enter")
    assert gallery.actions() == []
    gallery.page.get_by_label("one").press("Enter")
    assert gallery.actions() == [{"type": "save", "payload": {"one": "", "two": "\n"}}]


def test_a_card_as_a_form_checks_what_confirm_sends_and_lets_cancel_go(gallery: Gallery) -> None:
    card = {
        "type": "Card",
        "asForm": True,
        "children": [{"type": "Input", "name": "city", "required": True}],
        "confirm": {"label": "Yes", "action": {"type": "yes", "payload": {"city": "kept"}}},
        "cancel": {"label": "No", "action": {"type": "no"}},
    }
    gallery.draw(card)
    gallery.page.get_by_role("button", name="Yes").click()
    expect(gallery.page.get_by_role("alert")).to_have_count(1)
    gallery.page.get_by_role("button", name="No").click()
    gallery.page.get_by_label("city").fill("Seoul")
    gallery.page.get_by_role("button", name="Yes").click()
    # A key that the payload has already is not replaced by a field.
    assert gallery.actions() == [
        {"type": "no", "payload": {"city": ""}},
        {"type": "yes", "payload": {"city": "kept"}},
    ]


def test_a_card_that_is_no_form_sends_its_actions_as_they_are(gallery: Gallery) -> None:
    card = {
        "type": "Card",
        "children": [{"type": "Input", "name": "city", "required": True}],
        "confirm": {"label": "Yes", "action": {"type": "yes", "payload": [1]}},
    }
    gallery.draw(card)
    gallery.page.get_by_role("button", name="Yes").click()
    assert gallery.actions() == [{"type": "yes", "payload": [1]}]


def test_a_form_inside_of_a_form_sends_its_own_fields(gallery: Gallery) -> None:
    inner = {"type": "Form", "onSubmitAction": {"type": "inner"}, "children": [{"type": "Input", "name": "b"}, SUBMIT]}
    card = {
        "type": "Card",
        "asForm": True,
        "children": [{"type": "Input", "name": "a", "required": True}, inner],
        "confirm": {"label": "Yes", "action": {"type": "outer"}},
    }
    gallery.draw(card)
    gallery.page.get_by_role("button", name="Send").click()
    gallery.page.get_by_label("a", exact=True).fill("1")
    gallery.page.get_by_role("button", name="Yes").click()
    assert [(action["type"], action["payload"]) for action in gallery.actions()] == [
        ("inner", {"a": "", "b": ""}),
        ("outer", {"a": "1", "b": ""}),
    ]


def test_a_button_in_a_form_sends_the_values_without_a_check(gallery: Gallery) -> None:
    button = {"type": "Button", "label": "Preview", "onClickAction": {"type": "preview", "payload": None}}
    gallery.draw(_form({"type": "Input", "name": "city", "required": True}, button, onSubmitAction={"type": "save"}))
    gallery.page.get_by_role("button", name="Preview").click()
    assert gallery.actions() == [{"type": "preview", "payload": {"city": ""}}]


def test_a_submit_button_without_an_action_of_the_form_sends_its_own_once_the_fields_are_right(
    gallery: Gallery,
) -> None:
    button = {**SUBMIT, "onClickAction": {"type": "own"}}
    gallery.draw(_form({"type": "Input", "name": "city", "required": True}, button))
    gallery.page.get_by_role("button", name="Send").click()
    assert gallery.actions() == []
    gallery.page.get_by_label("city").fill("Bonn")
    gallery.page.get_by_role("button", name="Send").click()
    assert gallery.actions() == [{"type": "own", "payload": {"city": "Bonn"}}]


def test_a_labelled_field_has_its_label_and_a_click_on_it_focuses_the_field(gallery: Gallery) -> None:
    group = {"type": "RadioGroup", "name": "size", "options": [{"value": "s", "label": "Small"}]}
    labels = [
        {"type": "Label", "value": "Your city", "fieldName": "city"},
        {"type": "Label", "value": "Your size", "fieldName": "size"},
    ]
    gallery.draw({"type": "Card", "children": [*labels, {"type": "Input", "name": "city"}, group]})
    gallery.page.get_by_text("Your city").click()
    expect(gallery.page.get_by_role("textbox", name="Your city")).to_be_focused()
    expect(gallery.page.get_by_role("radiogroup", name="Your size")).to_be_visible()


@pytest.mark.parametrize(
    ("behaviour", "busy", "inert"),
    [
        (None, "true", False),
        ("auto", "true", False),
        ("self", "true", False),
        ("container", None, True),
        ("none", None, False),
    ],
)
def test_a_button_shows_what_its_loading_behaviour_says(
    gallery: Gallery, behaviour: str | None, busy: str | None, inert: bool
) -> None:
    action = {"type": "go", **({"loadingBehavior": behaviour} if behaviour else {})}
    gallery.draw({"type": "Card", "children": [{"type": "Button", "label": "Go", "onClickAction": action}]})
    gallery.hold()
    button = gallery.page.locator(".ckw-button")
    button.click()
    assert button.get_attribute("aria-busy") == busy
    assert (gallery.page.locator(".ckw").get_attribute("inert") is not None) == inert
    gallery.finish()
    expect(button).not_to_have_attribute("aria-busy", "true")
    expect(gallery.page.locator(".ckw")).not_to_have_attribute("inert", "")
    expect(button).to_be_focused()
    assert [one["type"] for one in gallery.actions()] == ["go"]


def test_a_second_click_while_the_first_is_carried_out_is_ignored_and_a_failure_ends_the_wait(gallery: Gallery) -> None:
    gallery.draw({"type": "Card", "children": [{"type": "Button", "label": "Go", "onClickAction": {"type": "go"}}]})
    gallery.hold()
    gallery.page.locator(".ckw-button").dblclick()
    assert len(gallery.actions()) == 1
    gallery.finish("no")
    gallery.hold(False)
    gallery.page.locator(".ckw-button").click()
    assert len(gallery.actions()) == 1


def test_confirm_makes_the_whole_card_wait(gallery: Gallery) -> None:
    confirm = {"label": "Buy", "action": {"type": "buy"}}
    gallery.draw({"type": "Card", "children": [{"type": "Input", "name": "city"}], "confirm": confirm})
    gallery.hold()
    gallery.page.get_by_role("button", name="Buy").click()
    expect(gallery.page.locator(".ckw")).to_have_attribute("inert", "")
    gallery.finish()
    expect(gallery.page.locator(".ckw")).not_to_have_attribute("inert", "")
    assert gallery.actions() == [{"type": "buy", "payload": None}]


def test_handler_and_streaming_reach_the_host_as_they_are(gallery: Gallery) -> None:
    action = {
        "type": "go",
        "payload": {"deep": [1]},
        "handler": "client",
        "loadingBehavior": "none",
        "streaming": False,
    }
    gallery.draw({"type": "Card", "children": [{"type": "Button", "label": "Go", "onClickAction": action}]})
    gallery.page.get_by_role("button", name="Go").click()
    assert gallery.actions() == [action]


def test_each_control_sends_its_change_with_its_value(gallery: Gallery) -> None:
    options = [{"value": "a", "label": "Alpha"}, {"value": "b", "label": "Beta"}]
    change = {"type": "changed", "payload": {"id": 1}}
    kinds: list[dict[str, Any]] = [
        {"type": "Select", "name": "select", "options": options, "defaultValue": "a", "clearable": True},
        {"type": "Select", "name": "search", "options": options, "searchable": True},
        {"type": "DatePicker", "name": "day"},
        {"type": "Checkbox", "name": "check", "label": "Check"},
        {"type": "RadioGroup", "name": "radio", "options": options},
    ]
    gallery.draw({"type": "Card", "children": [{**kind, "onChangeAction": change} for kind in kinds]})
    page = gallery.page
    page.get_by_label("select", exact=True).select_option("b")
    page.get_by_role("button", name="Clear select").click()
    page.get_by_label("search").fill("Beta")
    page.get_by_label("day").fill("2026-05-06")
    page.get_by_label("Check").check()
    page.get_by_label("Beta").check()
    sent = [{key: value for key, value in action["payload"].items() if key != "id"} for action in gallery.actions()]
    assert sent == [
        {"select": "b"},
        {"select": None},
        {"search": "b"},
        {"day": "2026-05-06"},
        {"check": True},
        {"radio": "b"},
    ]


def test_a_search_takes_what_is_in_the_list_and_nothing_else(gallery: Gallery) -> None:
    options = [{"value": str(n), "label": f"Option {n}", "disabled": n == 3} for n in range(20)]
    gallery.draw(_form({"type": "Select", "name": "pick", "options": options}, SUBMIT, onSubmitAction={"type": "save"}))
    field = gallery.page.get_by_label("pick")
    for words, value in (("Option 7", "7"), ("Option 3", "7"), ("anything", "7"), ("", None)):
        field.fill(words)
        gallery.page.get_by_role("button", name="Send").click()
        assert gallery.actions() == [{"type": "save", "payload": {"pick": value}}], words


def test_a_row_with_an_action_is_a_button_beside_its_own_controls(gallery: Gallery) -> None:
    inner = {"type": "Button", "label": "Delete", "onClickAction": {"type": "delete"}}
    row = {
        "type": "ListViewItem",
        "onClickAction": {"type": "open"},
        "children": [{"type": "Text", "value": "Ada"}, inner],
    }
    gallery.draw({"type": "ListView", "children": [row]})
    gallery.page.get_by_text("Ada").click(force=True)
    gallery.page.get_by_role("button", name="Delete", exact=True).click()
    gallery.page.get_by_role("button", name="Ada Delete").press("Enter")
    assert [action["type"] for action in gallery.actions()] == ["open", "delete", "open"]


def test_a_list_shows_as_many_rows_as_its_limit_until_asked_for_more(gallery: Gallery) -> None:
    rows = [{"type": "ListViewItem", "children": [{"type": "Text", "value": f"Row {n}"}]} for n in range(5)]
    gallery.draw({"type": "ListView", "children": rows, "limit": 2})
    expect(gallery.page.get_by_role("listitem")).to_have_count(2)
    gallery.page.get_by_role("button", name="Show 3 more").click()
    expect(gallery.page.get_by_role("listitem")).to_have_count(5)
    gallery.page.get_by_role("button", name="Show less").click()
    expect(gallery.page.get_by_role("listitem")).to_have_count(2)


def test_a_collapsed_card_opens_by_its_status(gallery: Gallery) -> None:
    card = {
        "type": "Card",
        "collapsed": True,
        "status": {"text": "Sent"},
        "children": [{"type": "Text", "value": "Body"}],
    }
    gallery.draw(card)
    expect(gallery.page.get_by_text("Body")).to_be_hidden()
    gallery.page.get_by_role("button", name="Sent").click()
    expect(gallery.page.get_by_text("Body")).to_be_visible()


def test_an_unknown_component_leaves_a_note_and_its_children(gallery: Gallery) -> None:
    node = {"type": "Map3D", "children": [{"type": "Text", "value": "inside"}]}
    gallery.draw({"type": "Card", "children": [{"type": "Text", "value": "before"}, node]})
    for text in ("before", "show the component “Map3D”.", "inside"):
        expect(gallery.page.get_by_text(text)).to_be_visible()


GARBAGE: list[Any] = [
    None,
    0,
    -1,
    1e300,
    "",
    "x",
    "__proto__",
    [],
    [None, 5, "x", {}, [[]]],
    {},
    {"a": {}},
    True,
    False,
]


@pytest.mark.parametrize("component", sorted(BASES))
def test_no_value_of_a_wrong_type_breaks_a_component(gallery: Gallery, component: str) -> None:
    props = [prop for prop in components()[component]["properties"] if prop != "type"]
    base = {"type": component, **BASES[component]}
    widgets = [framed({**base, prop: value}) for prop in props for value in GARBAGE]
    widgets += [framed({"type": component, **dict.fromkeys(props, value)}) for value in GARBAGE]
    seen = gallery.page.evaluate("(widgets) => gallery.compare(widgets)", widgets)
    assert {note for one in seen for note in one["notes"]} == set()


def test_what_is_typed_survives_an_update_and_a_new_default_replaces_it(gallery: Gallery) -> None:
    def card(title: str, default: str) -> dict[str, Any]:
        field = {"type": "Input", "name": "city", "defaultValue": default}
        return {"type": "Card", "children": [{"type": "Title", "value": title}, field]}

    gallery.draw(card("One", "Bonn"))
    gallery.page.get_by_label("city").fill("Seoul")
    gallery.draw(card("Two", "Bonn"), fresh=False)
    expect(gallery.page.get_by_role("heading", name="Two")).to_be_visible()
    expect(gallery.page.get_by_label("city")).to_have_value("Seoul")
    gallery.draw(card("Two", "Oslo"), fresh=False)
    expect(gallery.page.get_by_label("city")).to_have_value("Oslo")


def test_a_streamed_text_fades_in_what_is_new_and_says_all_of_it(gallery: Gallery) -> None:
    for value in ("One", "One two", "One two three"):
        gallery.draw(
            {"type": "Card", "children": [{"type": "Text", "value": value, "streaming": True}]}, fresh=value == "One"
        )
    expect(gallery.page.locator(".ckw-text")).to_have_text("One two three")
    expect(gallery.page.locator(".ckw-fade")).to_have_text(" three")


def test_a_transition_lets_the_old_component_go_and_keeps_one_with_the_same_key(gallery: Gallery) -> None:
    def card(key: str, value: str) -> dict[str, Any]:
        return {
            "type": "Card",
            "children": [{"type": "Transition", "children": {"type": "Text", "key": key, "value": value}}],
        }

    gallery.draw(card("a", "One"))
    gallery.draw(card("a", "Two"), fresh=False)
    expect(gallery.page.locator(".ckw-leaving")).to_have_count(0)
    gallery.draw(card("b", "Three"), fresh=False)
    expect(gallery.page.locator(".ckw-leaving")).to_have_count(0)
    expect(gallery.page.locator(".ckw-transition")).to_have_text("Three")


CHART = {
    "type": "Chart",
    "xAxis": "day",
    "showYAxis": True,
    "data": [{"day": "Mon", "a": 1, "b": -5}, {"day": "Tue", "a": 4}, {"day": "Wed", "a": 2.5, "b": 7}],
    "series": [{"type": "bar", "dataKey": "a", "label": "First"}, {"type": "line", "dataKey": "b", "label": "Second"}],
}


def test_a_chart_tells_its_values_to_pointers_keyboards_and_screen_readers(gallery: Gallery) -> None:
    gallery.draw({"type": "Card", "children": [CHART]})
    plot = gallery.page.get_by_role("group", name="First, Second")
    plot.press("ArrowRight")
    plot.press("ArrowRight")
    expect(gallery.page.locator(".ckw-tooltip")).to_have_text("TueFirst4Second\u2013")
    plot.press("Escape")
    expect(gallery.page.locator(".ckw-tooltip")).to_have_count(0)
    box = plot.bounding_box()
    assert box is not None
    gallery.page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 40)
    expect(gallery.page.locator(".ckw-tooltip")).to_have_text("WedFirst2.5Second7")
    assert gallery.page.locator(".ckw-chart table td").all_inner_texts() == ["1", "-5", "4", "", "2.5", "7"]


def test_bars_of_one_stack_stand_on_each_other_and_negative_ones_below(gallery: Gallery) -> None:
    series = [{"type": "bar", "dataKey": key, "label": key, "stack": "s"} for key in "abc"]
    gallery.draw(
        {"type": "Card", "children": [{**CHART, "series": series, "data": [{"day": "Mon", "a": 2, "b": 3, "c": -1}]}]}
    )
    bars = gallery.page.locator(".ckw-plot svg > rect")
    expect(bars).to_have_count(3)
    first, second, third = [
        (float(bar.get_attribute("y") or 0), float(bar.get_attribute("height") or 0)) for bar in bars.all()
    ]
    assert second[0] + second[1] == pytest.approx(first[0])
    assert third[0] == pytest.approx(first[0] + first[1])
    assert (first[1] / 2, second[1] / 3) == (pytest.approx(third[1]), pytest.approx(third[1]))


CURVES = [
    "basis", "basisClosed", "basisOpen", "bumpX", "bumpY", "bump", "linear", "linearClosed", "natural", "monotoneX",
    "monotoneY", "monotone", "step", "stepBefore", "stepAfter",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["line", "area"])
def test_each_curve_passes_through_the_plot_and_most_are_their_own(gallery: Gallery, kind: str) -> None:
    paths = {}
    for curve in CURVES:
        series = [{"type": kind, "dataKey": "a", "label": "a", "curveType": curve}]
        data = [{"day": str(n), "a": value} for n, value in enumerate([1, 4, 2.5, 9, 3, 3, 8])]
        gallery.draw({"type": "Card", "children": [{**CHART, "data": data, "series": series}]})
        path = gallery.page.locator(".ckw-line").get_attribute("d")
        assert path is not None
        assert re.fullmatch(r"M[-\d. LCZ]+", path), curve
        paths[curve] = path
    alike = [{"bump", "bumpX"}, {"monotone", "monotoneX", "monotoneY"}]
    assert len(set(paths.values())) == len(CURVES) - sum(len(names) - 1 for names in alike)


def test_a_root_with_a_theme_of_its_own_takes_its_colors(gallery: Gallery) -> None:
    text = {"type": "Text", "value": "words", "color": {"light": "rgb(1, 2, 3)", "dark": "rgb(4, 5, 6)"}}
    for theme, color in (("light", "rgb(1, 2, 3)"), ("dark", "rgb(4, 5, 6)")):
        gallery.draw({"type": "Card", "theme": theme, "children": [text]}, dark=theme == "light")
        expect(gallery.page.get_by_text("words")).to_have_css("color", color)


def test_a_widget_mirrors_in_a_page_from_right_to_left(gallery: Gallery) -> None:
    box = {"type": "Box", "padding": {"left": 10}, "border": {"right": 3}, "children": [{"type": "Text", "value": "x"}]}
    gallery.draw({"type": "Card", "children": [box]}, rtl=True)
    expect(gallery.page.locator(".ckw-box")).to_have_css("padding-right", "40px")
    expect(gallery.page.locator(".ckw-box")).to_have_css("border-left-width", "3px")


def test_all_of_a_form_is_reached_by_the_keyboard(gallery: Gallery) -> None:
    gallery.draw(SAMPLES["form"])
    reached: dict[str, None] = {}
    for _ in range(20):  # a date is several stops: day, month, year, the calendar
        gallery.page.keyboard.press("Tab")
        name = gallery.page.evaluate(
            "() => { const at = document.activeElement; return at.dataset.field ?? at.ariaLabel ?? at.textContent }"
        )
        reached.setdefault(name)
    expected = ["name", "day", "time", "Clear time", "where", "note", "news", "Book", "Cancel"]
    assert [name for name in reached if name in expected] == expected


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", SAMPLES)
def test_a_widget_fits_into_a_phone(gallery: Gallery, name: str, dark: bool) -> None:
    gallery.page.set_viewport_size({"width": 360, "height": 640})
    gallery.draw(SAMPLES[name], dark=dark)
    wide = gallery.page.evaluate("document.documentElement.scrollWidth")
    gallery.page.set_viewport_size({"width": 720, "height": 800})
    assert wide <= 360
    expect(gallery.page.locator(".ckw-note")).to_have_count(0)


PICTURES = Path(__file__).parents[2] / "docs" / "images"


@pytest.mark.parametrize("look", ["light", "dark"])
def test_the_pictures_of_the_docs_show_twelve_widgets(gallery: Gallery, look: str) -> None:
    names = (
        ["order", "flight", "people", "weather", "buttons"],
        ["form", "chart", "areas"],
        ["place", "mail", "table", "answer"],
    )
    columns = [
        {"type": "Col", "gap": 5, "width": 380, "flex": "none", "children": [SAMPLES[name] for name in column]}
        for column in names
    ]
    assert sum(map(len, names)) == len(SAMPLES) == 12
    gallery.page.set_viewport_size({"width": 1228, "height": 900})
    gallery.draw(
        {"type": "Basic", "direction": "row", "align": "start", "gap": 5, "children": columns}, dark=look == "dark"
    )
    expect(gallery.page.locator(".ckw-surface")).to_have_count(12)
    expect(gallery.page.locator(".ckw-plot svg")).to_have_count(2)
    file = PICTURES / f"widgets-{look}.png"
    if os.environ.get("UPDATE_EXPECTED"):
        gallery.page.screenshot(path=file, full_page=True, animations="disabled")
    gallery.page.set_viewport_size({"width": 720, "height": 800})
    # Fonts differ from machine to machine, so the pictures are not compared.
    picture = file.read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert int.from_bytes(picture[16:20]) == 1228
    assert len(picture) < 250_000
