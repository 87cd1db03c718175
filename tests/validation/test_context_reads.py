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
