"""A widget for each value of each prop of each component, from the JSON Schemas of the SDK's classes.

A value of a closed set is read from the schema; for strings and numbers, values that make a difference are listed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.widgets.sdk_components import read_components

Node = dict[str, Any]

LONG = "Words that need more than one line in a card of the usual width, and then a few more of them, for the third"
PIXEL = (
    "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' width='40' height='30'>"
    "<rect width='40' height='20'/></svg>"
)
ACTION = {"type": "go", "payload": {"a": 1}}
OPTIONS = [{"value": "a", "label": "Alpha"}, {"value": "b", "label": "Beta"}, {"value": "c", "label": "Gamma"}]
ROWS = [
    {"day": "Mon", "in": 4, "out": 9},
    {"day": "Tue", "in": 7, "out": 2},
    {"day": "Wed", "in": 3, "out": 6},
    {"day": "Thu", "in": 8, "out": 5},
]
ONE_LINE = {"type": "Text", "value": "one"}

# What a component needs to be drawn, and to show what its props do.
BASES: dict[str, Node] = {
    "Badge": {"label": "New"},
    "Basic": {"children": [ONE_LINE, {"type": "Text", "value": "two"}]},
    "Box": {"children": [ONE_LINE, {"type": "Text", "value": "two"}]},
    "Button": {"label": "Press", "iconStart": "plus"},
    "Caption": {"value": LONG},
    "Card": {"children": [ONE_LINE], "status": {"text": "Ready"}},
    "Chart": {
        "data": ROWS,
        "series": [{"type": "bar", "dataKey": "in", "label": "In"}, {"type": "bar", "dataKey": "out", "label": "Out"}],
        "xAxis": "day",
    },
    "Checkbox": {"name": "agree", "label": "I agree"},
    "Col": {"children": [ONE_LINE, {"type": "Text", "value": "two"}]},
    "DatePicker": {"name": "when", "defaultValue": "2026-03-04T00:00:00", "placeholder": "Pick a day"},
    "Divider": {},
    "Form": {"children": [ONE_LINE, {"type": "Text", "value": "two"}]},
    "Icon": {"name": "star"},
    "Image": {"src": PIXEL, "width": 120, "height": 60},
    "Input": {"name": "city", "placeholder": "City"},
    "Label": {"value": LONG, "fieldName": "city"},
    "ListView": {
        "children": [{"type": "ListViewItem", "children": [{"type": "Text", "value": str(row)}]} for row in range(7)]
    },
    "ListViewItem": {"children": [ONE_LINE, {"type": "Title", "value": "two"}]},
    "Markdown": {"value": "some **bold** words"},
    "RadioGroup": {"name": "size", "options": OPTIONS},
    "Row": {"children": [ONE_LINE, {"type": "Title", "value": "two"}]},
    "Select": {"name": "pick", "options": OPTIONS, "placeholder": "Choose", "defaultValue": "a"},
    "Spacer": {},
    "Text": {"value": LONG},
    "Textarea": {"name": "note", "defaultValue": "1\n2\n3\n4\n5\n6\n7\n8", "placeholder": "Note"},
    "Title": {"value": LONG},
    "Transition": {"children": ONE_LINE},
}
# Props that show only beside others.
WITH: dict[tuple[str, str], Node] = {
    ("Textarea", "maxRows"): {"autoResize": True, "rows": 1},
    ("Textarea", "placeholder"): {"defaultValue": ""},
    ("Textarea", "autoResize"): {"rows": 2},
    ("Select", "placeholder"): {"defaultValue": None},
    ("DatePicker", "placeholder"): {"defaultValue": None},
    ("Chart", "size"): {"flex": "none"},
    ("Image", "size"): {"width": None, "height": None},
    ("Button", "uniform"): {"label": "Press it"},
    ("Card", "asForm"): {"confirm": {"label": "OK", "action": ACTION}},
}
_SIDES = ("top", "right", "bottom", "left", "x", "y")
_SPACES = [0, 3, "31px", *({side: 5} for side in ("top", "right", "bottom", "left"))]
_COLOR = ["red-500", "#123456", {"light": "#00ff00", "dark": "#ff0000"}]
_TEXT_COLORS = ["secondary", "tertiary", "success", "warning", "danger", *_COLOR]
_BACKGROUNDS = [
    "surface-secondary",
    "surface-tertiary",
    "red-100",
    "#fedcba",
    "linear-gradient(red, blue)",
    {"light": "#0f0", "dark": "#f00"},
]
_LENGTHS = [61, "4rem"]
_LINE = {"size": 3, "style": "dashed", "color": "strong"}
_STATUS = [
    {"text": "One"},
    {"text": "One", "icon": "star"},
    {"text": "One", "favicon": PIXEL},
    {"text": "One", "favicon": PIXEL, "frame": True},
]
SAMPLES: dict[str, list[Any]] = {
    "value": ["One", "Two"],
    "label": ["One", "Two"],
    "name": ["one", "two"],
    "fieldName": ["one", "two"],
    "placeholder": ["One", "Two"],
    "pattern": ["[a-z]+", "[0-9]+"],
    "ariaLabel": ["One", "Two"],
    "alt": ["One", "Two"],
    "src": [PIXEL, PIXEL.replace("20", "10")],
    "color": _TEXT_COLORS,
    "background": _BACKGROUNDS,
    "padding": _SPACES,
    "margin": _SPACES,
    "gap": [0, 7, "13px"],
    "spacing": [0, 7, "13px"],
    "border": [0, 2, _LINE, {**_LINE, "style": "dotted"}, *({side: 2} for side in _SIDES), {"x": _LINE}],
    "flex": [1, "0 0 200px"],
    "aspectRatio": [1, "16 / 9"],
    "minLines": [3, 5],
    "maxLines": [1, 2],
    "rows": [2, 5],
    "maxRows": [2, 4],
    "limit": [2, 3, "auto"],
    "options": [OPTIONS, OPTIONS[:2], [{**OPTIONS[0], "disabled": True}, *OPTIONS[1:]]],
    "status": _STATUS,
    "confirm": [{"label": "Yes", "action": ACTION}, {"label": "OK", "action": ACTION}],
    "cancel": [{"label": "No", "action": ACTION}, {"label": "Later", "action": ACTION}],
    "min": ["2026-01-02T00:00:00", "2026-02-03T00:00:00"],
    "max": ["2026-08-02T00:00:00", "2026-09-03T00:00:00"],
    "data": [ROWS, ROWS[:2]],
    "xAxis": ["day", {"dataKey": "day", "hide": True}, {"dataKey": "day", "labels": {"Mon": "Monday"}}],
    "barGap": [0, 12],
    "barCategoryGap": [0, 40],
    "editable": [
        False,
        {"name": "x"},
        {"name": "x", "required": True},
        {"name": "x", "autoComplete": "email"},
        {"name": "x", "allowAutofillExtensions": True},
    ],
    **dict.fromkeys(("width", "height", "size", "minHeight", "minWidth", "minSize"), _LENGTHS),
    **{key: [11, "1rem"] for key in ("maxHeight", "maxWidth", "maxSize")},
}
SAMPLES_OF: dict[tuple[str, str], list[Any]] = {
    ("Image", "flex"): [1, "0 0 200px"],
    ("Input", "defaultValue"): ["One", "Two"],
    ("Textarea", "defaultValue"): ["One", "Two"],
    ("RadioGroup", "defaultValue"): ["a", "b"],
    ("Select", "defaultValue"): ["a", "b"],
    ("Select", "options"): [OPTIONS, [{**OPTIONS[0], "label": "Omega"}], [{**OPTIONS[0], "description": "The first"}]],
    ("DatePicker", "defaultValue"): ["2026-01-02T00:00:00", "2026-02-03T00:00:00"],
    ("Divider", "color"): ["subtle", "strong", *_COLOR],
    ("Divider", "size"): [3, "0.5rem"],
    ("Spacer", "minSize"): [40, "5rem"],
    ("Markdown", "value"): ["*One*", "**One**"],
    ("Box", "children"): [],
    ("Chart", "series"): [
        *([{"type": kind, "dataKey": "in", "label": "In"}] for kind in ("bar", "line", "area")),
        [{"type": "bar", "dataKey": "in", "label": "In", "color": "green"}],
        [{"type": "bar", "dataKey": "in", "label": "In", "color": "red-700"}],
        *(
            [{"type": kind, "dataKey": key, "label": key, "stack": "s"} for key in ("in", "out")]
            for kind in ("bar", "area")
        ),
    ],
}
# What no picture shows. The tests of actions, of forms and of growing texts cover them.
BEHAVIOUR = {
    ("Button", "onClickAction"): "it is sent by a click",
    ("Button", "submit"): "a click submits the form",
    ("Checkbox", "onChangeAction"): "it is sent by a change",
    ("DatePicker", "onChangeAction"): "it is sent by a change",
    ("DatePicker", "side"): "the platform places its calendar",
    ("DatePicker", "align"): "the platform places its calendar",
    ("Form", "onSubmitAction"): "it is sent by a submission",
    ("Input", "autoSelect"): "the text is selected when the field appears",
    ("Markdown", "streaming"): "the text grows",
    ("RadioGroup", "onChangeAction"): "it is sent by a change",
    ("Select", "onChangeAction"): "it is sent by a change",
    ("Textarea", "autoSelect"): "the text is selected when the field appears",
    ("Textarea", "pattern"): "it is checked by a script, as HTML has none for a textarea",
}


@dataclass(frozen=True)
class Case:
    """The versions of a component that differ in the values of one prop."""

    component: str
    prop: str
    values: tuple[Any, ...]
    widgets: tuple[Node, ...]


def components() -> dict[str, Any]:
    """Return the schema of each component by its type."""
    found: dict[str, Any] = read_components()["components"]
    return found


def cases() -> Iterator[Case]:
    """Return a case for each prop of each component of the SDK; a prop without known values is an error."""
    definitions = read_components()["definitions"]
    for component, schema in sorted(components().items()):
        for prop, declared in schema["properties"].items():
            if prop in ("type", "key", "id", "children", "theme"):
                continue
            values = SAMPLES_OF.get((component, prop)) or _closed(declared, definitions) or SAMPLES.get(prop)
            if values is None and prop.endswith("Action"):
                values = [None, ACTION]
            assert values, f"no values for {component}.{prop}: {declared}"
            base = {"type": component, **BASES[component], **WITH.get((component, prop), {})}
            yield Case(component, prop, tuple(values), tuple(framed({**base, prop: value}) for value in values))


def _closed(schema: Node, definitions: Node) -> list[Any]:
    """Return the values of a closed set, a boolean included; none where any other value is allowed beside them."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    if "enum" in schema:
        return list(schema["enum"])
    if schema.get("type") == "boolean":
        return [False, True]
    branches = [branch for branch in schema.get("anyOf", []) if branch.get("type") != "null"]
    # Names of icons are a closed set beside the patterns of other icon sets.
    sets = [_closed(branch, definitions) for branch in branches if "pattern" not in branch]
    return [value for values in sets for value in values] if all(sets) else []


def framed(node: Node) -> Node:
    """Return a root that has a component where it can show what it does."""
    kind = node["type"]
    node = {key: value for key, value in node.items() if value is not None}
    if kind in ("Card", "ListView", "Basic"):
        return node
    if kind == "ListViewItem":
        return {"type": "ListView", "children": [node]}
    neighbour = {"type": "Text", "value": "beside", "size": "sm"}
    direction = "Row" if kind in ("Spacer", "Badge", "Icon", "Button") else "Col"
    inner = {"type": direction, "height": 260, "align": "stretch", "children": [node, neighbour]}
    return {"type": "Card", "children": [inner] if kind != "Image" and kind != "Divider" else [node, neighbour]}
