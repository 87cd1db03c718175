"""What the page of docs/guide/browser.md relies on, asked of the sample project the way a browser asks."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from runtime import create_app
from runtime.config.load import load_config
from runtime.config.model.tools import ClientTool, EffectTool

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guide" / "browser.md").read_text(encoding="utf-8")
[PAGE] = re.findall(r"```html\n(.*?)```", GUIDE, re.DOTALL)
ORIGIN = "http://localhost:5173"


@pytest.fixture
async def browser() -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(ROOT, environ={**os.environ, "CHATKIT_STORE": "memory", "OPENAI_API_KEY": ""}, offline=True)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000", headers={"origin": ORIGIN}) as client,
    ):
        yield client


async def test_the_server_welcomes_the_origin_and_the_headers_of_the_page(browser: httpx.AsyncClient) -> None:
    assert f"<{ORIGIN}>" in GUIDE
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    answer = await browser.options("/chatkit", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "authorization" in answer.headers["access-control-allow-headers"]


async def test_the_page_gets_its_start_screen(browser: httpx.AsyncClient) -> None:
    [url] = re.findall(r"const url = '(.*?)'", PAGE)
    answer = await browser.get(f"{url}/options.json")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    screen = answer.json()["startScreen"]
    assert screen["greeting"]
    assert {"label", "prompt"} <= set(screen["prompts"][0])


def test_the_page_handles_the_client_tool_and_the_effect_of_the_sample() -> None:
    config = load_config(ROOT, environ={}).config
    assert config is not None
    tools = config.tools.values()
    names = {tool.client for tool in tools if isinstance(tool, ClientTool)}
    names |= {tool.effect for tool in tools if isinstance(tool, EffectTool)}
    assert set(re.findall(r"name === '(.*?)'", PAGE)) == names
