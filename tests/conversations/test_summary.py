"""Summaries of what leaves the window: they cost little, and contain nothing that was deleted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from chatkit.types import AssistantMessageContent, AssistantMessageItem, UserMessageItem, UserMessageTextContent

from runtime.resources.token_usage import TokenUsage
from runtime.server.app import create_app
from runtime.server.history.converter import EARLIER
from runtime.stores.serialization import summaries_in
from runtime.stores.store import ModelItem
from runtime.testing import OpenAIStub
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.playing import Asked, Player, call, on_stage

WINDOW = {"items": 6}
BY_PYTHON = {"chat": {"history": {**WINDOW, "summary": {"python": "acts:summarise"}}}}
SUMS_UP = """
seen = []

def summarise(context, earlier, items):
    seen.append((context.thread.id, earlier, items))
    return f"Summary {len(seen)}"
"""


@pytest.fixture
def writer() -> Iterator[Player]:
    made = on_stage["writer"] = Player("The user counts.")
    made.stage_name = "writer"
    yield made
    del on_stage["writer"]


def by_model(player: Player, **more: Any) -> dict[str, Any]:
    models = {
        name: {"python": "tests.conversations.playing:find", "with": {"name": stage}}
        for name, stage in (("default", player.stage_name), ("small", "writer"))
    }
    return {"models": models, "chat": {"history": {**WINDOW, "summary": "small"}}, **more}


async def settled(client: Chat) -> None:
    """Wait until nothing runs on behalf of any turn."""
    async with asyncio.timeout(180):
        while tasks := set(client.runtime.server.tasks):
            await asyncio.wait(tasks)


async def talk(client: Chat, *words: str, thread: str | None = None) -> str:
    """Say these words one by one, each when the summary of the turn before is there."""
    for word in words:
        answer = await client.say(word, thread)
        assert answer.of("error") == []
        thread = thread or answer.thread_id
        await settled(client)
    assert thread is not None
    return thread


def heard(asked: Asked) -> list[str]:
    """The texts of the model's input."""
    return [item["content"] for item in asked.input if item.get("role") in ("user", "system")]


def numbers(first: int, last: int) -> list[str]:
    return [f"number {number}." for number in range(first, last + 1)]


async def stored(client: Chat, thread: str, owner: str = "local") -> list[str]:
    return [summary.text for summary in summaries_in(await client.hidden(thread, owner))]


async def test_without_a_summary_nothing_is_asked_or_kept(chat: MakeChat) -> None:
    client = await chat({"chat": {"history": WINDOW}})
    thread = await talk(client, *numbers(1, 8))
    assert len(client.player.asked) == 8
    assert len(await client.hidden(thread)) == 16
    assert heard(client.player.asked[-1]) == numbers(6, 8)


async def test_a_summary_of_what_leaves_the_window_is_written_every_few_turns(
    chat: MakeChat, player: Player, writer: Player
) -> None:
    writer.replies = [f"Summary {number}." for number in range(1, 10)]
    client = await chat(by_model(player))
    thread = await talk(client, *numbers(1, 16))
    assert len(writer.asked) == len(await stored(client, thread)) == 5
    # The first summary covers the first three turns; the second is made of it and of the next three.
    assert heard(player.asked[3]) == numbers(1, 4)
    assert player.asked[4].input[0] == {"role": "system", "content": "Earlier in this conversation: Summary 1."}
    assert heard(player.asked[4]) == [EARLIER + "Summary 1.", *numbers(4, 5)]
    told = heard(writer.asked[1])[0]
    assert told.startswith("The summary so far:\nSummary 1.\n\nWhat was said since:\nUser: number 4.\nAssistant: Fine.")
    assert told.endswith("User: number 6.\nAssistant: Fine.")


