"""Twelve widgets as assistants send them; the tests draw each, light and dark, and the docs show their pictures."""

from __future__ import annotations

from typing import Any


def _text(value: str, **props: Any) -> dict[str, Any]:
    return {"type": "Text", "value": value, **props}


def _row(*children: dict[str, Any], **props: Any) -> dict[str, Any]:
    return {"type": "Row", "children": list(children), **props}


def _col(*children: dict[str, Any], **props: Any) -> dict[str, Any]:
    return {"type": "Col", "children": list(children), **props}


def _action(kind: str, **payload: Any) -> dict[str, Any]:
    return {"type": kind, "payload": payload}


_GAP = {"type": "Spacer"}
_PHOTO = (
    "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 480 200' preserveAspectRatio='none'>"
    "<rect width='480' height='200' fill='%237fb2e5'/><circle cx='390' cy='60' r='28' fill='%23ffe08a'/>"
    "<path d='M0 150 L110 70 L190 130 L290 40 L480 160 L480 200 L0 200Z' fill='%23517a5b'/>"
    "<path d='M0 175 Q120 150 240 175 T480 170 L480 200 L0 200Z' fill='%23375f45'/></svg>"
)


def _stop(time: str, place: str, gate: str) -> dict[str, Any]:
    return _col(
        {"type": "Caption", "value": gate},
        {"type": "Title", "value": time, "size": "md"},
        _text(place, size="sm", color="secondary"),
        gap=0,
    )


def _person(name: str, role: str, color: str) -> dict[str, Any]:
    initials = "".join(part[0] for part in name.split())
    avatar = {
        "type": "Box",
        "size": 36,
        "radius": "full",
        "background": f"{color}-100",
        "align": "center",
        "justify": "center",
        "children": [_text(initials, size="sm", weight="semibold", color=f"{color}-800")],
    }
    return {
        "type": "ListViewItem",
        "onClickAction": _action("open", name=name),
        "children": [
            avatar,
            _col(_text(name, weight="medium"), {"type": "Caption", "value": role}, gap=0, flex=1),
            {"type": "Icon", "name": "chevron-right", "color": "tertiary"},
        ],
    }


def _cell(value: str, **props: Any) -> dict[str, Any]:
    return {"type": "Table.Cell", "children": [_text(value, size="sm")], **props}


_MONTHS = [
    {"month": "Jan", "desktop": 186, "mobile": 80},
    {"month": "Feb", "desktop": 305, "mobile": 200},
    {"month": "Mar", "desktop": 237, "mobile": 120},
    {"month": "Apr", "desktop": 73, "mobile": 190},
    {"month": "May", "desktop": 209, "mobile": 130},
    {"month": "Jun", "desktop": 264, "mobile": 140},
]

_SUMMARY = """## What changed

The plan has **three** parts, see [the docs](https://example.com/docs):

1. measure
2. cut
   - only `once`
3. glue

> Wait for it to dry.

```python
print('done')
```
"""

