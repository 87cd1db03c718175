"""Several requests at once: one turn at a time in each thread, any number of threads."""

from __future__ import annotations

import asyncio

from runtime.server.settings import ServerSettings
from tests.conversations.conftest import MakeBare, MakeChat
from tests.conversations.playing import Asked


def _echo(asked: Asked) -> str:
    last = asked.input[-1]["content"]
    return f"you said {last if isinstance(last, str) else last[-1]['text']}"


async def test_a_second_message_waits_for_the_end_of_the_first_turn(chat: MakeChat) -> None:
    client = await chat()
    thread = (await client.say("hi")).thread_id
    client.player.replies = [_echo]
    gate = client.player.gate("one")
    first = client.begin("one", thread)
    await gate.reached.wait()
    second = client.begin("two", thread)
    gate.open.set()
    await first.end()
    await second.end()
    items = await client.items(thread)
    spoken = [item["content"][0]["text"] for item in items[2:]]
    assert spoken == ["one", "you said one", "two", "you said two"]
    assert len(client.runtime.server.locks) == 0


async def test_when_busy_reject_a_second_message_is_a_409_and_nothing_is_stored(chat: MakeChat) -> None:
    client = await chat({"chat": {"when_busy": "reject"}})
    thread = (await client.say("hi")).thread_id
    client.player.replies = [_echo]
    gate = client.player.gate("one")
    first = client.begin("one", thread)
    await gate.reached.wait()
    refused = await client.say("two", thread)
    assert (refused.status, refused.error["code"]) == (409, "thread_busy")
    gate.open.set()
    await first.end()
    assert len(await client.items(thread)) == 4
    assert (await client.say("three", thread)).said == ["you said three"]


async def test_waiting_for_a_busy_thread_comes_to_an_end(chat: MakeChat) -> None:
    client = await chat(settings=ServerSettings(busy_wait_s=0.001))
    thread = (await client.say("hi")).thread_id
    gate = client.player.gate("Fine.")
    first = client.begin("one", thread)
    await gate.reached.wait()
    assert (await client.say("two", thread)).error["code"] == "thread_busy"
    gate.open.set()
    await first.end()
    assert len(await client.items(thread)) == 4
    assert len(client.runtime.server.locks) == 0


async def test_the_bare_sdk_lets_two_turns_of_one_thread_interleave(bare: MakeBare) -> None:
    client = bare()
    thread = (await client.say("hi")).thread_id
    client.player.replies = [_echo]
    gate = client.player.gate("one")
    first = client.begin("one", thread)
    await gate.reached.wait()
    assert (await client.say("two", thread)).said == ["you said two"]
    gate.open.set()
    await first.end()
    stored = [item.model_dump() for item in client.server.dicts.items[thread][2:]]
    spoken = [item["content"][0]["text"] for item in stored]
    assert spoken == ["one", "two", "you said two", "you said one"]


async def test_an_action_runs_while_an_answer_is_being_written(chat: MakeChat) -> None:
    code = "async def ping(ctx, action, sender):\n    await ctx.context.effect('pong')\n"
    client = await chat({"actions": {"ping": "acts:ping"}}, acts_py=code)
    client.player.replies = ["one two"]
    gate = client.player.gate("two")
    answer = client.begin("hi")
    await gate.reached.wait()
    await answer.until(lambda so_far: "thread.created" in so_far.types)
    assert (await client.act(answer.thread_id, "ping")).of("client_effect") != []
    gate.open.set()
    await answer.end()


async def test_many_threads_are_answered_at_once_and_none_hears_of_another(chat: MakeChat) -> None:
    client = await chat()
    client.player.replies = [_echo]
    gate = client.player.gate("you")
    answers = [client.begin(f"word{n}") for n in range(20)]
    await client.player.until(lambda player: len(player.asked) == 20)
    gate.open.set()
    for n, answer in enumerate(answers):
        await answer.end()
        assert answer.said == [f"you said word{n}"]


async def test_a_client_that_leaves_while_it_waits_for_its_turn_holds_nobody_up(chat: MakeChat) -> None:
    client = await chat()
    thread = (await client.say("hi")).thread_id
    client.player.replies = [_echo]
    gate = client.player.gate("one")
    first = client.begin("one", thread)
    await gate.reached.wait()
    gone = client.begin("two", thread)
    await asyncio.sleep(0)
    gone.leave()
    gate.open.set()
    await first.end()
    await gone.end()
    assert (await client.say("three", thread)).said == ["you said three"]
    assert len(client.runtime.server.locks) == 0


async def test_a_turn_that_fails_gives_its_thread_free(chat: MakeChat) -> None:
    client = await chat()
    thread = (await client.say("hi")).thread_id
    client.player.replies = [RuntimeError("down"), "Back."]
    assert len((await client.say("one", thread)).of("error")) == 1
    assert (await client.say("two", thread)).said == ["Back."]


async def test_a_thread_deleted_during_its_answer_ends_the_stream_with_an_event(chat: MakeChat) -> None:
    client = await chat()
    client.player.replies = ["one two"]
    gate = client.player.gate("two")
    answer = client.begin("hi")
    await gate.reached.wait()
    await answer.until(lambda so_far: "thread.created" in so_far.types)
    await client.call("threads.delete", thread_id=answer.thread_id)
    gate.open.set()
    await answer.end()
    assert answer.broken is None
    assert answer.complete
    assert len(answer.of("error")) == 1
    assert (await client.call("threads.get_by_id", thread_id=answer.thread_id)).status == 404
    assert len(client.runtime.server.locks) == 0
