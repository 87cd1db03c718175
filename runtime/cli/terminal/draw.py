"""Draw a widget as text: the component tree becomes Rich renderables, and each action gets a number.

The tree comes from any server and is not trusted: an unknown component is drawn as its name and its children, and
control characters are removed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from runtime.cli.display import plain

Node = dict[str, Any]
_DEEPEST = 40
_COLOURS = {
    "success": "green",
    "warning": "yellow",
    "caution": "yellow",
    "danger": "red",
    "info": "cyan",
    "discovery": "magenta",
    "secondary": "dim",
    "tertiary": "dim",
}


@dataclass(frozen=True, slots=True)
class FormField:
    """An input of a form. Its value is sent under `name`; `options` are the allowed values, if limited."""

    name: str
    label: str
    default: Any = None
    options: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """Something to click: an action with its payload, and the inputs whose values are sent with it."""

    label: str
    action: str
    payload: Any = None
    handler: str = "server"
    streaming: bool = True
    fields: tuple[FormField, ...] = ()
    item_id: str = ""
    """The id of the widget's item, once the widget is part of a conversation."""


@dataclass(slots=True)
class DrawnWidget:
    """A widget as text, and its choices in the order of their numbers."""

    body: RenderableType
    choices: list[Choice] = field(default_factory=list)


def draw_widget(root: Node, first: int = 1) -> DrawnWidget:
    """Draw a widget; its choices are numbered from `first`."""
    painter = _Painter(first)
    return DrawnWidget(painter.draw(root), painter.choices)


