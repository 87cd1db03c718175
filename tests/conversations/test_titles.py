"""Titles: failures never affect an answer, and the user's own title is never replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from chatkit.types import ThreadMetadata

from runtime.server.settings import ServerSettings
from tests.conversations.conftest import MakeBare, MakeChat
from tests.conversations.playing import Gate, Player, on_stage

TITLE = "def title(text):\n    return 'About ' + text\n"
FAILS = "async def title(text):\n    raise RuntimeError('no title today')\n"


async def _title(client: Any, thread: str) -> Any:
    return (await client.call("threads.get_by_id", thread_id=thread)).json.get("title")


@pytest.fixture
def titler() -> Iterator[Player]:
    made = on_stage["titler"] = Player("A title")
    yield made
    del on_stage["titler"]


def _by_model(player: Player) -> dict[str, Any]:
    found = "tests.conversations.playing:find"
    return {
        "models": {
            "default": {"python": found, "with": {"name": player.stage_name}},
            "small": {"python": found, "with": {"name": "titler"}},
        },
        "chat": {"title": {"model": "small"}},
    }


async def test_a_title_from_python_is_sent_and_stored(chat: MakeChat) -> None:
    client = await chat({"chat": {"title": {"python": "acts:title"}}}, acts_py=TITLE)
    first = await client.say("Oslo")
    assert first.of("thread.updated")[0]["thread"]["title"] == "About Oslo"
    assert await _title(client, first.thread_id) == "About Oslo"
    second = await client.say("Rome", first.thread_id)
    assert second.of("thread.updated") == []
    assert await _title(client, first.thread_id) == "About Oslo"


@pytest.mark.parametrize(
    ("instructions", "files"),
    [
        ("Name it for {{ user.id }}.", {}),
        ({"file": "title.md"}, {"title_md": "Name it for {{ user.id }}."}),
        (
            {"python": "acts:name_it"},
            {"acts_py": "def name_it(ctx, agent): return f'Name it for {ctx.context.user.id}.'"},
        ),
        ({"python": "acts:NAME_IT"}, {"acts_py": "NAME_IT = 'Name it for local.'"}),
    ],
)
async def test_the_instructions_for_titles_are_written_as_an_agents(
    chat: MakeChat, titler: Player, player: Player, instructions: Any, files: dict[str, str]
) -> None:
    config = _by_model(player)
    config["chat"]["title"]["instructions"] = instructions
    client = await chat(config, **files)
    assert await _title(client, (await client.say("Oslo")).thread_id) == "A title"
    assert titler.asked[0].instructions == "Name it for local."


async def test_a_title_from_a_model_is_one_short_line_without_quotes(chat: MakeChat, titler: Player) -> None:
    client = await chat(_by_model(_player_of(titler)))
    titler.replies = ['"Parks of\nOslo, ' + "and so on " * 20 + '"']
    first = await client.say("Oslo")
    title = await _title(client, first.thread_id)
    assert title.startswith("Parks of Oslo, and so on")
    assert len(title) <= 80


def _player_of(titler: Player) -> Player:
    # The conversation's own player is the other one on stage.
    name, player = next((name, player) for name, player in on_stage.items() if player is not titler)
    player.stage_name = name
    return player


async def test_a_title_that_fails_leaves_a_good_answer_good(chat: MakeChat) -> None:
    client = await chat({"chat": {"title": {"python": "acts:title"}}}, acts_py=FAILS)
    first = await client.say("Oslo")
    assert first.said == ["Fine."]
    assert first.of("error") == []
    assert await _title(client, first.thread_id) is None


async def test_the_bare_sdk_turns_a_title_that_fails_into_an_error(bare: MakeBare) -> None:
    client = bare()

    async def fail(thread: ThreadMetadata) -> None:
        raise RuntimeError("no title today")

    client.server.before = fail
    answer = await client.say("Oslo")
    assert answer.said == []
    assert len(answer.of("error")) == 1


async def test_a_rename_while_the_title_is_being_written_wins(chat: MakeChat, titler: Player) -> None:
    client = await chat(_by_model(_player_of(titler)))
    titler.replies = ["automatic"]
    gate = titler.gate("automatic")
    answer = client.begin("Oslo")
    await answer.until(lambda so_far: so_far.said)
    await gate.reached.wait()
    renamed = await client.call("threads.update", thread_id=answer.thread_id, title="Mine")
    assert renamed.json["title"] == "Mine"
    gate.open.set()
    await answer.end()
    assert await _title(client, answer.thread_id) == "Mine"
    assert b"automatic" not in answer.body


async def test_a_rename_during_a_stream_outlives_it_even_when_a_tool_touches_the_thread(chat: MakeChat) -> None:
    code = """