SAMPLES: dict[str, dict[str, Any]] = {
    "order": {
        "type": "Card",
        "size": "sm",
        "status": {"text": "Order 4711", "icon": "suitcase"},
        "children": [
            _row(_text("Blue kettle", weight="medium"), _GAP, _text("€ 39.00")),
            _row(_text("Two mugs", weight="medium"), _GAP, _text("€ 18.00")),
            {"type": "Divider", "flush": True},
            _row(_text("Total", color="secondary"), _GAP, {"type": "Title", "value": "€ 57.00", "size": "sm"}),
        ],
        "confirm": {"label": "Buy", "action": _action("buy", order=4711)},
        "cancel": {"label": "Not now", "action": _action("cancel")},
    },
    "form": {
        "type": "Card",
        "children": [
            {"type": "Title", "value": "Book a table"},
            {
                "type": "Form",
                "onSubmitAction": _action("book"),
                "children": [
                    _col(
                        {"type": "Label", "value": "Name", "fieldName": "name"},
                        {
                            "type": "Input",
                            "name": "name",
                            "required": True,
                            "placeholder": "As it is to be on the list",
                        },
                        gap=1,
                    ),
                    _row(
                        _col(
                            {"type": "Label", "value": "Day", "fieldName": "day"},
                            {"type": "DatePicker", "name": "day", "block": True, "placeholder": "Pick a day"},
                            gap=1,
                            flex=1,
                        ),
                        _col(
                            {"type": "Label", "value": "Time", "fieldName": "time"},
                            {
                                "type": "Select",
                                "name": "time",
                                "block": True,
                                "clearable": True,
                                "defaultValue": "19",
                                "options": [{"value": "18", "label": "18:00"}, {"value": "19", "label": "19:00"}],
                            },
                            gap=1,
                            flex=1,
                        ),
                        align="start",
                        gap=3,
                    ),
                    _col(
                        {"type": "Label", "value": "Where", "fieldName": "where"},
                        {
                            "type": "RadioGroup",
                            "name": "where",
                            "defaultValue": "in",
                            "options": [
                                {"value": "in", "label": "Inside"},
                                {"value": "out", "label": "On the terrace"},
                            ],
                        },
                        gap=1,
                    ),
                    {"type": "Textarea", "name": "note", "placeholder": "Anything else?", "rows": 2},
                    {"type": "Checkbox", "name": "news", "label": "Tell me about changes", "defaultChecked": True},
                    _row(
                        {"type": "Button", "submit": True, "label": "Book", "style": "primary"},
                        {
                            "type": "Button",
                            "label": "Cancel",
                            "onClickAction": _action("cancel"),
                            "variant": "ghost",
                            "color": "secondary",
                        },
                    ),
                ],
            },
        ],
    },
    "flight": {
        "type": "Card",
        "size": "md",
        "children": [
            _row(
                {"type": "Icon", "name": "globe", "color": "blue-500"},
                _text("KE 907", weight="medium"),
                _GAP,
                {"type": "Badge", "label": "On time", "color": "success"},
            ),
            {"type": "Divider", "flush": True},
            _row(
                _stop("13:05", "Seoul", "Gate 23"),
                _GAP,
                _col(
                    {"type": "Icon", "name": "compass", "color": "tertiary"},
                    {"type": "Caption", "value": "14 h 20"},
                    align="center",
                    gap=1,
                ),
                _GAP,
                _stop("18:25", "London", "Terminal 4"),
            ),
        ],
    },
    "people": {
        "type": "ListView",
        "limit": 3,
        "status": {"text": "Five people in the team", "icon": "user"},
        "children": [
            _person("Ada Park", "Design", "purple"),
            _person("Ben Okafor", "Engineering", "green"),
            _person("Chloé Martin", "Support", "orange"),
            _person("Dai Nguyen", "Sales", "blue"),
            _person("Eva Lind", "Legal", "pink"),
        ],
    },
    "chart": {
        "type": "Card",
        "children": [
            _row(
                {"type": "Title", "value": "Visits", "size": "sm"},
                _GAP,
                {"type": "Caption", "value": "January to June"},
            ),
            {
                "type": "Chart",
                "data": _MONTHS,
                "xAxis": "month",
                "showYAxis": True,
                "showLegend": True,
                "series": [
                    {"type": "bar", "dataKey": "desktop", "label": "Desktop"},
                    {"type": "bar", "dataKey": "mobile", "label": "Mobile"},
                ],
            },
        ],
    },
    "areas": {
        "type": "Card",
        "children": [
            {"type": "Title", "value": "Traffic", "size": "sm"},
            {
                "type": "Chart",
                "data": _MONTHS,
                "xAxis": {"dataKey": "month"},
                "showYAxis": True,
                "showLegend": True,
                "aspectRatio": 2,
                "series": [
                    {"type": "area", "dataKey": "desktop", "label": "Desktop", "stack": "all", "curveType": "monotone"},
                    {"type": "area", "dataKey": "mobile", "label": "Mobile", "stack": "all", "curveType": "monotone"},
                    {"type": "line", "dataKey": "mobile", "label": "Trend", "color": "red", "curveType": "natural"},
                ],
            },
        ],
    },
    "table": {
        "type": "Card",
        "size": "lg",
        "children": [
            {"type": "Title", "value": "Invoices", "size": "sm"},
            {
                "type": "Table",
                "children": [
                    {
                        "type": "Table.Row",
                        "header": True,
                        "children": [_cell("Number"), _cell("Customer"), _cell("State"), _cell("Amount", align="end")],
                    },
                    *(
                        {
                            "type": "Table.Row",
                            "children": [
                                _cell(number),
                                _cell(name),
                                {"type": "Table.Cell", "children": [{"type": "Badge", "label": state, "color": color}]},
                                _cell(amount, align="end"),
                            ],
                        }
                        for number, name, state, color, amount in (
                            ("2026-014", "Café Lumière", "paid", "success", "€ 1,240.00"),
                            ("2026-015", "Studio Nord", "open", "info", "€ 310.50"),
                            ("2026-016", "Harbour Books", "overdue", "danger", "€ 96.00"),
                        )
                    ),
                ],
            },
        ],
    },
    "mail": {
        "type": "Card",
        "asForm": True,
        "status": {"text": "Draft", "icon": "mail"},
        "children": [
            {
                "type": "Text",
                "value": "Dinner on Friday",
                "weight": "semibold",
                "size": "lg",
                "editable": {"name": "mail.subject", "required": True},
            },
            {"type": "Divider", "flush": True},
            {
                "type": "Text",
                "value": "Hi Ada,\nthe table is booked for 19:00.\nSee you there!",
                "minLines": 4,
                "editable": {"name": "mail.body", "required": True, "placeholder": "Your message"},
            },
        ],
        "confirm": {"label": "Send", "action": _action("send")},
        "cancel": {"label": "Discard", "action": _action("discard")},
    },
    "place": {
        "type": "Card",
        "size": "sm",
        "children": [
            {"type": "Image", "src": _PHOTO, "alt": "Hills and a river", "height": 150, "flush": True},
            _row(
                {"type": "Title", "value": "Green valley", "size": "sm"},
                _GAP,
                {"type": "Icon", "name": "star-filled", "color": "yellow-500"},
                _text("4.7", weight="medium"),
            ),
            _text(
                "A walk of two hours along the river, with a café at its end.", color="secondary", size="sm", maxLines=2
            ),
            _row(
                {"type": "Badge", "label": "Easy", "color": "success", "pill": True},
                {"type": "Badge", "label": "6 km", "variant": "outline", "pill": True},
                {"type": "Badge", "label": "New", "color": "discovery", "variant": "solid", "pill": True},
            ),
            {
                "type": "Button",
                "label": "Show the map",
                "iconStart": "map-pin",
                "block": True,
                "onClickAction": _action("map"),
            },
        ],
    },
    "weather": {
        "type": "Card",
        "size": "sm",
        "theme": "dark",
        "padding": 5,
        "background": "linear-gradient(160deg, #1f6fb8, #3f4fa8)",
        "children": [
            _row(
                _col(
                    {"type": "Caption", "value": "Lisbon", "color": "white", "size": "lg"},
                    {"type": "Title", "value": "21°", "size": "3xl"},
                    gap=1,
                ),
                _GAP,
                {"type": "Icon", "name": "sparkle", "size": "3xl"},
            ),
            _row(
                *(
                    _col(
                        {"type": "Caption", "value": day, "color": "white"},
                        {"type": "Icon", "name": "bolt"},
                        _text(high, weight="medium"),
                        align="center",
                        gap=1,
                    )
                    for day, high in (("Mon", "21°"), ("Tue", "23°"), ("Wed", "19°"), ("Thu", "20°"))
                ),
                justify="between",
                margin={"top": 4},
            ),
        ],
    },
    "buttons": {
        "type": "Card",
        "children": [
            *(
                _row(
                    *(
                        {"type": "Button", "label": variant.title(), "variant": variant, "color": color, "size": "sm"}
                        for variant in ("solid", "soft", "outline", "ghost")
                    ),
                    wrap="wrap",
                )
                for color in ("primary", "secondary", "info", "success", "warning", "danger", "discovery")
            ),
            _row(
                {
                    "type": "Button",
                    "label": "Start",
                    "iconStart": "play",
                    "style": "primary",
                    "size": "lg",
                    "pill": False,
                },
                {"type": "Button", "iconStart": "plus", "size": "lg"},
                {"type": "Button", "label": "Off", "disabled": True, "size": "lg"},
            ),
        ],
    },
    "answer": {
        "type": "Card",
        "collapsed": False,
        "status": {"text": "Summary", "icon": "sparkle"},
        "children": [
            {
                "type": "Markdown",
                "value": _SUMMARY,
            },
            {
                "type": "Transition",
                "children": {
                    "type": "Box",
                    "key": "a",
                    "padding": 3,
                    "radius": "lg",
                    "background": "surface-secondary",
                    "children": [_text("A box with a background", size="sm")],
                },
            },
        ],
    },
}
