"""Component trees written in Python: a fault that every call has is found at its key, whatever else is computed."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.config.load import load_config
from runtime.validation.project import check_project

CONFIG = """version: 1
models: {default: {name: gpt-6-luna, api_key: none}}
agents: {guide: {instructions: Hi, tools: [app:show, card]}}
tools: {card: {widget: card}}
widgets: {card: {python: app:draw}}
"""
APP = """from typing import Any
from agents import RunContextWrapper
from runtime import RuntimeContext

def draw(data: dict[str, Any]) -> dict[str, Any]:
    %s

def rows() -> list[dict[str, Any]]:
    return []

async def show(ctx: RunContextWrapper[RuntimeContext], name: str, size: str) -> str:
    context = ctx.context
    more = rows()
    %s
    return name
"""
FINE = 'return {"type": "Card", "children": []}'


def report(project: Path, show: str = "pass", draw: str = FINE, config: str = CONFIG) -> list[str]:
    """Return the diagnostics, with the text of the source that each one is at."""
    source = APP % (draw.replace("\n", "\n    "), show.replace("\n", "\n    "))
    (project / "agents.yaml").write_text(config)
    (project / "app.py").write_text(source)
    lines = []
    for each in check_project(load_config(project, environ={})):
        if each.severity == "note":
            continue
        assert each.place.file == "app.py", each
        rest = source.splitlines()[each.place.line - 1][each.place.column - 1 :]
        lines.append(f"{each.severity} {each.code} at {rest[: each.length] if each.length > 1 else rest[:8]}: {each}")
    return lines


@pytest.mark.parametrize(
    ("show", "code", "at", "words"),
    [
        ('await context.stream_widget({"type": "Crad", "children": []})', "A412", '"Crad"', "(did you mean 'Card'?)"),
        (
            'await ctx.context.stream_widget({"type": "Card", "children": [{"type": "Text", "valeu": name}]})',
            "A413",
            '"valeu"',
            "'Text' has no property 'valeu' (did you mean 'value'?)",
        ),
        (
            'await context.stream_widget(widget={"type": "Card", "children": [*more, {"type": "Txet", "value": "x"}]})',
            "A412",
            '"Txet"',
            "there is no component 'Txet'",
        ),
        (
            'await context.update_widget("w1", {"type": "Card", "size": "huge", "children": []})',
            "A414",
            '"huge"',
            "'size' of 'Card'",
        ),
        (
            'await context.render({"type": "Card", "children": [{"type": "Button", "onClickAction": {}}]})',
            "A415",
            "{}",
            "needs 'onClickAction.type'",
        ),
        (
            'tree = {"type": "Card", "childern": []}\nawait context.stream_widget(tree)',
            "A413",
            '"childern"',
            "'childern'",
        ),
        (
            'await context.stream_widget({"type": "widget", "widget": {"type": "Card", "x": 1, "children": []}})',
            "A413",
            '"x"',
            "'Card' has no property 'x'",
        ),
        (
            'await context.stream_widget({"sections": [{"type": "table", "title": name, "row": {}}]})',
            "A410",
            '"row"',
            "unknown key 'row'",
        ),
        (
            'await context.stream_widget({"type": "widget", "widgets": 1, "widget": {"type": "Card", "children": []}})',
            "A410",
            "1",
            "unknown key 'widgets'",
        ),
        ('await context.stream_widget({"type": "Text", "value": "x"})', "A414", '"Text"', "can't be the root"),
    ],
)
def test_a_fault_that_every_call_has_is_found_at_its_place(
    tmp_path: Path, show: str, code: str, at: str, words: str
) -> None:
    (line,) = report(tmp_path, show)
    assert line.startswith(f"error {code} at {at[:8]}"), line
    assert words in line


def test_a_renderer_that_returns_a_wrong_tree_is_found(tmp_path: Path) -> None:
    draw = 'if data:\n    return {"type": "Card", "children": [{"type": "Txt", "value": str(data)}]}\n' + FINE
    (line,) = report(tmp_path, draw=draw)
    assert "there is no component 'Txt' (did you mean 'Text'?)" in line


@pytest.mark.parametrize(
    "show",
    [
        'await context.stream_widget({"type": "Card", "children": [{"type": size, "valeu": name}]})',
        'await context.stream_widget({"type": "Card", "size": size, "children": more})',
        'await context.stream_widget({"type": "Card", "children": [{"type": "Text", "valeu": 1, **more[0]}]})',
        'await context.stream_widget({"type": "Card", "children": [{"type": "Text", "value": f"Hi {name}"}]})',
        'await context.stream_widget({"type": "Card", "children": [x for x in more]})',
        "await context.stream_widget({size: name})",
        'await context.stream_widget({"type": "Card"})',
        'await context.render({"type": "Card", "padding": -1 + 2, "children": [{"type": "Text", "value": "{x}"}]})',
        'await context.stream_widget({"sections": [{"type": "table", "rows": {"a": 1, "b": name}}]}, copy_text=name)',
        'await context.stream_widget({"sections": [{"type": "table", "rows": more}, *more]})',
        'await context.stream_widget({"type": "widget", "widget": more[0], "copy_text": name})',
        'await context.stream_widget({"type": "ListView", "children": ({"type": "ListViewItem", "children": more},)})',
        'tree = {"type": "Card", "childern": []}\ntree["children"] = tree.pop("childern")\nawait context.render(tree)',
        'await print({"type": "Crad"})  # type: ignore',
        'other: Any = more\nawait other.stream_widget({"type": "Crad"})',
    ],
)
def test_what_may_be_a_widget_is_not_refused(tmp_path: Path, show: str) -> None:
    assert report(tmp_path, show) == []


def test_a_renderer_may_compute_its_tree(tmp_path: Path) -> None:
    draw = 'def inner():\n    return {"type": "Nothing"}\ntree = inner()\nreturn tree or {"type": data["kind"], **data}'
    assert report(tmp_path, draw=draw) == []


def test_a_misspelt_component_of_ones_own_is_found_in_a_tree_in_python(tmp_path: Path) -> None:
    tree = '{"type": "Card", "children": [{"type": "acme-mpa"}, {"type": "acme-map"}, {"type": "acme-" + name}]}'
    (line,) = report(
        tmp_path,
        f"await context.stream_widget({tree})",
        config=f"{CONFIG}chat: {{components: {{acme-map: /m.html}}}}\n",
    )
    assert line.startswith('warning A412 at "acme-mp: ')
    assert "did you mean 'acme-map'?" in line
