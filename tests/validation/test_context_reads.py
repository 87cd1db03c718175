"""Widgets that helpers show by a literal name: reported where the object certainly is the turn's context."""

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
    return {"type": "Card", "children": []}

async def show(ctx: RunContextWrapper[RuntimeContext]) -> str:
    return ""

"""


def report(folder: Path, helpers: str) -> list[str]:
    (folder / "agents.yaml").write_text(CONFIG)
    (folder / "app.py").write_text(APP + helpers)
    return [each.code for each in check_project(load_config(folder, environ={})) if each.severity == "error"]


@pytest.mark.parametrize(
    "helper",
    [
        "async def helper(context):\n    await context.show_widget({})\n",
        "async def helper(ctx):\n    await ctx.context.show_widget({}, {{}})\n",
        "async def helper(chat_context):\n    await chat_context.show_widget(name={})\n",
        "class Own(RuntimeContext):\n    async def show_list(self):\n        await self.show_widget({})\n",
        "class Own(RuntimeContext): ...\nasync def helper(it: Own):\n    await it.render({})\n",
        "class Own(RuntimeContext): ...\nasync def f(c: RunContextWrapper[Own]):\n    await c.context.render({})\n",
    ],
)
def test_a_helper_that_shows_a_widget_by_a_wrong_name_is_reported(tmp_path: Path, helper: str) -> None:
    assert report(tmp_path, helper.format("'crad'")) == ["A333"]
    assert report(tmp_path, helper.format("'card'")) == []


@pytest.mark.parametrize(
    "helper",
    [
        "async def helper(panel):\n    await panel.show_widget('crad')\n",
        "async def helper(context: Any):\n    await context.show_widget('crad')\n",
        "async def helper(context):\n    context = draw\n    await context.show_widget('crad')\n",
        "class P:\n    def show_widget(self, n): ...\nasync def f(context):\n    await context.show_widget('crad')\n",
        "async def helper(context):\n    await context.render('crad')\n",
        "class C(RuntimeContext):\n    @staticmethod\n    async def f(self):\n        await self.show_widget('crad')\n",
        "class Own(RuntimeContext):\n    async def f(self):\n        return self.anything\n",
        "class Own:\n    async def f(self):\n        await self.show_widget('crad')\n",
    ],
)
def test_nothing_is_said_of_what_may_be_another_object(tmp_path: Path, helper: str) -> None:
    assert report(tmp_path, helper) == []


MAKER = """
from agents import function_tool

def make(kind, note=None):
    async def made(ctx: RunContextWrapper[Any], day: str) -> str:
        {body}
        return ""
    return function_tool(made)
"""


def bound(folder: Path, body: str, value: str) -> list[str]:
    config = CONFIG.replace("tools: {", f"tools: {{made: {{factory: 'app:make', with: {{kind: {value}}}}}, ")
    (folder / "agents.yaml").write_text(config.replace("card]", "card, made]"))
    (folder / "app.py").write_text(APP + MAKER.format(body=body))
    return [str(each) for each in check_project(load_config(folder, environ={})) if each.severity == "error"]


@pytest.mark.parametrize("value", ["crad", "null", "''"])
def test_a_wrong_name_that_with_binds_is_reported_at_its_value(tmp_path: Path, value: str) -> None:
    body = "await ctx.context.show_widget(kind, {})"
    (line,) = bound(tmp_path, body, value)
    assert line.startswith("agents.yaml:4:")
    assert "A333: there is no widget" in line
    assert line.endswith("[tools.made.with.kind]")
    assert bound(tmp_path, body, "card") == []


def test_the_context_of_a_tool_that_a_factory_makes_is_known(tmp_path: Path) -> None:
    (line,) = bound(tmp_path, "ctx.context.sayy('hi')", "card")
    assert "A332: the context has no 'sayy'" in line


@pytest.mark.parametrize(
    "body",
    [
        "await ctx.context.show_widget('card' if kind else 'card')",
        "if kind: await ctx.context.show_widget(kind)",
        "kind = 'card'; await ctx.context.show_widget(kind)",
        "await ctx.context.show_widget(NAMES[kind])",
        "print(kind)",
    ],
)
def test_a_bound_name_that_may_not_be_shown_is_fine(tmp_path: Path, body: str) -> None:
    assert bound(tmp_path, body, "crad") == []
