"""Several processes on one store: one turn at a time in each thread, and nothing that may happen once happens twice.

Each server here has a store of its own, as in a process of its own; `tests/conversations/test_killed.py` has processes.
CHATKIT_TEST_RACES is the number of races of each kind.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from runtime.server.settings import ServerSettings
from runtime.stores.memory import MemoryStore
from runtime.stores.sql import SqlStore
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.later_turns import EVERY_TURN
from tests.conversations.playing import Asked, call
from tests.conversations.talking import Exchange

POSTGRES = os.environ.get("CHATKIT_TEST_POSTGRES")
RACES = int(os.environ.get("CHATKIT_TEST_RACES", "10"))
SOON = ServerSettings(files_stable_s=0.01, renew_s=0.05, poll_s=0.01)
ACTS = """
done = []

async def refund(order: str) -> str:
    "Refund an order."
    done.append(order)
    return f"refunded {order}"
"""
DESK = {
    "tools": {"refund": {"python": "acts:refund", "needs_approval": True}},
    "agents": {"desk": {"tools": ["refund"]}},
}
PICK = {"tools": {"pick": {"client": "pick"}}, "agents": {"helper": {"tools": ["pick"]}}}
ASKING = {
    "tools": {
        "ask": {
            "ask": [{"id": "size", "question": "Which size?", "options": ["S", "M"]}],
            "description": "Ask for a size.",
        }
    },
    "agents": {"helper": {"tools": ["ask"]}},
}

CLICKS = """
import asyncio

done = []
reached, go_on = asyncio.Event(), asyncio.Event()

async def show(ctx, action, sender):
    await ctx.context.show_widget("bill")

async def pay(ctx, action, sender):
    done.append(action.payload)
    await asyncio.sleep(0)
    return {"type": "Card", "children": [{"type": "Text", "value": "Paid."}]}

async def poke(ctx, action, sender):
    done.append(action.payload)
    reached.set()
    await go_on.wait()

async def drop(ctx, action, sender):
    done.append(action.payload)
    raise ValueError("dropped")
