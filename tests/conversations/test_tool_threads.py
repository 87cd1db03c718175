"""Sync tools that hang: they hold up no upload, no store call, no reload and no tool of others beyond the limits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conversations.conftest import MakeChat
from tests.conversations.playing import call

TOOLS = """
import threading
from agents import function_tool
from tests.conversations import test_tool_threads as test

def hang() -> str:
    "Hang."
    test.begun.release()
    test.go_on.wait(600)
    return "late"

decorated = function_tool(hang, name_override="decorated")

def quick() -> str:
    "Name the thread."
    return threading.current_thread().name.partition("_")[0]

async def in_loop() -> str:
    "Name the thread."
    return threading.current_thread().name
"""
begun = threading.Semaphore(0)
go_on = threading.Event()


@pytest.fixture(autouse=True)
def _free() -> Iterator[None]:
    go_on.clear()
    yield
    go_on.set()


def _config(**limits: Any) -> dict[str, Any]:
    names = ("hang", "decorated", "quick", "in_loop")
    return {
        "tools": {name: {"python": f"acts:{name}"} for name in names},
        "agents": {"helper": {"tools": list(names)}},
        "chat": {"attachments": {}},
        "limits": limits,
        "store": "sqlite:///threads.db",
    }


@pytest.mark.parametrize("tool", ["hang", "decorated"])
async def test_hung_tools_hold_up_no_upload_no_store_call_and_no_reload(chat: MakeChat, tool: str) -> None:
    client = await chat(_config(tool_threads=40), acts_py=TOOLS)
    client.player.replies = [lambda asked: [call(tool)] if len(asked.input) == 1 else "Done."]
    turns = [client.begin("go") for _ in range(40)]
    for _ in turns:
        assert await asyncio.to_thread(begun.acquire, True, 180)
    made = (await client.call("attachments.create", name="a.txt", mime_type="text/plain", size=2)).json
    url = made["upload_descriptor"]["url"].removeprefix("http://localhost")
    assert (await client.request("PUT", url, b"hi").end()).status == 204
    assert len((await client.call("threads.list", limit=100)).json["data"]) == 40
    (client.folder / "acts.py").write_text(TOOLS + "\nEDITED = True\n")
    assert (await client.runtime.reload()).status == "reloaded"
    go_on.set()
    for turn in turns:
        assert (await turn.end()).said == ["Done."]


async def test_a_tool_without_a_free_thread_ends_with_its_own_time_limit(chat: MakeChat) -> None:
    config = _config(tool_threads=1)
    config["tools"]["quick"]["timeout"] = "50ms"
    client = await chat(config, acts_py=TOOLS)
    client.player.replies = [[call("hang")], [call("quick")], "Sorry."]
    client.begin("go")
    assert await asyncio.to_thread(begun.acquire, True, 180)
    second = await client.say("go")
    assert second.said == ["Sorry."]
    assert "timed out" in client.player.asked[-1].of("function_call_output")[0]["output"]


async def test_sync_tools_run_in_their_own_threads_and_async_ones_in_the_loop(chat: MakeChat) -> None:
    client = await chat(_config(), acts_py=TOOLS)
    client.player.replies = [[call("quick")], [call("in_loop")], "Done."]
    await client.say("go")
    outputs = [item["output"] for item in client.player.asked[-1].of("function_call_output")]
    assert outputs == ["tool", threading.current_thread().name]
