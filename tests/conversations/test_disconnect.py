"""A client that goes away in the middle of an answer: what is cancelled, what is finished, and what is stored."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from typing import Any

import httpx
import pytest

from runtime.auth.user import LOCAL_USER
from runtime.cli.uvicorn_server import app_in_background
from runtime.server.app import create_app
from runtime.server.settings import ServerSettings
from runtime.server.turns.recorder import CUT_OFF
from runtime.server.turns.request_parsing import RequestInfo
from runtime.server.turns.turn import Turn
from runtime.stores.memory import MemoryStore
from tests.conversations.conftest import Chat, MakeBare, MakeChat, write_project
from tests.conversations.playing import Gate, Player, call, on_stage
from tests.conversations.talking import Exchange, texts, user_input

LONG = "one two three four five"

JSON = {"content-type": "application/json"}


async def _leave_in_the_middle(client: Any, player: Player) -> tuple[Exchange, Gate]:
    gate = player.gate("three")
    answer = client.begin("count")
    await answer.until(lambda so_far: "two" in so_far.deltas)
    await gate.reached.wait()
    answer.leave()
    await answer.end()
    return answer, gate


async def _turns_are_over(client: Chat) -> None:
    async with asyncio.timeout(180):
        await client.runtime.server.close(grace_s=20)


def _deltas(player: Player) -> int:
    return sum(event.type == "response.output_text.delta" for event in player.sent)


async def test_a_client_that_goes_away_cancels_the_run_and_what_was_said_is_stored(chat: MakeChat) -> None:
    client = await chat()
    client.player.replies = [LONG]
    answer, gate = await _leave_in_the_middle(client, client.player)
    await _turns_are_over(client)
    gate.open.set()
    assert _deltas(client.player) == 2
    assert client.player.finished == 0
    items = await client.items(answer.thread_id)
    assert texts(items[1:]) == ["one two"]
    hidden = [item for item in await client.hidden(answer.thread_id) if item.type == "sdk_hidden_context"]
    assert [item.content for item in hidden] == [CUT_OFF]
    assert "cancelled" not in CUT_OFF.lower()


async def test_a_client_that_is_seen_to_leave_twice_does_not_cut_off_the_storing(
    chat: MakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await chat()
    client.player.replies = [LONG]
    model, storing = client.player.gate("three"), Gate()
    write = MemoryStore.write_items

    async def slow_write(self: MemoryStore, owner: str, thread_id: str, items: Any, *, delete: Any = ()) -> None:
        await storing.wait()
        await write(self, owner, thread_id, items, delete=delete)

    monkeypatch.setattr(MemoryStore, "write_items", slow_write)

    async def local(snapshot: Any) -> RequestInfo:
        return RequestInfo(user=LOCAL_USER)

    body = json.dumps({"type": "threads.create", "params": {"input": user_input("count")}})
    turn = await client.runtime.server.handle(body, local)
    assert isinstance(turn, Turn)
    await model.reached.wait()
    turn.client_left()
    await storing.reached.wait()
    turn.client_left()
    for _ in range(10):
        await asyncio.sleep(0)
    # Nobody else may write to the thread before this is stored.
    assert len(client.runtime.server.locks) == 1
    storing.open.set()
    await _turns_are_over(client)
    thread = (await client.call("threads.list")).json["data"][0]["id"]
    assert texts((await client.items(thread))[1:]) == ["one two"]
    assert len(client.runtime.server.locks) == 0


async def test_after_a_cancelled_answer_the_thread_goes_on_and_the_model_knows_that_it_is_incomplete(
    chat: MakeChat,
) -> None:
    client = await chat()
    client.player.replies = [LONG, "Where was I?"]
    answer, gate = await _leave_in_the_middle(client, client.player)
    gate.open.set()
    assert (await client.say("go on", answer.thread_id)).said == ["Where was I?"]
    told = str(client.player.asked[1].input)
    assert "one two" in told
    assert CUT_OFF in told


async def test_a_tool_that_is_cut_off_leaves_a_history_in_pairs(chat: MakeChat) -> None:
    code = """
import asyncio
reached = asyncio.Event()

async def wait_long() -> str:
    "Wait."
    reached.set()
    await asyncio.Event().wait()