class _Painter:
    """Draws a component with the method that is named after its type."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._depth = 0
        self.choices: list[Choice] = []
        self._fields: list[FormField] = []

    def draw(self, node: Any) -> RenderableType:
        if not isinstance(node, dict):
            return Text(plain(node))
        if self._depth > _DEEPEST:
            return Text("…")
        kind = str(node.get("type", ""))
        if draw_leaf := _LEAVES.get(kind):
            return draw_leaf(node)
        draw: Callable[[Node], RenderableType] = getattr(self, f"draw_{kind}", self._unknown)
        return draw(node)

    def _children(self, node: Node) -> list[RenderableType]:
        children = node.get("children")
        nodes = children if isinstance(children, list) else [children]
        self._depth += 1
        drawn = [self.draw(child) for child in nodes if child is not None]
        self._depth -= 1
        return drawn

    def _add_choice(self, label: Any, config: Any, fields: Sequence[FormField] = ()) -> str:
        """Add a choice and return its number, such as `/1`; return an empty string if there is no action."""
        if not isinstance(config, dict) or not config.get("type"):
            return ""
        self.choices.append(
            Choice(
                label=plain(label or config["type"]),
                action=str(config["type"]),
                payload=config.get("payload"),
                handler=str(config.get("handler") or "server"),
                streaming=config.get("streaming") is not False,
                fields=tuple(fields),
            )
        )
        return f"/{self._first + len(self.choices) - 1}"

    def _in_form(self, node: Node) -> tuple[list[RenderableType], list[FormField], int]:
        """Draw the children of a form, and give its fields to every choice among them.

        Return the children, the fields and the number of choices before the form.
        """
        outer, self._fields = self._fields, []
        before = len(self.choices)
        children = self._children(node)
        fields, self._fields = self._fields, outer
        for index in range(before, len(self.choices)):
            choice = self.choices[index]
            own = {own_field.name for own_field in choice.fields}
            others = tuple(other for other in fields if other.name not in own)
            self.choices[index] = replace(choice, fields=choice.fields + others)
        return children, fields, before

    # Roots and containers

    def draw_Card(self, node: Node) -> RenderableType:
        fields: list[FormField] = []
        if node.get("asForm"):
            children, fields, before = self._in_form(node)
            confirm = node.get("confirm")
            self._set_submit_action(before, confirm.get("action") if isinstance(confirm, dict) else None, fields)
        else:
            children = self._children(node)
        footer = Text()
        for key in ("confirm", "cancel"):
            part = node.get(key)
            if isinstance(part, dict):
                number = self._add_choice(part.get("label"), part.get("action"), fields)
                footer.append_text(_button(part.get("label"), number, bold=key == "confirm")).append("  ")
        body = Group(*children, *([footer] if footer else []))
        return Panel(body, title=_status(node), title_align="left", box=box.ROUNDED, padding=(0, 1))

    def draw_ListView(self, node: Node) -> RenderableType:
        return Panel(Group(*self._children(node)), title=_status(node), title_align="left", box=box.ROUNDED)

    def draw_ListViewItem(self, node: Node) -> RenderableType:
        start = len(self.choices)
        number = self._add_choice(None, node.get("onClickAction"))
        children = self._children(node)
        if number:
            label = next((text for child in children if (text := _first_line(child))), "")
            self.choices[start] = replace(self.choices[start], label=label or self.choices[start].label)
        grid = Table.grid(padding=(0, 1))
        grid.add_row(Text(f"[{number}]", style="cyan") if number else Text("•"), Group(_line_up(children)))
        return grid

    def draw_Col(self, node: Node) -> RenderableType:
        return Group(*self._children(node))

    def draw_Row(self, node: Node) -> RenderableType:
        return _line_up(self._children(node))

    draw_Basic = draw_Transition = draw_Col

    def draw_Box(self, node: Node) -> RenderableType:
        return _line_up(self._children(node)) if node.get("direction") == "row" else self.draw_Col(node)

    def draw_Form(self, node: Node) -> RenderableType:
        children, fields, before = self._in_form(node)
        body = _line_up(children) if node.get("direction") == "row" else Group(*children)
        config = node.get("onSubmitAction")
        if self._set_submit_action(before, config, fields):
            return body
        number = self._add_choice("Submit", config, fields)
        return Group(body, _button("Submit", number, bold=True)) if number else body

    def _set_submit_action(self, before: int, config: Any, fields: Sequence[FormField]) -> bool:
        """Give the form's action to the submit buttons among the choices from `before`; return whether there is one."""
        submits = [index for index in range(before, len(self.choices)) if not self.choices[index].action]
        for index in submits:
            if self._add_choice(self.choices[index].label, config, fields):
                self.choices[index] = self.choices.pop()
        return bool(submits)

    # Text

    def draw_Text(self, node: Node) -> RenderableType:
        editable: Node = node["editable"] if isinstance(node.get("editable"), dict) else {}
        if editable.get("name"):
            self._add_field(editable, default=node.get("value"))
        return _value(node, f"{_style(node)} {'underline' if editable.get('name') else ''}")

    # What can be clicked or filled in

    def draw_Button(self, node: Node) -> RenderableType:
        label = node.get("label") or node.get("iconStart") or node.get("iconEnd") or "button"
        if node.get("disabled"):
            return Text(f"[{plain(label)}]", style="dim strike")
        number = self._add_choice(label, node.get("onClickAction"))
        if not number and node.get("submit"):
            # `_set_submit_action` replaces it by the action of the form.
            self.choices.append(Choice(plain(label), ""))
            number = f"/{self._first + len(self.choices) - 1}"
        return _button(label, number, bold=node.get("style") == "primary")

    def draw_Checkbox(self, node: Node) -> RenderableType:
        checked = bool(node.get("defaultChecked"))
        field_ = self._add_field(node, default=checked, options=("true", "false"))
        mark = Text(f"[{'x' if checked else ' '}] {plain(node.get('label') or node.get('name'))}")
        return self._with_change(mark, node, field_)

    def draw_Input(self, node: Node) -> RenderableType:
        default = node.get("defaultValue")
        field_ = self._add_field(node, default=default)
        shown = plain(default) or plain(node.get("placeholder")) or " " * 12
        if node.get("inputType") == "password":
            shown = "•" * len(plain(default)) or shown
        line = Text(f"{plain(node.get('name'))}: ", style="dim")
        return self._with_change(line.append(shown, style="underline"), node, field_)

    draw_Textarea = draw_DatePicker = draw_Input

    def draw_Select(self, node: Node) -> RenderableType:
        options = [option for option in _list(node.get("options")) if isinstance(option, dict)]
        values = tuple(str(option.get("value")) for option in options if not option.get("disabled"))
        default = node.get("defaultValue")
        field_ = self._add_field(node, default=default, options=values)
        line = Text(f"{plain(node.get('ariaLabel') or node.get('placeholder') or node.get('name'))}: ", style="dim")
        for option in options:
            mark = "(x) " if option.get("value") == default else "( ) "
            line.append(f"{mark}{plain(option.get('label') or option.get('value'))}  ", style="none")
        return self._with_change(line, node, field_)

    draw_RadioGroup = draw_Select

    def _with_change(self, line: Text, node: Node, field_: FormField | None) -> Text:
        number = self._add_choice(
            node.get("label") or node.get("name"), node.get("onChangeAction"), [field_] if field_ else []
        )
        return line.append(f" [{number}]", style="cyan") if number else line

    def _add_field(self, node: Node, *, default: Any, options: tuple[str, ...] = ()) -> FormField | None:
        if not node.get("name") or node.get("disabled"):
            return None
        name = str(node["name"])
        label = plain(node.get("label") or node.get("ariaLabel") or name)
        field_ = FormField(name, label, default, options, bool(node.get("required")))
        self._fields.append(field_)
        return field_

    def _unknown(self, node: Node) -> RenderableType:
        shown = plain(node.get("value") or node.get("label") or node.get("title"))
        name = Text(f"<{plain(node.get('type')) or 'nothing'}> {shown}".strip(), style="dim")
        children = self._children(node)
        return Group(name, Padding(Group(*children), (0, 0, 0, 2))) if children else name


