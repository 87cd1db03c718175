"""A turn whose process has died: what it had produced is there, the user sees it, and the thread goes on.

The process of these tests lives on, but its leases have run out when they are taken: to the other one it is dead.
`test_killed.py` kills processes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime.server.settings import ServerSettings
from runtime.server.turns.dead_turns import UNKNOWN_RESULT
from runtime.server.turns.recorder import CUT_OFF
from runtime.stores.sql import SqlStore
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.playing import call, think
from tests.conversations.talking import Exchange, texts

POSTGRES = os.environ.get("CHATKIT_TEST_POSTGRES")
NEEDS_POSTGRES = pytest.mark.skipif(not POSTGRES, reason="CHATKIT_TEST_POSTGRES names no database")
DYING = ServerSettings(
    files_stable_s=0.01,
    lease_s=-1.0,
    renew_s=60.0,
    poll_s=0.01,
    partial_every_s=0.01,
    keep_events_s=0.01,
)
ACTS = """
import asyncio

from agents import RunContextWrapper

done = []
reached = asyncio.Event()

async def refund(order: str) -> str:
    "Refund an order."
    done.append(order)
    return f"refunded {order}"

async def book(ctx: RunContextWrapper, order: str) -> str:
    "Book an order."
    ctx.context.thread.metadata["ticket"] = order
    ctx.context.thread.title = "Order " + order
    return f"booked {order}"

async def slow(order: str) -> str:
    "Refund an order slowly."
    done.append(order)
    reached.set()
    await asyncio.Event().wait()
