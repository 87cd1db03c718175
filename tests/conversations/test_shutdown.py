"""Turns that the server ends before their time: what was said is stored, and the client may try again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from runtime.auth.user import LOCAL_USER
from runtime.server.settings import ServerSettings
from runtime.server.turns.chatkit_server import RESTARTING
from runtime.server.turns.recorder import CUT_OFF, Recorder
from runtime.server.turns.request_parsing import RequestInfo
from runtime.server.turns.turn import Turn
from runtime.stores.memory import MemoryStore
from runtime.testing import parse_events
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.playing import Gate, Player, call, on_stage
from tests.conversations.talking import Exchange, texts, user_input

LONG = "one two three four five"
ENDED = {"type": "error", "code": "custom", "message": RESTARTING, "allow_retry": True}
SIGNALS = """
import asyncio, threading

class Signals:
    def __init__(self):
        self.reached, self.cancelled = asyncio.Event(), asyncio.Event()
        self.hanging, self.free = threading.Event(), threading.Event()
"""
ACTS = """
import asyncio
from agents import RunContextWrapper

async def wait(ctx: RunContextWrapper) -> str:
    "Wait."
    signals = ctx.context.signals
    signals.reached.set()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        signals.cancelled.set()
        raise

async def stay(ctx: RunContextWrapper) -> str:
    "Stay, whatever happens."
    signals = ctx.context.signals
    signals.reached.set()
    while not signals.free.is_set():
        try:
            await signals.cancelled.wait()
            return "enough"
        except asyncio.CancelledError:
            continue

def hang(ctx: RunContextWrapper) -> str:
    "Hang."
    signals = ctx.context.signals
    signals.hanging.set()
    signals.free.wait(180)

async def click(ctx, action, sender):
    await ctx.context.say("Working on it.")
    await wait(ctx)
