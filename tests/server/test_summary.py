"""What falls out of the window is summarised beside the turns, told first, and goes with what it tells of."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from runtime.assemble.script_events import ScriptedFailure
from runtime.config.model.chat import History
from runtime.server.summaries import due
from runtime.stores.store import ALL_KINDS, ModelItem
from tests.server.conftest import Chat, MakeChat
from tests.server.playing import Player, call, on_stage

SUMMARY = "A summary of what was said earlier in this conversation:\n"


@pytest.fixture
def writer() -> Any:
    made = Player(lambda asked: f"summary {len(made.asked)}")
    on_stage["writer"] = made
    yield made
    del on_stage["writer"]


async def project(chat: MakeChat, **more: Any) -> Chat:
    find = {"python": "tests.server.playing:find"}
    models = {"default": {**find, "with": {"name": "talker"}}, "writer": {**find, "with": {"name": "writer"}}}
    history = {"items": 8, "summary": "writer", **more.pop("history", {})}
    return await chat({"models": models, "chat": {"history": history}, "store": "sqlite:///threads.db", **more})


@pytest.fixture
def talker() -> Any:
    made = Player("Fine.")
    on_stage["talker"] = made
    yield made
    del on_stage["talker"]


async def beside(client: Chat) -> None:
    """Wait for whatever runs beside the turns."""
    tasks = list(client.runtime.server._tasks)
    if tasks:
        await asyncio.wait(tasks)


async def talk(client: Chat, count: int, thread: str | None = None, first: int = 1) -> str:
    for number in range(first, first + count):
        answer = await client.say(f"message {number}", thread)
        assert answer.of("error") == []
        thread = thread or answer.thread_id
        await beside(client)
    assert thread is not None
    return thread


async def kept(client: Chat, thread: str) -> list[dict[str, Any]]:
    page = await client.runtime.store.load_items("local", thread, limit=500, order="asc", kinds=ALL_KINDS)
    return [item.content["summary"] for item in page.data if isinstance(item, ModelItem) and "summary" in item.content]


def told(player: Player) -> list[str]:
    return [item["content"] for item in player.asked[-1].input if item.get("role") in ("user", "assistant")]


async def test_a_long_thread_is_summarised_once_in_many_turns_and_nothing_is_lost(
    chat: MakeChat, writer: Player, talker: Player
) -> None:
    client = await project(chat)
    thread = await talk(client, 3)
    assert writer.asked == []
    await talk(client, 1, thread, 4)
    assert len(writer.asked) == 1
    assert told(writer)[0].startswith("User: message 1\nAssistant: Fine.\nUser: message 2")
    await talk(client, 1, thread, 5)
    said = told(talker)
    assert said[0] == f"{SUMMARY}summary 1"
    covered = writer.asked[0].input[0]["content"]
    numbers = [number for number in range(1, 6) if f"message {number}" in covered or f"message {number}" in said]
    assert numbers == [1, 2, 3, 4, 5]
    assert not any(f"message {number}" in said for number in range(1, 6) if f"message {number}" in covered)
    await talk(client, 10, thread, 6)
    assert 2 <= len(writer.asked) <= 6
    assert "The summary so far:\nsummary 1" in writer.asked[1].input[0]["content"]
    assert told(talker)[0].startswith(SUMMARY)


async def test_it_survives_a_restart(chat: MakeChat, writer: Player, talker: Player) -> None:
    client = await project(chat)
    thread = await talk(client, 4)
    again = await project(chat)
    await talk(again, 1, thread, 5)
    assert told(talker)[0] == f"{SUMMARY}summary 1"


async def test_a_retry_takes_back_a_summary_of_what_goes_and_leaves_the_others(
    chat: MakeChat, writer: Player, talker: Player
) -> None:
    client = await project(chat)
    thread = await talk(client, 4)
    assert len(await kept(client, thread)) == 1
    items = [item for item in await client.items(thread) if item["type"] == "user_message"]
    # The last message is behind what was summarised: the summary stays.
    await client.call("threads.retry_after_item", thread_id=thread, item_id=items[-1]["id"])
    await beside(client)
    assert told(talker)[0] == f"{SUMMARY}summary 1"
    assert told(talker)[-1] == "message 4"
    await client.call("threads.retry_after_item", thread_id=thread, item_id=items[0]["id"])
    await beside(client)
    assert told(talker) == ["message 1"]
    assert await kept(client, thread) == []


async def test_a_summary_that_fails_harms_no_answer_and_is_tried_again(
    chat: MakeChat, writer: Player, talker: Player, caplog: pytest.LogCaptureFixture
) -> None:
    client = await project(chat)
    writer.replies = [ScriptedFailure("no", 400), "At last."]
    thread = await talk(client, 4)
    assert "no summary for thread" in caplog.text
    await talk(client, 2, thread, 5)
    assert told(talker)[0] == f"{SUMMARY}At last."


async def test_python_may_write_it(chat: MakeChat, writer: Player, talker: Player) -> None:
    code = "def summarise(earlier, said):\n    return f'{earlier}|{said.count(chr(10)) + 1} lines'\n"
    find = {"python": "tests.server.playing:find"}
    models = {"default": {**find, "with": {"name": "talker"}}}
    history = {"items": 8, "summary": {"python": "app.memory:summarise"}}
    client = await chat({"models": models, "chat": {"history": history}}, app__memory_py=code)
    thread = await talk(client, 5)
    assert told(talker)[0] == f"{SUMMARY}|6 lines"
    assert writer.asked == []
    assert len(await kept(client, thread)) == 1


async def test_calls_are_told_shortened_and_what_tripped_a_guardrail_is_not(
    chat: MakeChat, writer: Player, talker: Player
) -> None:
    code = "def look() -> str:\n    'Look.'\n    return 'x' * 5000\n"
    client = await _with_tools(chat, code)
    talker.replies = [[call("look")], "Seen."]
    answer = await client.say("look")
    talker.replies = ["Fine."]
    await client.say("damn", answer.thread_id)
    await talk(client, 3, answer.thread_id)
    said = writer.asked[0].input[0]["content"]
    assert "Call of look: {}" in said
    assert f"It gave: {'x' * 500} …" in said
    assert "damn" not in said


async def _with_tools(chat: MakeChat, code: str) -> Chat:
    find = {"python": "tests.server.playing:find"}
    models = {"default": {**find, "with": {"name": "talker"}}, "writer": {**find, "with": {"name": "writer"}}}
    return await chat(
        {
            "models": models,
            "chat": {"history": {"items": 8, "summary": "writer"}},
            "tools": {"look": "app.tools:look"},
            "guardrails": {"polite": {"regex": "damn"}},
            "agents": {"helper": {"tools": ["look"], "guardrails": {"input": ["polite"]}}},
        },
        app__tools_py=code,
    )


def test_nothing_is_due_where_there_is_room() -> None:
    assert due([], History()) is None