"""
TOOLS: dict[str, Any] = {
    "tools": {"refund": "acts:refund", "slow": "acts:slow", "book": "acts:book"},
    "agents": {"helper": {"tools": ["refund", "slow", "book"]}},
}
NO_CARD = "This answer has already been continued."

Pair = Callable[..., Awaitable[tuple[Chat, Chat]]]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=NEEDS_POSTGRES)])
def pair(request: pytest.FixtureRequest, chat: MakeChat, tmp_path: Path) -> Pair:
    """Make two servers of one project, with one store."""
    url = f"sqlite:///{tmp_path}/threads.db" if request.param == "sqlite" else str(POSTGRES)

    async def make(config: dict[str, Any] | None = None, **files: str) -> tuple[Chat, Chat]:
        declared = {**(config or {}), "store": url}
        first = await chat(declared, name="first", settings=DYING, **files)
        # A title that never comes keeps the turn of the first one alone.
        return first, await chat(declared, name="second", settings=replace(DYING, title_wait_s=0.01), **files)

    return make


async def _stored_up_to(client: Chat, answer: Exchange, text: str) -> None:
    """Wait until the text of a running turn is in the store."""
    store = client.runtime.store
    assert isinstance(store, SqlStore)
    number = (await store.load_turn("local", answer.thread_id))[1].number
    while True:
        if text in str(await store.load_events("local", answer.thread_id, number)):
            return
        await asyncio.sleep(0)


async def _die_in_the_middle(first: Chat) -> Exchange:
    """Let a turn die after the text `one two`."""
    gate = first.player.gate("three")
    answer = first.begin("count")
    await gate.reached.wait()
    await answer.until(lambda so_far: "two" in so_far.deltas)
    await _stored_up_to(first, answer, "two")
    return answer


def _cards(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for item in items if item["type"] == "widget" and item["widget"].get("key") == "runtime.interrupted"]


async def _continue(client: Chat, thread: str, card: dict[str, Any]) -> Exchange:
    action = card["widget"]["confirm"]["action"]
    return await client.act(thread, action["type"], action["payload"], card["id"])


@pytest.mark.parametrize("request_type", ["threads.get_by_id", "items.list"])
async def test_a_thread_that_is_loaded_shows_the_text_so_far_and_that_it_was_interrupted(
    pair: Pair, request_type: str
) -> None:
    first, second = await pair()
    first.player.replies = ["one two three four", "Back."]
    answer = await _die_in_the_middle(first)
    loaded = (await second.call(request_type, thread_id=answer.thread_id)).json
    items = loaded.get("items", loaded)["data"]
    items = sorted(items, key=lambda item: item["created_at"])
    assert [item["type"] for item in items] == ["user_message", "assistant_message", "widget"]
    assert texts(items[1:2]) == ["one two"]
    [card] = _cards(items)
    assert card["widget"]["children"] == [{"type": "Caption", "value": "The answer was interrupted."}]
    assert card["widget"]["confirm"]["label"] == "Try again"
    hidden = [item for item in await second.hidden(answer.thread_id) if item.type == "sdk_hidden_context"]
    assert [item.content for item in hidden] == [CUT_OFF]
    # A second request finds it as it is.
    assert len(_cards(await first.items(answer.thread_id))) == 1


OWN_TEXTS = {
    "interrupted": "{{ 'Avbrutt' if locale.startswith('nb') else 'Cut short' }}, {{ user.id }} ({{ reference }}).",
    "try_again": "Prøv igjen",
}


async def test_the_card_has_the_texts_of_the_project(pair: Pair) -> None:
    first, second = await pair({"chat": {"errors": OWN_TEXTS}})
    first.player.replies = ["one two three four", "Fine."]
    answer = await _die_in_the_middle(first)
    headers = {"accept-language": "nb-NO", "x-request-id": "req-1"}
    loaded = await second.call("threads.get_by_id", headers, thread_id=answer.thread_id)
    [card] = _cards(loaded.json["items"]["data"])
    text = "Avbrutt, local (req-1)."
    assert card["widget"]["children"] == [{"type": "Caption", "value": text}]
    assert (card["widget"]["confirm"]["label"], card["copy_text"]) == ("Prøv igjen", text)
    # The message that takes the button away leaves the text, in whichever language it comes.
    [replaced] = (await second.say("never mind", answer.thread_id)).of("thread.item.replaced")
    assert replaced["item"]["widget"]["children"] == [{"type": "Caption", "value": text}]
    assert "confirm" not in replaced["item"]["widget"]


async def test_texts_that_can_not_be_rendered_leave_the_built_in_ones(pair: Pair) -> None:
    first, second = await pair({"chat": {"errors": {**OWN_TEXTS, "interrupted": "{{ 1 / (state | length) }}"}}})
    first.player.replies = ["one two three four"]
    answer = await _die_in_the_middle(first)
    [card] = _cards(await second.items(answer.thread_id))
    assert card["widget"]["children"][0]["value"] == "The answer was interrupted."
    assert card["widget"]["confirm"]["label"] == "Prøv igjen"


async def test_the_user_tries_again_and_the_model_knows_what_was_said(pair: Pair) -> None:
    first, second = await pair()
    first.player.replies = ["one two three four", "The rest."]
    answer = await _die_in_the_middle(first)
    [card] = _cards(await second.items(answer.thread_id))
    again = await _continue(second, answer.thread_id, card)
    assert again.of("thread.item.removed") == [{"type": "thread.item.removed", "item_id": card["id"]}]
    assert again.said == ["The rest."]
    told = str(first.player.asked[-1].input)
    assert "one two" in told
    assert CUT_OFF in told
    assert "interrupted" not in told
    assert _cards(await second.items(answer.thread_id)) == []
    twice = await _continue(second, answer.thread_id, card)
    assert [event["message"] for event in twice.of("notice")] == [NO_CARD]


async def test_a_message_after_it_takes_the_button_away(pair: Pair) -> None:
    first, second = await pair()
    first.player.replies = ["one two three four", "Fine."]
    answer = await _die_in_the_middle(first)
    after = await second.say("never mind", answer.thread_id)
    assert after.said == ["Fine."]
    [card] = _cards(await second.items(answer.thread_id))
    assert "confirm" not in card["widget"]
    [replaced] = after.of("thread.item.replaced")
    assert replaced["item"] == card
    late = await second.act(answer.thread_id, "runtime.continue", {}, card["id"])
    assert [event["message"] for event in late.of("notice")] == [NO_CARD]


async def test_a_retry_replaces_the_interrupted_answer_and_its_card(pair: Pair) -> None:
    first, second = await pair()
    first.player.replies = ["one two three four", "All of it."]
    answer = await _die_in_the_middle(first)
    message = (await second.items(answer.thread_id))[0]["id"]
    await second.call("threads.retry_after_item", thread_id=answer.thread_id, item_id=message)
    items = await second.items(answer.thread_id)
    assert [item["type"] for item in items] == ["user_message", "assistant_message"]
    assert texts(items[1:]) == ["All of it."]


async def test_a_tool_that_has_run_is_in_the_history_and_does_not_run_again(pair: Pair) -> None:
    first, second = await pair(TOOLS, acts_py=ACTS)
    first.player.replies = [[call("refund", order="A1")], "one two three", "Refunded already."]
    answer = await _die_in_the_middle(first)
    [card] = _cards(await second.items(answer.thread_id))
    assert (await _continue(second, answer.thread_id, card)).said == ["Refunded already."]
    told = first.player.asked[-1]
    assert [item["output"] for item in told.of("function_call_output")] == ["refunded A1"]
    assert len(told.of("function_call")) == 1


async def test_a_tool_that_was_running_has_an_unknown_result(pair: Pair) -> None:
    first, second = await pair(TOOLS, acts_py=ACTS)
    first.player.replies = [[call("slow", order="A1")], "Let me see."]
    answer = first.begin("refund A1")
    await first.runtime.generation.snapshot.code.resolve("acts:reached").wait()
    await answer.until(lambda so_far: "thread.created" in so_far.types)
    [card] = _cards(await second.items(answer.thread_id))
    assert (await _continue(second, answer.thread_id, card)).said == ["Let me see."]
    told = first.player.asked[-1]
    assert [item["output"] for item in told.of("function_call_output")] == [UNKNOWN_RESULT]
    assert [item["name"] for item in told.of("function_call")] == ["slow"]


async def test_what_a_tool_has_set_on_the_thread_is_stored_with_its_result(pair: Pair) -> None:
    first, second = await pair(TOOLS, acts_py=ACTS)
    # The model is asked again, and sends nothing: no event follows the tool.
    gate = first.player.gate('{"order": "A2"}')
    first.player.replies = [[call("book", order="A1")], [call("slow", order="A2")]]
    answer = first.begin("book A1")
    await gate.reached.wait()
    await answer.until(lambda so_far: "thread.created" in so_far.types)
    store = second.runtime.store
    async with asyncio.timeout(180):
        while True:
            if "booked A1" in str(await second.hidden(answer.thread_id)):
                break
            await asyncio.sleep(0)
    thread = await store.load_thread("local", answer.thread_id)
    assert (thread.metadata, thread.title) == ({"ticket": "A1"}, "Order A1")
    [_] = _cards(await second.items(answer.thread_id))
    assert (await store.load_thread("local", answer.thread_id)).metadata == {"ticket": "A1"}


async def _retry(client: Chat, thread: str) -> Exchange:
    message = (await client.items(thread))[0]["id"]
    return await client.call("threads.retry_after_item", thread_id=thread, item_id=message)


async def test_a_retry_does_not_run_a_tool_again_that_has_run(pair: Pair) -> None:
    first, second = await pair(TOOLS, acts_py=ACTS)
    first.player.replies = [
        ["I will refund it.", call("refund", order="A1")], "one two three", "Refunded already.", "Yes.",
    ]  # fmt: skip
    answer = await _die_in_the_middle(first)
    assert (await _retry(second, answer.thread_id)).said[-1] == "Refunded already."
    told = first.player.asked[-1]
    assert [item["output"] for item in told.of("function_call_output")] == ["refunded A1"]
    assert "one two" not in str(told.input)
    items = await second.items(answer.thread_id)
    assert texts(items[1:]) == ["I will refund it.", "Refunded already."]
    await second.say("thanks", answer.thread_id)
    assert len(first.player.asked[-1].of("function_call")) == 1


async def test_a_retry_knows_that_the_result_of_a_call_is_unknown(pair: Pair) -> None:
    first, second = await pair(TOOLS, acts_py=ACTS)
    first.player.replies = [[call("slow", order="A1")], "Let me see."]
    answer = first.begin("refund A1")
    await first.runtime.generation.snapshot.code.resolve("acts:reached").wait()
    await answer.until(lambda so_far: "thread.created" in so_far.types)
    assert (await _retry(second, answer.thread_id)).said == ["Let me see."]
    told = first.player.asked[-1]
    assert [item["output"] for item in told.of("function_call_output")] == [UNKNOWN_RESULT]
    assert second.runtime.generation.snapshot.code.resolve("acts:done") == []


async def test_thoughts_that_were_streamed_are_shown_as_interrupted(pair: Pair) -> None:
    first, second = await pair()
    first.player.replies = [[think("Let me count."), "one two three four"]]
    answer = await _die_in_the_middle(first)
    items = await second.items(answer.thread_id)
    assert [item["type"] for item in items] == ["user_message", "workflow", "assistant_message", "widget"]
    assert items[1]["workflow"]["tasks"][0]["content"] == "Let me count."


async def test_a_turn_that_has_died_before_its_first_event_is_interrupted_as_well(pair: Pair) -> None:
    first, second = await pair()
    gate = first.player.gate("never")
    first.player.replies = ["never said", "Fine."]
    answer = first.begin("hi")
    await gate.reached.wait()
    await answer.until(lambda so_far: "thread.created" in so_far.types)
    items = await second.items(answer.thread_id)
    assert [item["type"] for item in items] == ["user_message", "widget"]
    assert (await _continue(second, answer.thread_id, items[1])).said == ["Fine."]


async def test_an_answer_that_only_had_to_be_ended_is_no_interrupted_one(pair: Pair) -> None:
    first, second = await pair({"chat": {"title": {"python": "titles:title"}}}, titles_py=TITLE)
    answer = first.begin("hi")
    await answer.until(lambda so_far: so_far.said)
    assert [item["type"] for item in await second.items(answer.thread_id)] == ["user_message", "assistant_message"]
    assert (await second.say("and now?", answer.thread_id)).said == ["Fine."]
    _end_titles(first, second)


async def test_questions_that_wait_for_the_user_are_no_interrupted_answer(pair: Pair) -> None:
    config = {"tools": {"pick": {"client": "pick"}}, "agents": {"helper": {"tools": ["pick"]}}}
    first, second = await pair({**config, "chat": {"title": {"python": "titles:title"}}}, titles_py=TITLE)
    first.player.replies = [[call("pick")], "Thanks."]
    answer = first.begin("hi")
    await answer.until(lambda so_far: so_far.done("client_tool_call"))
    assert [item["type"] for item in await second.items(answer.thread_id)] == ["user_message", "client_tool_call"]
    assert (await second.result(answer.thread_id, {"picked": 1})).said == ["Thanks."]
    _end_titles(first, second)


TITLE = """
import asyncio

go_on = asyncio.Event()

async def title(text: str) -> str:
    await go_on.wait()
"""


def _end_titles(*clients: Chat) -> None:
    for client in clients:
        client.runtime.generation.snapshot.code.resolve("titles:go_on").set()


async def test_the_events_of_a_turn_that_ends_as_it_should_are_deleted_after_a_while(pair: Pair) -> None:
    first, _ = await pair()
    first.player.replies = ["one two three four"]
    answer = await _die_in_the_middle(first)
    first.player.gates["three"].open.set()
    await answer.end()
    store = first.runtime.store
    assert isinstance(store, SqlStore)
    status = (await store.load_turn("local", answer.thread_id))[1]
    assert status.state == "ended"
    async with asyncio.timeout(180):
        while await store.load_events("local", answer.thread_id, status.number):  # noqa: ASYNC110 - another task deletes
            await asyncio.sleep(0.01)
    assert texts((await first.items(answer.thread_id))[1:]) == ["one two three four"]