from agents import RunContextWrapper, function_tool
from chatkit.agents import AgentContext

@function_tool
async def mark(ctx: RunContextWrapper[AgentContext]) -> str:
    ctx.context.thread.metadata["marked"] = True
    return "ok"
"""
    from tests.conversations.playing import call

    client = await chat({"agents": {"helper": {"tools": ["acts:mark"]}}}, acts_py=code)
    client.player.replies = [["Wait here.", call("mark")], "Done."]
    gate = client.player.gate("here.")
    answer = client.begin("go")
    await gate.reached.wait()
    await answer.until(lambda so_far: "thread.created" in so_far.types)
    await client.call("threads.update", thread_id=answer.thread_id, title="Mine")
    gate.open.set()
    await answer.end()
    assert answer.said == ["Wait here.", "Done."]
    stored = await client.runtime.store.load_thread("local", answer.thread_id)
    assert (stored.title, stored.metadata) == ("Mine", {"marked": True})


async def test_the_bare_sdk_overwrites_a_rename_during_a_stream(bare: MakeBare) -> None:
    client = bare()
    gate = Gate()

    async def mark(thread: ThreadMetadata) -> None:
        await gate.wait()
        thread.metadata["marked"] = True

    client.server.before = mark
    answer = client.begin("go")
    await gate.reached.wait()
    await client.call("threads.update", thread_id=answer.thread_id, title="Mine")
    gate.open.set()
    await answer.end()
    assert await _title(client, answer.thread_id) is None


async def test_a_title_that_takes_too_long_holds_up_nothing_and_is_stored_when_it_comes(
    chat: MakeChat, titler: Player
) -> None:
    client = await chat(_by_model(_player_of(titler)), settings=ServerSettings(title_wait_s=0.001))
    titler.replies = ["late"]
    gate = titler.gate("late")
    first = await client.say("Oslo")
    assert first.complete
    assert first.said == ["Fine."]
    assert (await client.say("again", first.thread_id)).said == ["Fine."]
    gate.open.set()
    await client.runtime.server.close()
    assert await _title(client, first.thread_id) == "late"


async def test_a_title_that_never_comes_does_not_outlive_the_server(chat: MakeChat, titler: Player) -> None:
    client = await chat(_by_model(_player_of(titler)), settings=ServerSettings(title_wait_s=0.001))
    titler.gate("A")
    await client.say("Oslo")
    await client.runtime.server.close(grace_s=0)
    assert [task for task in asyncio.all_tasks() if "_write_title" in repr(task.get_coro())] == []


async def test_no_metadata_of_a_thread_reaches_the_client(chat: MakeChat) -> None:
    client = await chat()
    first = await client.say("hi")
    await client.runtime.store.update_thread("local", first.thread_id, metadata={"secret": "banana"})
    for answer in (
        await client.call("threads.get_by_id", thread_id=first.thread_id),
        await client.call("threads.list"),
        await client.call("threads.update", thread_id=first.thread_id, title="x"),
        await client.say("again", first.thread_id),
    ):
        assert b"banana" not in answer.body