"""
BILL: dict[str, Any] = {
    "widgets": {
        "bill": {
            "template": {
                "type": "Card",
                "children": [{"type": "Button", "label": "Pay", "onClickAction": {"type": "pay"}}],
            }
        }
    },
    "actions": {
        "show": "acts:show",
        **{name: {"python": f"acts:{name}", "sync": True} for name in ("pay", "poke", "drop")},
    },
}
RUNNING, HANDLED = "This is already being done (wait until it is finished).", "This has already been done."

Pair = Callable[..., Awaitable[tuple[Chat, Chat]]]


@pytest.fixture(
    params=["sqlite", pytest.param("postgres", marks=pytest.mark.skipif(not POSTGRES, reason="no database"))]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/threads.db" if request.param == "sqlite" else str(POSTGRES)


@pytest.fixture
def pair(chat: MakeChat, url: str) -> Pair:
    """Make two servers of one project, with one store."""

    async def make(
        config: dict[str, Any] | None = None, settings: ServerSettings = SOON, **files: str
    ) -> tuple[Chat, Chat]:
        declared = {**(config or {}), "store": url}
        first = await chat(declared, name="first", settings=settings, **files)
        return first, await chat(declared, name="second", settings=settings, **files)

    return make


def _echo(asked: Asked) -> str:
    return f"you said {asked.of('message')[-1]['content']}"


def _texts(items: list[dict[str, Any]]) -> list[str]:
    return [item["content"][0]["text"] for item in items if item["type"] in ("user_message", "assistant_message")]


def _done(*clients: Chat) -> list[Any]:
    return [order for client in clients for order in client.runtime.generation.snapshot.code.resolve("acts:done")]


def _notices(*answers: Exchange) -> list[str]:
    return [event["message"] for answer in answers for event in answer.of("notice")]


async def test_messages_to_two_processes_are_answered_one_after_the_other(pair: Pair) -> None:
    first, second = await pair()
    first.player.replies = [_echo]
    for _ in range(RACES):
        thread = (await first.say("hi")).thread_id
        answers = [first.begin("one", thread), second.begin("two", thread), first.begin("three", thread)]
        for answer in answers:
            await answer.end()
            assert answer.said, answer.body
        spoken = _texts(await second.items(thread))[2:]
        pairs = list(zip(spoken[::2], spoken[1::2], strict=True))
        assert sorted(pairs) == [(word, f"you said {word}") for word in ("one", "three", "two")]


async def test_a_thread_that_is_busy_in_another_process_refuses_where_it_shall_not_wait(pair: Pair) -> None:
    first, second = await pair({"chat": {"when_busy": "reject"}})
    thread = (await first.say("hi")).thread_id
    gate = first.player.gate("Fine.")
    answer = first.begin("one", thread)
    await gate.reached.wait()
    refused = await second.say("two", thread)
    assert (refused.status, refused.error["code"]) == (409, "thread_busy")
    gate.open.set()
    await answer.end()
    assert (await second.say("three", thread)).said == ["Fine."]
    assert _texts(await first.items(thread)) == ["hi", "Fine.", "one", "Fine.", "three", "Fine."]


async def test_waiting_for_another_process_comes_to_an_end(pair: Pair) -> None:
    first, second = await pair(settings=ServerSettings(files_stable_s=0.01, busy_wait_s=0.05, poll_s=0.01))
    thread = (await first.say("hi")).thread_id
    gate = first.player.gate("Fine.")
    answer = first.begin("one", thread)
    await gate.reached.wait()
    assert (await second.say("two", thread)).error["code"] == "thread_busy"
    gate.open.set()
    await answer.end()


@pytest.mark.skipif(not POSTGRES, reason="no database")
@pytest.mark.parametrize("url", [str(POSTGRES)])  # SQLite is polled
async def test_postgresql_notifies_who_waits_for_the_end_of_a_turn(pair: Pair, url: str) -> None:
    # The poll alone would make this test time out.
    first, second = await pair(settings=ServerSettings(files_stable_s=0.01, poll_s=50.0))
    thread = (await first.say("hi")).thread_id
    gate = first.player.gate("Fine.")
    answer = first.begin("one", thread)
    await gate.reached.wait()
    store = first.runtime.store
    assert isinstance(store, SqlStore)
    waiting = second.begin("two", thread)
    async with asyncio.timeout(180):
        while not (await store.load_turn("local", thread))[1].signals:
            continue
    gate.open.set()
    await answer.end()
    assert (await waiting.end()).said == ["Fine."]


@EVERY_TURN
async def test_an_approval_that_is_clicked_at_two_processes_runs_its_call_once(pair: Pair) -> None:
    first, second = await pair(DESK, acts_py=ACTS)
    for race in range(RACES):
        first.player.replies = [[call("refund", order=f"A{race}")], "It is done."]
        asked = await first.say("refund")
        [card] = [item for item in asked.done("widget") if "confirm" in item["widget"]]
        action = card["widget"]["confirm"]["action"]
        clicks = [
            client.act(asked.thread_id, action["type"], action["payload"], card["id"]) for client in (first, second)
        ]
        answers = await asyncio.gather(*clicks)
        assert _notices(*answers) == ["This request has already been answered."]
        assert [text for answer in answers for text in answer.said] == ["It is done."]
    assert sorted(_done(first, second)) == sorted(f"A{race}" for race in range(RACES))


async def test_a_client_result_that_is_sent_to_two_processes_counts_once(pair: Pair) -> None:
    first, second = await pair(PICK)
    for _ in range(RACES):
        first.player.replies = [[call("pick")], "Thanks."]
        thread = (await first.say("pick")).thread_id
        answers = await asyncio.gather(*(client.result(thread, {"picked": 1}) for client in (first, second)))
        assert _notices(*answers) == ["This result is no longer needed."]
        assert [item["type"] for item in await second.items(thread)] == [
            "user_message", "client_tool_call", "assistant_message",
        ]  # fmt: skip


async def test_answers_that_are_sent_to_two_processes_count_once(pair: Pair) -> None:
    first, second = await pair(ASKING)
    for _ in range(RACES):
        first.player.replies = [[call("ask")], "Thanks."]
        asked = await first.say("a shirt")
        [item] = asked.done("structured_input")
        given = {"answers": {item["inputs"][0]["id"]: {"values": ["S"]}}}

        async def answer(
            client: Chat, thread: str = asked.thread_id, item_id: str = item["id"], given: Any = given
        ) -> Any:
            return await client.call("threads.add_structured_input", thread_id=thread, item_id=item_id, input=given)

        answers = await asyncio.gather(answer(first), answer(second))
        assert sorted(answer.status for answer in answers) == [200, 409]
        assert [answer.error["code"] for answer in answers if answer.status == 409] == ["already_answered"]
        assert _texts(await second.items(asked.thread_id)) == ["a shirt", "Thanks."]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> asyncio.Semaphore:
    """Count the looks of retries at what they would delete: each looks when it comes, and again when it begins."""
    looks = asyncio.Semaphore(0)

    def counted(look: Callable[..., Awaitable[list[str]]]) -> Callable[..., Awaitable[list[str]]]:
        async def counted(*arguments: Any) -> list[str]:
            found = await look(*arguments)
            looks.release()
            return found

        return counted

    for store in (SqlStore, MemoryStore):
        monkeypatch.setattr(store, "item_ids_after", counted(store.item_ids_after))
    return looks


async def _retry_twice(looks: asyncio.Semaphore, first: Chat, second: Chat) -> Exchange:
    """Ask for another answer twice before it is there, and once more when it is; return the last."""
    first.player.replies = ["Old answer.", "New answer.", "Newest answer."]
    asked = await first.say("hi")
    message = asked.done("user_message")[0]["id"]
    gate = first.player.gate("New")

    async def retry(client: Chat) -> Exchange:
        return await client.call("threads.retry_after_item", thread_id=asked.thread_id, item_id=message)

    async def answer() -> None:
        await gate.reached.wait()
        for _ in ("first, when it came", "first, when it began", "second, when it came"):
            await looks.acquire()
        gate.open.set()

    *answers, _ = await asyncio.gather(retry(first), retry(second), answer())
    assert _notices(*answers) == ["This message has been answered again already."]
    assert _texts(await second.items(asked.thread_id)) == ["hi", "New answer."]
    return await retry(second)


async def test_a_retry_that_is_clicked_at_two_processes_replaces_the_answer_once(
    pair: Pair, looks: asyncio.Semaphore
) -> None:
    first, second = await pair()
    for _ in range(RACES):
        assert (await _retry_twice(looks, first, second)).said == ["Newest answer."]
        first.player.gates.clear()
        while not looks.locked():
            await looks.acquire()


async def test_a_retry_that_is_clicked_twice_at_one_process_replaces_the_answer_once(
    chat: MakeChat, looks: asyncio.Semaphore
) -> None:
    client = await chat()
    assert (await _retry_twice(looks, client, client)).said == ["Newest answer."]


async def _bill(client: Chat) -> tuple[str, str]:
    """Show a widget with a button; return its thread and its id."""
    thread = (await client.say("hi")).thread_id
    return thread, (await client.act(thread, "show")).done("widget")[0]["id"]


async def test_a_button_that_is_clicked_at_two_processes_is_handled_once(pair: Pair) -> None:
    first, second = await pair(BILL, acts_py=CLICKS)
    for race in range(RACES):
        thread, item = await _bill(first)
        answers = await asyncio.gather(*(client.act(thread, "pay", {"n": race}, item) for client in (first, second)))
        assert [answer.status for answer in answers] == [200, 200]
        assert len(_notices(*answers)) == 1
        assert set(_notices(*answers)) <= {RUNNING, HANDLED}
        assert sum(len(answer.of("thread.item.replaced")) for answer in answers) == 1
    assert sorted(done["n"] for done in _done(first, second)) == list(range(RACES))


async def test_a_sync_action_that_is_clicked_at_two_processes_is_handled_once(pair: Pair) -> None:
    first, second = await pair(BILL, acts_py=CLICKS)
    for race in range(RACES):
        thread, item = await _bill(first)
        clicks = (client.act_now(thread, "pay", {"n": race}, item) for client in (first, second))
        answers = await asyncio.gather(*clicks)
        assert sorted(answer.status for answer in answers) == [200, 409]
        [refused] = [answer for answer in answers if answer.status == 409]
        assert (refused.error["code"], refused.error["message"]) in [
            ("action_running", RUNNING),
            ("already_handled", HANDLED),
        ]
    assert sorted(done["n"] for done in _done(first, second)) == list(range(RACES))


@pytest.mark.parametrize("other", [0, 1])
async def test_a_click_is_refused_while_the_same_click_is_handled_and_then_handled_again(
    pair: Pair, other: int
) -> None:
    clients = await pair(BILL, acts_py=CLICKS)
    first, second = clients[0], clients[other]
    thread, item = await _bill(first)
    code = first.runtime.generation.snapshot.code
    running = asyncio.create_task(first.act_now(thread, "poke", {"n": 1}, item))
    await code.resolve("acts:reached").wait()
    refused = await second.act_now(thread, "poke", {"n": 1}, item)
    assert (refused.status, refused.error["code"]) == (409, "action_running")
    assert _notices(await second.act(thread, "poke", {"n": 1}, item)) == [RUNNING]
    second.runtime.generation.snapshot.code.resolve("acts:go_on").set()
    # Another payload is another click, such as the next value of a slider.
    assert (await second.act_now(thread, "poke", {"n": 2}, item)).status == 200
    code.resolve("acts:go_on").set()
    assert (await running).status == 200
    assert (await second.act_now(thread, "poke", {"n": 1}, item)).status == 200
    processes = (first,) if second is first else (first, second)
    assert sorted(done["n"] for done in _done(*processes)) == [1, 1, 2]


async def test_a_handler_that_fails_can_be_tried_again_at_the_other_process(pair: Pair) -> None:
    first, second = await pair(BILL, acts_py=CLICKS)
    thread, item = await _bill(first)
    for client in (first, second, first):
        failed = await client.act_now(thread, "drop", {"n": 1}, item)
        assert (failed.status, failed.error["code"]) == (500, "action_failed")
    assert len(_done(first, second)) == 3


async def test_a_button_that_a_handler_took_away_does_nothing_in_another_tab(pair: Pair) -> None:
    first, second = await pair(BILL, acts_py=CLICKS)
    thread, item = await _bill(first)
    assert (await first.act_now(thread, "pay", {"n": 1}, item)).status == 200
    late = await second.act_now(thread, "pay", {"n": 2}, item)
    assert (late.status, late.error["code"]) == (409, "already_handled")
    assert _notices(await first.act(thread, "pay", {"n": 1}, item)) == [HANDLED]
    assert _done(first, second) == [{"n": 1}]


async def test_a_click_whose_process_has_died_is_handled_again_once_its_claim_has_run_out(pair: Pair) -> None:
    settings = ServerSettings(files_stable_s=0.01, lease_s=0.01, renew_s=60.0)
    first, second = await pair(BILL, settings=settings, acts_py=CLICKS)
    thread, item = await _bill(first)
    running = asyncio.create_task(first.act_now(thread, "poke", None, item))
    await first.runtime.generation.snapshot.code.resolve("acts:reached").wait()
    second.runtime.generation.snapshot.code.resolve("acts:go_on").set()
    async with asyncio.timeout(180):
        while (await second.act_now(thread, "poke", None, item)).status == 409:
            continue
    first.runtime.generation.snapshot.code.resolve("acts:go_on").set()
    assert (await running).status == 200
    assert len(_done(first, second)) == 2


async def test_a_turn_whose_lease_was_taken_over_ends_and_writes_nothing_more(pair: Pair) -> None:
    settings = ServerSettings(files_stable_s=0.01, lease_s=0.01, renew_s=30.0, poll_s=0.01)
    first, second = await pair(settings=settings)
    first.player.replies = ["one two", "Back."]
    gate = first.player.gate("two")
    answer = first.begin("hi")
    await gate.reached.wait()
    await answer.until(lambda so_far: "thread.created" in so_far.types)
    taken_over = await second.say("go on", answer.thread_id)
    assert taken_over.said == ["Back."]
    gate.open.set()
    await answer.end()
    assert [event["allow_retry"] for event in answer.of("error")] == [True]
    assert answer.said == []
    assert "one two" not in str(await first.hidden(answer.thread_id))


async def test_a_turn_hears_that_its_lease_was_taken_over_when_it_is_to_be_renewed(pair: Pair) -> None:
    settings = ServerSettings(files_stable_s=0.01, lease_s=0.01, renew_s=0.2, poll_s=0.01)
    first, second = await pair(settings=settings)
    first.player.replies = ["one two", "Back."]
    gate = first.player.gate("two")
    answer = first.begin("hi")
    await gate.reached.wait()
    await answer.until(lambda so_far: "thread.created" in so_far.types)
    assert (await second.say("go on", answer.thread_id)).said == ["Back."]
    # The model never goes on: nothing but the renewal can end the turn.
    await answer.end()
    assert [event["allow_retry"] for event in answer.of("error")] == [True]


async def test_a_lease_lasts_as_long_as_it_is_renewed(pair: Pair) -> None:
    lease_s, loop = 0.5, asyncio.get_running_loop()
    first, second = await pair(settings=ServerSettings(files_stable_s=0.01, lease_s=lease_s, renew_s=0.02))
    gate = first.player.gate("Fine.")
    answer = first.begin("hi")
    await gate.reached.wait()
    await answer.until(lambda so_far: "thread.created" in so_far.types)
    store, run_out = second.runtime.store, loop.time() + lease_s
    assert isinstance(store, SqlStore)
    async with asyncio.timeout(180):
        # Where the machine stalls, it runs out at times; without renewals, it is never held again.
        while (await store.load_turn("local", answer.thread_id))[1].state != "running" or loop.time() < run_out:  # noqa: ASYNC110
            await asyncio.sleep(0)
    gate.open.set()
    assert (await answer.end()).said == ["Fine."]