"""
TOOLS = {
    "tools": {name: f"acts:{name}" for name in ("wait", "stay", "hang")},
    "agents": {"helper": {"tools": ["wait", "stay", "hang"]}},
    "actions": {"click": "acts:click"},
    "state": {"signals": "signals:Signals"},
}


async def _in_the_middle(client: Chat) -> Exchange:
    """Begin an answer that has said `one two` and waits."""
    client.player.replies = [LONG]
    gate = client.player.gate("three")
    answer = client.begin("count")
    await answer.until(lambda so_far: "two" in so_far.deltas)
    await gate.reached.wait()
    return answer


async def _begun(client: Chat, kind: str, **params: Any) -> Turn:
    """A turn that has been started and has not run its first step."""

    async def local(snapshot: Any) -> RequestInfo:
        return RequestInfo(user=LOCAL_USER)

    turn = await client.runtime.server.handle(json.dumps({"type": kind, "params": params}), local)
    assert isinstance(turn, Turn)
    return turn


async def test_what_is_stored_is_on_its_way_before_anything_else_is_done(chat: MakeChat) -> None:
    client = await chat()
    client.player.replies = ["Hello."]
    turn = await _begun(client, "threads.create", input=user_input("hi"))
    with pytest.raises(StopIteration) as taken:
        # A chunk that is there already: the response does not have to wait for the turn's first step.
        turn.buffer.take(10).send(None)
    assert [event["type"] for event in parse_events(taken.value.value)] == [
        "thread.created",
        "thread.item.done",
        "stream_options",
    ]
    assert [event["type"] for event in await _rest(turn)][-1] == "thread.item.done"


async def _rest(turn: Turn) -> list[dict[str, Any]]:
    async with asyncio.timeout(180):
        return parse_events(b"".join([chunk async for chunk in turn.chunks()]))


async def _hidden(client: Chat, thread: str) -> list[Any]:
    return [item.content for item in await client.hidden(thread) if item.type == "sdk_hidden_context"]


async def test_an_answer_that_takes_too_long_ends_as_an_error_that_may_be_retried(chat: MakeChat) -> None:
    client = await chat()
    answer = await _in_the_middle(client)
    await client.runtime.server.close(grace_s=0)
    await answer.end()
    assert answer.complete
    assert answer.events[-1] == ENDED
    assert len(answer.of("error")) == 1
    assert texts((await client.items(answer.thread_id))[1:]) == ["one two"]
    assert await _hidden(client, answer.thread_id) == [CUT_OFF]
    assert client.player.finished == 0


async def test_an_answer_that_ends_within_the_limit_arrives_whole(chat: MakeChat) -> None:
    client = await chat()
    answer = await _in_the_middle(client)
    closing = asyncio.create_task(client.runtime.server.close(grace_s=20))
    client.player.gates["three"].open.set()
    await closing
    await answer.end()
    assert answer.said == [LONG]
    assert answer.of("error") == []
    assert await _hidden(client, answer.thread_id) == []


async def test_an_ended_answer_can_be_retried_and_is_then_replaced(chat: MakeChat) -> None:
    client = await chat()
    answer = await _in_the_middle(client)
    await client.runtime.server.close(grace_s=0)
    client.player.replies = ["All five."]
    message = answer.done("user_message")[0]["id"]
    retried = await client.call("threads.retry_after_item", thread_id=answer.thread_id, item_id=message)
    assert retried.said == ["All five."]
    assert texts((await client.items(answer.thread_id))[1:]) == ["All five."]
    assert await _hidden(client, answer.thread_id) == []


async def test_a_turn_that_is_ended_before_its_first_step_still_says_what_was_stored(chat: MakeChat) -> None:
    client = await chat({"chat": {"title": {"python": "acts:title"}}}, acts_py="def title(text):\n    return text\n")
    turn = await _begun(client, "threads.create", input=user_input("count"))
    turn.end("Not now.")
    turn.end("Not now either.")
    events = await _rest(turn)
    assert [event["type"] for event in events] == ["thread.created", "thread.item.done", "stream_options", "error"]
    assert events[-1] == {**ENDED, "message": "Not now."}
    assert client.player.asked == []
    await client.runtime.server.close()
    assert len(client.runtime.server.locks) == 0


async def test_a_turn_that_its_client_has_cancelled_stays_cancelled(
    chat: MakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await chat()
    client.player.replies = [LONG]
    model = client.player.gate("three")
    turn = await _begun(client, "threads.create", input=user_input("count"))
    await model.reached.wait()
    storing = _slow_writes(monkeypatch)
    turn.client_left()
    await storing.reached.wait()
    turn.end("Not now.")
    storing.open.set()
    await client.runtime.server.close()
    events = await _rest(turn)
    assert [event for event in events if event["type"] == "error"] == []
    thread = events[0]["thread"]["id"]
    assert texts((await client.items(thread))[1:]) == ["one two"]


async def test_a_turn_that_has_failed_keeps_its_own_error(chat: MakeChat, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await chat()
    client.player.replies = [[LONG, openai.APIConnectionError(request=None)]]  # type: ignore[arg-type]
    model = client.player.gate("three")
    turn = await _begun(client, "threads.create", input=user_input("count"))
    await model.reached.wait()
    storing = _slow_writes(monkeypatch)
    model.open.set()
    await storing.reached.wait()
    turn.end("Not now.")
    storing.open.set()
    events = await _rest(turn)
    assert [event["message"] for event in events if event["type"] == "error"] == [
        "The model can't be reached. Please try again. (reference )"
    ]


async def test_an_answer_that_has_been_given_is_no_error_because_its_title_is_late(
    chat: MakeChat, titler: Player, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, finish = asyncio.Event(), Recorder.finish

    async def noted(self: Recorder) -> None:
        given.set()
        await finish(self)

    monkeypatch.setattr(Recorder, "finish", noted)
    found = "tests.conversations.playing:find"
    models = {
        "default": {"python": found, "with": {"name": "answering"}},
        "small": {"python": found, "with": {"name": "titling"}},
    }
    client = await chat({"models": models, "chat": {"title": {"model": "small"}}})
    gate = titler.gate("late")
    titler.replies = ["late"]
    turn = await _begun(client, "threads.create", input=user_input("hi"))
    await gate.reached.wait()
    await given.wait()
    turn.end("Not now.")
    events = await _rest(turn)
    assert [event["type"] for event in events][-1] == "thread.item.done"
    await client.runtime.server.close(grace_s=0)
    assert client.runtime.server.tasks == {}


@pytest.fixture
def titler() -> Iterator[Player]:
    made, on_stage["answering"] = Player(), Player()
    on_stage["titling"] = made
    yield made
    del on_stage["titling"], on_stage["answering"]


async def test_a_tool_that_runs_is_cancelled_and_its_call_stays_answered(chat: MakeChat) -> None:
    client = await chat(TOOLS, acts_py=ACTS, signals_py=SIGNALS)
    client.player.replies = [["Let me see.", call("wait")], "Something else."]
    answer = client.begin("go")
    signals = client.runtime.state["signals"]
    await signals.reached.wait()
    await client.runtime.server.close(grace_s=0)
    await answer.end()
    async with asyncio.timeout(180):
        await signals.cancelled.wait()
    assert answer.said == ["Let me see."]
    assert answer.events[-1] == ENDED
    again = await client.say("never mind", answer.thread_id)
    assert again.said == ["Something else."]
    asked = client.player.asked[1]
    assert len(asked.of("function_call")) == len(asked.of("function_call_output"))


async def test_an_action_that_runs_is_ended_as_well(chat: MakeChat) -> None:
    client = await chat(TOOLS, acts_py=ACTS, signals_py=SIGNALS)
    thread = (await client.say("hi")).thread_id
    click = client.ask("threads.custom_action", thread_id=thread, action={"type": "click", "payload": None})
    await client.runtime.state["signals"].reached.wait()
    await client.runtime.server.close(grace_s=0)
    await click.end()
    assert click.said == ["Working on it."]
    assert click.events[-1] == ENDED


async def test_a_plain_tool_that_hangs_does_not_hold_up_the_end(chat: MakeChat) -> None:
    client = await chat(TOOLS, acts_py=ACTS, signals_py=SIGNALS)
    client.player.replies = [[call("hang")]]
    answer = client.begin("go")
    signals = client.runtime.state["signals"]
    try:
        assert await asyncio.to_thread(signals.hanging.wait, 180)
        await client.runtime.server.close(grace_s=0)
        await answer.end()
        assert answer.events[-1] == ENDED
    finally:
        signals.free.set()


@pytest.mark.in_process
async def test_a_tool_that_refuses_to_be_cancelled_is_not_waited_for_for_ever(chat: MakeChat) -> None:
    client = await chat(TOOLS, settings=ServerSettings(storing_s=0.01), acts_py=ACTS, signals_py=SIGNALS)
    client.player.replies = [[call("stay")]]
    client.begin("go")
    signals = client.runtime.state["signals"]
    try:
        await signals.reached.wait()
        async with asyncio.timeout(180):
            await client.runtime.server.close(grace_s=0)
    finally:
        signals.free.set()
        signals.cancelled.set()


async def test_an_answer_that_goes_on_without_its_client_is_stored_too(chat: MakeChat) -> None:
    client = await chat({"chat": {"on_disconnect": "finish"}})
    answer = await _in_the_middle(client)
    answer.leave()
    await client.runtime.server.close(grace_s=0)
    await answer.end()
    assert texts((await client.items(answer.thread_id))[1:]) == ["one two"]
    assert await _hidden(client, answer.thread_id) == [CUT_OFF]


async def test_many_turns_are_ended_at_once(chat: MakeChat) -> None:
    client = await chat()
    client.player.replies = [LONG]
    client.player.gate("three")
    answers = [client.begin(f"count {n}") for n in range(20)]
    for answer in answers:
        await answer.until(lambda so_far: "two" in so_far.deltas)
    await client.runtime.server.close(grace_s=0)
    for answer in answers:
        await answer.end()
        assert answer.events[-1] == ENDED
        assert texts((await client.items(answer.thread_id))[1:]) == ["one two"]
    assert client.runtime.server.tasks == {}
    assert len(client.runtime.server.locks) == 0


def _slow_writes(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate, write = Gate(), MemoryStore.write_items

    async def slow_write(self: MemoryStore, owner: str, thread_id: str, items: Any, *, delete: Any = ()) -> None:
        await gate.wait()
        await write(self, owner, thread_id, items, delete=delete)

    monkeypatch.setattr(MemoryStore, "write_items", slow_write)
    return gate
