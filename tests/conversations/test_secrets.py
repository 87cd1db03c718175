"""Admin responses and log lines about refused reloads contain no secret."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from tests.conversations.conftest import MakeChat
from tests.conversations.editing import write

HERE = {"host": "127.0.0.1:8000"}
SECRET = "hunter2-Zebra-4711"
MODEL = {"name": "gpt-6-luna", "api_key": SECRET}


@pytest.mark.parametrize(
    ("config", "files"),
    [
        ({"models": {"default": {**MODEL, "base_url": f"htp:/me:{SECRET}@host"}}}, {}),
        ({"models": {"default": {**MODEL, "headers": SECRET, "nonsense": SECRET}}}, {}),
        ({"admin": SECRET, "entry": SECRET}, {}),
        ({"models": {"default": {"name": "x", "api_key": "${KEY}"}}, "chat": {"when_busy": "${KEY}"}}, {}),
        (
            {"admin": {"token": "${KEY}"}, "tools": {"t": "app.broken:tool"}, "agents": {"helper": {"tools": ["t"]}}},
            {"app__broken_py": f"raise ValueError('refused: {SECRET}')\n"},
        ),
        ({"store": f"postgresql://me:{SECRET}@127.0.0.1:1/x"}, {}),
        ({"store": f"postgresql://me:{SECRET}@[broken/x"}, {}),
    ],
)
async def test_a_refused_reload_shows_no_secret(
    chat: MakeChat, caplog: pytest.LogCaptureFixture, config: dict[str, Any], files: dict[str, str]
) -> None:
    client = await chat(environ={"KEY": SECRET})
    write(client, config, **files)
    with caplog.at_level(logging.INFO, logger="runtime.reload"):
        answer = await client.request("POST", "/-/reload", headers=HERE).end()
        shown = await client.get("/-/config", HERE)
    assert answer.status == 422, answer.body
    assert shown.json["last_error"]["diagnostics"]
    reported = [record.getMessage() for record in caplog.records if record.exc_info is None]
    last = client.runtime.reloader.last_error
    assert last is not None
    everything = json.dumps([answer.json, shown.json, reported, dict(last.sources)])
    assert "Zebra" not in everything


async def test_a_file_that_is_no_yaml_shows_no_secret(chat: MakeChat) -> None:
    client = await chat()
    (client.folder / "agents.yaml").write_text(f"version: 1\nadmin: {{token: {SECRET}\nagents: [\n", encoding="utf-8")
    answer = await client.request("POST", "/-/reload", headers=HERE).end()
    last = client.runtime.reloader.last_error
    assert answer.status == 422
    assert last is not None
    assert SECRET not in json.dumps([answer.json, (await client.get("/-/config", HERE)).json, dict(last.sources)])