class _Gap(Text):
    """A Spacer: aligns the following parts of a row to the right."""


def _line_up(parts: list[RenderableType]) -> RenderableType:
    """Put parts next to each other: texts in one line that wraps, others in columns."""
    parts = [part for part in parts if not (isinstance(part, Text) and not part and not isinstance(part, _Gap))]
    if all(isinstance(part, Text) and not isinstance(part, _Gap) for part in parts):
        return Text("  ").join([part for part in parts if isinstance(part, Text)])
    grid = Table.grid(padding=(0, 2), expand=any(isinstance(part, _Gap) for part in parts))
    for part in parts:
        grid.add_column(ratio=1 if isinstance(part, _Gap) else None)
    grid.add_row(*parts)
    return grid


def _value(node: Node, style: str) -> Text:
    justify: Any = {"center": "center", "end": "right"}.get(str(node.get("textAlign")))
    return Text(plain(node.get("value")), style=style.strip(), justify=justify)


def _image(node: Node) -> RenderableType:
    address, alt = short_address(plain(node.get("src"))), plain(node.get("alt"))
    return Text(f"[image: {alt} — {address}]" if alt else f"[image: {address}]", style="dim")


def short_address(address: str) -> str:
    """Return a URL, or the start of a long one, such as an image in a `data:` URL."""
    return address if len(address) <= 200 else f"{address[:60]}… ({len(address)} characters)"


def _chart(node: Node) -> RenderableType:
    axis = node["xAxis"] if isinstance(node.get("xAxis"), dict) else {"dataKey": node.get("xAxis")}
    key, names = axis.get("dataKey"), axis.get("labels")
    series = [item for item in _list(node.get("series")) if isinstance(item, dict)]
    table = Table(box=box.SIMPLE, show_edge=False)
    table.add_column(plain(key))
    for item in series:
        table.add_column(plain(item.get("label") or item.get("dataKey")), justify="right")
    for row in _list(node.get("data")):
        if isinstance(row, dict):
            name = row.get(str(key), "")
            shown = names.get(str(name), name) if isinstance(names, dict) else name
            table.add_row(plain(shown), *(plain(row.get(str(item.get("dataKey")), "")) for item in series))
    return table


def _button(label: Any, number: str, *, bold: bool = False) -> Text:
    text = Text(f"[{plain(label)}]", style="bold" if bold else "")
    return text.append(f" {number}", style="cyan") if number else text


def _status(node: Node) -> Text | None:
    status = node.get("status")
    return Text(plain(status.get("text")), style="dim") if isinstance(status, dict) and status.get("text") else None


def _style(node: Node) -> str:
    parts = [_COLOURS.get(str(node.get("color")), "")]
    parts += ["bold"] * (node.get("weight") in ("semibold", "bold"))
    parts += ["italic"] * bool(node.get("italic")) + ["strike"] * bool(node.get("lineThrough"))
    return " ".join(part for part in parts if part)


def _first_line(part: RenderableType) -> str:
    if isinstance(part, Text):
        return part.plain.strip().partition("\n")[0]
    if isinstance(part, Group):
        return next((line for child in part.renderables if (line := _first_line(child))), "")
    return ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


_LEAVES: dict[str, Callable[[Node], RenderableType]] = {
    "Title": lambda node: _value(node, f"bold {_style(node)}"),
    "Caption": lambda node: _value(node, _style(node) or "dim"),
    "Markdown": lambda node: Markdown(plain(node.get("value")), hyperlinks=False),
    "Badge": lambda node: Text(f"({plain(node.get('label'))})", style=_COLOURS.get(str(node.get("color")), "bold")),
    "Icon": lambda node: Text(f"<{plain(node.get('name'))}>", style="dim"),
    "Label": lambda node: Text(f"{plain(node.get('value'))}:", style="dim"),
    "Divider": lambda node: Rule(style="dim"),
    "Spacer": lambda node: _Gap(),
    "Image": _image,
    "Chart": _chart,
}