"""
    client = await chat({"agents": {"helper": {"tools": ["acts:wait_long"]}}}, acts_py=code)
    client.player.replies = [["Let me see.", call("wait_long")], "Something else."]
    answer = client.begin("go")
    await client.runtime.generation.snapshot.code.resolve("acts:reached").wait()
    await answer.until(lambda so_far: so_far.said)
    answer.leave()
    await answer.end()
    again = await client.say("never mind", answer.thread_id)
    assert again.said == ["Something else."]
    asked = client.player.asked[1]
    assert len(asked.of("function_call")) == len(asked.of("function_call_output"))


async def test_on_disconnect_finish_the_answer_is_written_to_its_end(chat: MakeChat) -> None:
    client = await chat({"chat": {"on_disconnect": "finish"}})
    client.player.replies = [LONG]
    gate = client.player.gate("three")
    answer = client.begin("count")
    await answer.until(lambda so_far: "two" in so_far.deltas)
    answer.leave()
    gate.open.set()
    await answer.end()
    await _turns_are_over(client)
    assert client.player.finished == 1
    assert texts((await client.items(answer.thread_id))[1:]) == [LONG]
    assert all(item.type != "sdk_hidden_context" for item in await client.hidden(answer.thread_id))


async def test_allow_cancel_false_is_enforced_by_the_server_and_not_only_by_the_page(chat: MakeChat) -> None:
    client = await chat({"chat": {"allow_cancel": False}})
    client.player.replies = [LONG]
    gate = client.player.gate("three")
    answer = client.begin("count")
    await answer.until(lambda so_far: "two" in so_far.deltas)
    assert answer.of("stream_options")[0]["stream_options"] == {"allow_cancel": False}
    answer.leave()
    gate.open.set()
    await answer.end()
    await _turns_are_over(client)
    assert texts((await client.items(answer.thread_id))[1:]) == [LONG]


async def test_the_bare_sdk_with_a_store_that_awaits_loses_what_was_said(bare: MakeBare) -> None:
    client = bare(slow=True)
    client.player.replies = [LONG]
    gate = client.player.gate("three")
    answer = client.begin("count")
    await answer.until(lambda so_far: "two" in so_far.deltas)
    answer.leave()
    gate.open.set()
    await answer.end()
    thread = answer.thread_id
    assert [item.type for item in client.server.dicts.items[thread]] == ["user_message"]


async def test_the_bare_sdk_lets_the_run_go_on_without_its_client(bare: MakeBare) -> None:
    client = bare()
    client.player.replies = [LONG]
    answer, gate = await _leave_in_the_middle(client, client.player)
    gate.open.set()
    await client.player.until(lambda player: player.finished == 1)
    assert _deltas(client.player) == 5
    assert answer.deltas == "one two"


async def test_the_bare_sdk_says_that_the_user_cancelled(bare: MakeBare) -> None:
    client = bare()
    client.player.replies = [LONG]
    answer, gate = await _leave_in_the_middle(client, client.player)
    gate.open.set()
    stored = client.server.dicts.items[answer.thread_id]
    assert any("user cancelled" in str(getattr(item, "content", "")) for item in stored)


async def test_a_shutdown_stores_what_was_said_and_never_that_the_user_cancelled(chat: MakeChat) -> None:
    client = await chat()
    client.player.replies = [LONG]
    gate = client.player.gate("three")
    answer = client.begin("count")
    await answer.until(lambda so_far: "two" in so_far.deltas)
    await gate.reached.wait()
    await client.runtime.server.close(grace_s=0)
    await answer.end()
    assert answer.complete
    stored = await client.hidden(answer.thread_id)
    assert [item.type for item in stored] == ["user_message", "assistant_message", "sdk_hidden_context"]
    assert not any("user cancelled" in str(item) for item in stored)


async def test_a_silent_tool_is_covered_by_pings_and_headers_keep_proxies_from_buffering(chat: MakeChat) -> None:
    client = await chat(settings=ServerSettings(ping_s=0.001))
    client.player.replies = [LONG]
    gate = client.player.gate("one")
    answer = client.begin("count")
    await answer.until(lambda so_far: so_far.body.count(b": ping\n\n") >= 2)
    gate.open.set()
    await answer.end()
    assert answer.said == [LONG]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-cache", "no")


def test_the_ping_of_a_silent_stream_comes_every_15_seconds() -> None:
    assert ServerSettings().ping_s == 15


async def test_the_bare_sdk_sends_no_pings_and_no_headers_against_buffering(bare: MakeBare) -> None:
    answer = await bare().say("hi")
    assert b": ping" not in answer.body
    assert "x-accel-buffering" not in answer.headers


def test_over_a_real_socket_a_closed_connection_cancels_the_run(tmp_path: Any) -> None:
    player, name = Player(LONG), "real-socket"
    on_stage[name] = player
    reached, stopped = threading.Event(), threading.Event()

    class Watched(Gate):
        async def wait(self) -> None:
            reached.set()
            try:
                await super().wait()
            except asyncio.CancelledError:
                stopped.set()
                raise

    player.gates["three"] = Watched()
    models = {"default": {"python": "tests.conversations.playing:find", "with": {"name": name}}}
    write_project(tmp_path / "socket", {"models": models, "agents": {"helper": {}}}, {})
    with app_in_background(create_app(tmp_path / "socket", environ={})) as url:
        body = {"type": "threads.create", "params": {"input": user_input("count")}}
        with httpx.Client(timeout=180) as http, http.stream("POST", f"{url}/chatkit", json=body) as response:
            assert response.headers["x-request-id"].startswith("req_")
            assert reached.wait(180)
        assert stopped.wait(180)
        with httpx.Client(timeout=180) as http:
            listed = http.post(f"{url}/chatkit", json={"type": "threads.list", "params": {}}).json()
            items = {"type": "items.list", "params": {"thread_id": listed["data"][0]["id"], "order": "asc"}}
            while len(stored := http.post(f"{url}/chatkit", json=items).json()["data"]) < 2:
                continue
    assert texts(stored[1:]) == ["one two"]
    del on_stage[name]


def test_over_a_real_socket_a_large_body_is_refused_and_the_connection_lives_on(tmp_path: Any) -> None:
    name = "real-sizes"
    on_stage[name] = Player()
    models = {"default": {"python": "tests.conversations.playing:find", "with": {"name": name}}}
    write_project(tmp_path / "sizes", {"models": models, "agents": {"helper": {}}}, {})
    with app_in_background(create_app(tmp_path / "sizes", environ={})) as url:
        with httpx.Client(timeout=180) as http:
            large = http.post(f"{url}/chatkit", content=b"x" * 2_000_000, headers=JSON)
            assert (large.status_code, large.json()["error"]["code"]) == (413, "body_too_large")
            chunked = http.post(f"{url}/chatkit", content=(b"x" * 65_536 for _ in range(30)), headers=JSON)
            assert chunked.status_code == 413
            assert http.get(f"{url}/health").json() == {"status": "ok"}
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=180) as raw:
            raw.sendall(
                b"POST /chatkit HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
                b"content-length: 2000000\r\n\r\n"
            )
            # Refused by what was announced: not one byte of the body was needed.
            assert raw.recv(64).startswith(b"HTTP/1.1 413")
    del on_stage[name]