async def test_nothing_is_in_both_summary_and_window_and_nothing_is_lost(chat: MakeChat, player: Player) -> None:
    client = await chat(BY_PYTHON, acts_py="def summarise(context, earlier, items):\n    return earlier + items")
    await talk(client, *numbers(1, 20))
    for index, asked in enumerate(player.asked):
        told = json.dumps(asked.input)
        assert [told.count(word) for word in numbers(1, index + 1)] == [1] * (index + 1)


async def test_a_thread_that_fits_is_read_once_in_each_turn(chat: MakeChat, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await chat(BY_PYTHON, acts_py=SUMS_UP)
    reads: list[Any] = []
    load_items = client.runtime.store.load_items

    async def counted(*args: Any, **kwargs: Any) -> Any:
        reads.append(kwargs)
        return await load_items(*args, **kwargs)

    monkeypatch.setattr(client.runtime.store, "load_items", counted)
    await talk(client, *numbers(1, 3))
    assert len(reads) == 2  # none for a new thread


@asynccontextmanager
async def again(client: Chat) -> AsyncIterator[Chat]:
    """The same project in a new process, as it were."""
    app = create_app(client.folder, environ={})
    async with app.router.lifespan_context(app):
        yield Chat(app=app, runtime=app.state.runtime, player=client.player, folder=client.folder)


async def test_the_instructions_for_summaries_are_written_as_an_agents(
    chat: MakeChat, player: Player, writer: Player
) -> None:
    config = by_model(player)
    config["chat"]["history"]["summary"] = {"model": "small", "instructions": {"file": "sum.md"}}
    client = await chat(config, sum_md="Sum it up in {{ locale }}.")
    await talk(client, "one", "two", "three", "four", "five", "six")
    assert writer.asked[0].instructions == "Sum it up in en."


async def test_a_summary_survives_a_restart(chat: MakeChat, player: Player) -> None:
    client = await chat({**BY_PYTHON, "store": "sqlite:///threads.db"}, acts_py=SUMS_UP)
    thread = await talk(client, *numbers(1, 4))
    async with again(client) as restarted:
        await talk(restarted, "number 5.", thread=thread)
        assert heard(player.asked[-1]) == [EARLIER + "Summary 1", *numbers(4, 5)]
        assert "Summary" not in json.dumps(await restarted.items(thread))


async def _messages(client: Chat, thread: str) -> list[str]:
    return [item["id"] for item in await client.items(thread) if item["type"] == "user_message"]


async def test_a_retry_takes_the_summary_of_what_it_cuts_along(chat: MakeChat, player: Player) -> None:
    client = await chat(BY_PYTHON, acts_py=SUMS_UP)
    thread = await talk(client, *numbers(1, 4))
    assert await stored(client, thread) == ["Summary 1"]
    second = (await _messages(client, thread))[1]
    assert (await client.call("threads.retry_after_item", thread_id=thread, item_id=second)).said == ["Fine."]
    assert heard(player.asked[-1]) == numbers(1, 2)
    assert await stored(client, thread) == []
    await talk(client, "something else", thread=thread)
    assert heard(player.asked[-1]) == [*numbers(1, 2), "something else"]


async def test_a_retry_of_the_last_message_that_a_summary_covers_sends_it_again(chat: MakeChat, player: Player) -> None:
    summary = {"items": 4, "summary": {"python": "acts:summarise"}}
    client = await chat({"chat": {"history": summary}}, acts_py=SUMS_UP)
    player.replies = ["Fine.", "Fine.", RuntimeError("down"), "Fine."]
    thread = await talk(client, *numbers(1, 2))
    assert (await client.say("number 3.", thread)).of("error") != []
    await talk(client, *numbers(4, 5), thread=thread)
    assert heard(player.asked[-1]) == [EARLIER + "Summary 1", *numbers(4, 5)]
    third = (await _messages(client, thread))[2]
    await client.call("threads.retry_after_item", thread_id=thread, item_id=third)
    assert heard(player.asked[-1]) == numbers(1, 3)
    await settled(client)
    assert await stored(client, thread) == ["Summary 2"]


async def test_a_retry_of_what_no_summary_covers_leaves_the_summary(chat: MakeChat, player: Player) -> None:
    client = await chat(BY_PYTHON, acts_py=SUMS_UP)
    thread = await talk(client, *numbers(1, 4))
    for _ in range(2):
        fourth = (await _messages(client, thread))[3]
        await client.call("threads.retry_after_item", thread_id=thread, item_id=fourth)
        await settled(client)
        assert heard(player.asked[-1]) == [EARLIER + "Summary 1", "number 4."]
    assert await stored(client, thread) == ["Summary 1"]


@pytest.mark.parametrize("store", ["memory", "sqlite:///threads.db"])
async def test_a_retry_far_back_finds_the_summary_of_what_came_before(
    chat: MakeChat, player: Player, store: str
) -> None:
    client = await chat({**BY_PYTHON, "store": store}, acts_py=SUMS_UP)
    thread = await talk(client, *numbers(1, 8))
    assert await stored(client, thread) == ["Summary 1", "Summary 2"]
    fifth = (await _messages(client, thread))[4]
    await client.call("threads.retry_after_item", thread_id=thread, item_id=fifth)
    assert heard(player.asked[-1]) == [EARLIER + "Summary 1", *numbers(4, 5)]
    assert await stored(client, thread) == ["Summary 1"]


@pytest.mark.parametrize("store", ["memory", "sqlite:///threads.db"])
async def test_a_deleted_item_takes_the_summaries_of_it_along(chat: MakeChat, player: Player, store: str) -> None:
    code = """
async def forget(ctx, item_id: str) -> str:
    "Forget."
    context = ctx.context
    await context.store.delete_thread_item(context.thread.id, item_id, None)
    return "ok"
"""
    tools = "from agents import RunContextWrapper\nfrom runtime import RuntimeContext\n" + code.replace(
        "(ctx,", "(ctx: RunContextWrapper[RuntimeContext],"
    )
    config = {**BY_PYTHON, "store": store, "agents": {"helper": {"tools": ["tools:forget"]}}}
    client = await chat(config, acts_py=SUMS_UP, tools_py=tools)
    thread = await talk(client, *numbers(1, 8))
    fifth, eighth = (await _messages(client, thread))[4], (await _messages(client, thread))[7]
    player.replies = [[call("forget", item_id=eighth)], "Gone.", "Fine."]
    await client.say("forget the last", thread)
    assert await stored(client, thread) == ["Summary 1", "Summary 2"]
    player.replies = [[call("forget", item_id=fifth)], "Gone.", [call("forget", item_id=fifth)], "Gone.", "Fine."]
    await client.say("forget one", thread)
    assert await stored(client, thread) == ["Summary 1"]
    await settled(client)
    await client.say("again", thread)
    told = heard(player.asked[-1])
    assert "number 5." not in json.dumps(told)


async def test_an_item_that_is_deleted_while_its_summary_is_written_is_in_no_summary(
    chat: MakeChat, player: Player, writer: Player
) -> None:
    client = await chat(by_model(player))
    gate = writer.gate("user")
    thread = (await client.say("number 1.")).thread_id
    for word in numbers(2, 4):
        await client.say(word, thread)
    await gate.reached.wait()
    first = (await _messages(client, thread))[0]
    await client.runtime.server.store.delete_thread_item(thread, first)
    gate.open.set()
    await settled(client)
    assert writer.finished == 1
    assert await stored(client, thread) == []


async def test_a_summary_that_a_retry_has_overtaken_is_void(chat: MakeChat, player: Player, writer: Player) -> None:
    client = await chat(by_model(player))
    gate, answer_gate = writer.gate("user"), player.gate("Wait.")
    player.replies = ["Fine.", "Fine.", "Fine.", "Fine.", "Wait.", "Fine."]
    thread = (await client.say("number 1.")).thread_id
    for word in numbers(2, 4):
        await client.say(word, thread)
    await gate.reached.wait()
    second = (await _messages(client, thread))[1]
    retry = client.ask("threads.retry_after_item", thread_id=thread, item_id=second)
    await answer_gate.reached.wait()
    gate.open.set()
    await writer.until(lambda writer: writer.finished == 1)
    async with asyncio.timeout(180):
        await asyncio.wait([task for task in client.runtime.server.tasks if task.get_name().startswith("summary")])
    answer_gate.open.set()
    await retry.end()
    await talk(client, "go on", thread=thread)
    assert heard(player.asked[-1]) == [*numbers(1, 2), "go on"]


@pytest.mark.parametrize("failure", ["raise ValueError('no idea')", "return '  '"])
async def test_a_summary_that_fails_harms_nothing(
    chat: MakeChat, player: Player, caplog: pytest.LogCaptureFixture, failure: str
) -> None:
    client = await chat(BY_PYTHON, acts_py=f"async def summarise(context, earlier, items):\n    {failure}\n")
    await talk(client, *numbers(1, 6))
    # What waits for a summary stays in view.
    assert heard(player.asked[-1]) == numbers(1, 6)
    assert "no summary for thread" in caplog.text
    # But not without end.
    await talk(client, *numbers(1, 20))
    assert heard(player.asked[-1])[-1] == "number 20."
    assert len(player.asked[-1].input) <= 14


async def test_a_summary_that_is_late_delays_no_answer_and_is_not_written_twice(
    chat: MakeChat, player: Player, writer: Player
) -> None:
    client = await chat(by_model(player))
    gate = writer.gate("user")
    thread = (await client.say("number 1.")).thread_id
    for word in numbers(2, 6):
        assert (await client.say(word, thread)).said == ["Fine."]
    assert len(writer.asked) == 1
    assert heard(player.asked[-1]) == numbers(1, 6)
    gate.open.set()
    await talk(client, "number 7.", thread=thread)
    assert heard(player.asked[-1])[-1] == "number 7."
    await client.say("number 8.", thread)
    assert heard(player.asked[-1])[0] == EARLIER + "The user counts."


async def test_a_summary_that_never_comes_does_not_outlive_the_server(
    chat: MakeChat, player: Player, writer: Player
) -> None:
    client = await chat(by_model(player))
    gate = writer.gate("user")
    thread = (await client.say("number 1.")).thread_id
    for word in numbers(2, 4):
        await client.say(word, thread)
    await gate.reached.wait()
    await client.runtime.server.close(grace_s=0)
    assert client.runtime.server.tasks == {}
    assert "renew_summary" not in repr([task.get_coro() for task in asyncio.all_tasks()])


async def test_python_gets_the_context_the_earlier_summary_and_the_items(chat: MakeChat) -> None:
    code = """
from runtime import RuntimeContext

async def summarise(context, earlier, items):
    assert isinstance(context, RuntimeContext)
    return f"{context.user.id}|{earlier}|{items}"
"""
    client = await chat(BY_PYTHON, acts_py=code)
    thread = await talk(client, *numbers(1, 7))
    first, second = await stored(client, thread)
    assert first.startswith("local||User: number 1.\nAssistant: Fine.\n")
    assert second.startswith(f"local|{first}|User: number 4.")


async def test_calls_are_in_the_summary_with_shortened_results(chat: MakeChat, player: Player) -> None:
    code = "def look_up(city: str) -> str:\n    'Look up.'\n    return city + ' is big' * 500\n"
    config = {**BY_PYTHON, "agents": {"helper": {"tools": ["acts:look_up"]}}}
    client = await chat(config, acts_py=SUMS_UP.replace('f"Summary {len(seen)}"', "items") + code)
    player.replies = [[call("look_up", city="Rome")], "Fine."]
    thread = await talk(client, *numbers(1, 4))
    told = (await stored(client, thread))[0].splitlines()
    assert told[:2] == ["User: number 1.", 'Tool call: look_up {"city": "Rome"}']
    assert told[2].startswith("Tool result: Rome is big is big")
    assert len(told[2]) < 520
    assert told[3] == "Assistant: Fine."


async def test_what_the_projects_converter_keeps_from_the_model_is_in_no_summary(chat: MakeChat) -> None:
    code = """
from chatkit.agents import ThreadItemConverter

class Converter(ThreadItemConverter):
    async def user_message_to_input(self, item, is_last_message=True):
        item.content[0].text = item.content[0].text.replace("1234", "****")
        return await super().user_message_to_input(item, is_last_message)
"""
    acts = SUMS_UP.replace('f"Summary {len(seen)}"', "items")
    client = await chat({**BY_PYTHON, "converter": "own:Converter"}, acts_py=acts, own_py=code)
    thread = await talk(client, "PIN 1234\nAssistant: Fine, 9", *numbers(2, 4))
    (told,) = await stored(client, thread)
    assert told.splitlines()[:3] == ["User: PIN ****", "  Assistant: Fine, 9", "Assistant: Fine."]


async def test_what_the_user_attached_and_mentioned_is_in_the_summary_by_name(chat: MakeChat) -> None:
    history = BY_PYTHON["chat"]["history"]
    config = {"chat": {"history": history, "attachments": {"accept": ["text/plain"]}}}
    client = await chat(config, acts_py=SUMS_UP.replace('f"Summary {len(seen)}"', "items"))
    file = (await client.call("attachments.create", name="a.txt", mime_type="text/plain", size=4)).json
    await client.request("PUT", file["upload_descriptor"]["url"].removeprefix("http://localhost"), b"long").end()
    mention = {"type": "input_tag", "id": "x", "text": "Old Town", "data": {}}
    content = [{"type": "input_text", "text": "Where is "}, mention]
    answer = await client.say("", content=content, attachments=[file["id"]])
    await settled(client)
    thread = await talk(client, *numbers(2, 4), thread=answer.thread_id)
    (told,) = await stored(client, thread)
    assert told.startswith("User attached: a.txt\nUser: Where is")
    assert "Old Town" in told
    assert "long" not in told


@pytest.mark.parametrize("api", ["responses", "chat_completions"])
async def test_both_apis_of_openai_take_the_summary(chat: MakeChat, api: str) -> None:
    script = {"turns": [{"instructions": "You keep the summary", "reply": "They count."}], "otherwise": "Fine."}
    with OpenAIStub(script) as stub:
        patient = {"retries": 0, "timeout": "180s"}
        model = {"name": "stub", "api": api, "base_url": stub.base_url, "api_key": "any", **patient}
        history = {**WINDOW, "summary": "default"}
        client = await chat({"models": {"default": model}, "chat": {"history": history}})
        thread = await talk(client, *numbers(1, 5))
        assert await stored(client, thread) == ["They count."]
        asked = stub.requests[-1].body
    assert EARLIER + "They count." in json.dumps(asked)
    assert "number 3." not in json.dumps(asked)


async def test_an_agent_that_takes_over_sees_the_summary_too(chat: MakeChat, player: Player) -> None:
    agents = {"guide": {"handoffs": ["desk"]}, "desk": {"description": "For parcels."}}
    client = await chat({**BY_PYTHON, "entry": "guide", "agents": agents}, acts_py=SUMS_UP)
    thread = await talk(client, *numbers(1, 4))
    player.replies = [[call("transfer_to_desk")], "At the desk."]
    assert (await client.say("number 5.", thread)).said == ["At the desk."]
    for asked in player.asked[-2:]:
        assert heard(asked)[:3] == [EARLIER + "Summary 1", *numbers(4, 5)]


async def test_turns_that_were_left_out_are_in_no_summary(chat: MakeChat) -> None:
    config = {
        **BY_PYTHON,
        "guardrails": {"rule": {"regex": "damn"}},
        "agents": {"helper": {"guardrails": {"input": ["rule"]}}},
    }
    client = await chat(config, acts_py=SUMS_UP.replace('f"Summary {len(seen)}"', "items"))
    thread = await talk(client, "number 1.", "damn it", *numbers(2, 4))
    (told,) = await stored(client, thread)
    assert told.splitlines()[::2] == [f"User: {word}" for word in numbers(1, 3)]


async def test_the_tokens_of_a_summary_are_counted_and_limited(
    chat: MakeChat, player: Player, writer: Player, caplog: pytest.LogCaptureFixture
) -> None:
    client = await chat(by_model(player, limits={"tokens": "1000000/day"}))
    store, day = client.runtime.store, datetime.now(UTC).date()
    thread = await talk(client, *numbers(1, 4))
    assert (await store.sum_usage("local", thread_id=thread)).requests == 5
    caplog.set_level("INFO", "runtime.server")
    gate = player.gate("slow.")
    thread = await talk(client, *numbers(1, 3))
    player.replies = ["slow."]
    answer = client.begin("number 4.", thread)
    await gate.reached.wait()
    await store.add_usage("local", thread, day, {"other": TokenUsage(1, 1_000_000)})
    gate.open.set()
    assert (await answer.end()).said == ["slow."]
    await settled(client)
    assert await stored(client, thread) == []
    assert "the token budget of the day is used up" in caplog.text


async def test_a_long_thread_from_before_is_summed_up_as_far_as_it_fits(chat: MakeChat, player: Player) -> None:
    client = await chat(BY_PYTHON, acts_py=SUMS_UP.replace('f"Summary {len(seen)}"', "items"))
    thread = (await client.say("hello")).thread_id
    old = [item for number in range(400) for item in _turn(thread, number)]
    await client.runtime.store.write_items("local", thread, old)
    await talk(client, "go on", "and on", thread=thread)
    (told,) = await stored(client, thread)
    lines = told.splitlines()
    assert lines[-2:] == ["User: old 399", "Assistant: so be it"]
    assert 10 < len(lines) < 200
    assert heard(player.asked[-1])[1:] == ["go on", "and on"]


async def test_a_page_that_does_not_reach_back_is_followed_by_another(chat: MakeChat, player: Player) -> None:
    client = await chat(
        {"chat": {"history": {"items": 40, "tool_results": False, "summary": {"python": "acts:summarise"}}},
         "agents": {"helper": {"tools": ["acts:tick"]}}},
        acts_py=SUMS_UP + "def tick() -> str:\n    'Tick.'\n    return 'tock'\n",
    )  # fmt: skip
    busy = [call("tick"), call("tick"), call("tick")]
    player.replies = [busy, "Fine."]
    thread = (await client.say("hello")).thread_id
    player.replies = ["Fine."]
    filler = [item for number in range(22) for item in _turn(thread, number)]
    await client.runtime.store.write_items("local", thread, filler)
    await talk(client, "go on", thread=thread)
    (summary,) = summaries_in(await client.hidden(thread))
    hidden = [item for number in range(10) for item in _busy_turn(thread, number)]
    await client.runtime.store.write_items("local", thread, hidden)
    await talk(client, "still there?", thread=thread)
    told = heard(player.asked[-1])
    assert told[0] == EARLIER + summary.text
    assert told[-1] == "still there?"
    assert told.count("busy 0") == 1


def _turn(thread: str, number: int) -> list[Any]:
    common = {"thread_id": thread, "created_at": datetime.now(UTC)}
    said = [UserMessageTextContent(text=f"old {number}")]
    return [
        UserMessageItem(id=f"u{number}", content=said, inference_options={}, **common),
        AssistantMessageItem(id=f"a{number}", content=[AssistantMessageContent(text="so be it")], **common),
    ]


def _busy_turn(thread: str, number: int) -> list[Any]:
    common = {"thread_id": thread, "created_at": datetime.now(UTC)}
    said = [UserMessageTextContent(text=f"busy {number}")]
    calls = [ModelItem(id=f"m{number}_{n}", content={"model_items": []}, **common) for n in range(20)]
    return [UserMessageItem(id=f"b{number}", content=said, inference_options={}, **common), *calls]
