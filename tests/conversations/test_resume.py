"""Streams that are read on after the connection was lost, or stopped: at the process that runs the turn, or at another.

CHATKIT_TEST_RACES is the number of broken streams of each kind.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime.server.settings import ServerSettings
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.playing import call
from tests.conversations.talking import Exchange, texts

POSTGRES = os.environ.get("CHATKIT_TEST_POSTGRES")
NEEDS_POSTGRES = pytest.mark.skipif(not POSTGRES, reason="CHATKIT_TEST_POSTGRES names no database")
RACES = int(os.environ.get("CHATKIT_TEST_RACES", "10"))
SOON = ServerSettings(files_stable_s=0.01, renew_s=0.02, poll_s=0.01, partial_every_s=0.01, ping_s=0.05)
RESUME = {"x-chatkit-resume": "1"}
LONG = " ".join(f"word{number}" for number in range(60))
FLASH = """
from agents import RunContextWrapper

async def flash(ctx: RunContextWrapper) -> str:
    "Flash."
    await ctx.context.effect("flash")
    return "flashed"
"""
LOGIN = """
def user(request):
    return request.headers.get("x-user")
"""
FLASHING: dict[str, Any] = {"tools": {"flash": "acts:flash"}, "agents": {"helper": {"tools": ["flash"]}}}

Pair = Callable[..., Awaitable[tuple[Chat, Chat]]]


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=NEEDS_POSTGRES)])
def pair(request: pytest.FixtureRequest, chat: MakeChat, tmp_path: Path) -> Pair:
    """Make two servers of one project with one store; with a store in memory, one server twice."""
    urls = {"memory": "memory", "sqlite": f"sqlite:///{tmp_path}/threads.db", "postgres": str(POSTGRES)}

    async def make(
        config: dict[str, Any] | None = None, settings: ServerSettings = SOON, **files: str
    ) -> tuple[Chat, Chat]:
        declared = {**(config or {}), "store": urls[request.param]}
        first = await chat(declared, name="first", settings=settings, **files)
        if request.param == "memory":
            return first, first
        return first, await chat(declared, name="second", settings=settings, **files)

    return make


def _numbered(exchange: Exchange) -> list[tuple[int, bytes]]:
    """The whole events that have come, with their ids."""
    frames = exchange.body.replace(b": ping\n\n", b"").split(b"\n\n")[:-1]
    found = [re.fullmatch(rb"id: (\d+)\ndata: (.*)", frame) for frame in frames]
    assert all(found), exchange.body
    return [(int(match[1]), match[2]) for match in found if match is not None]


def _begin(client: Chat, text: str = "count") -> Exchange:
    message = {"content": [{"type": "input_text", "text": text}], "attachments": [], "inference_options": {}}
    return client.ask("threads.create", RESUME, input=message)


def _resume(client: Chat, thread: str, after: int | None = None) -> Exchange:
    headers = {} if after is None else {"last-event-id": str(after)}
    return client.request("GET", f"/chatkit/threads/{thread}/stream", headers=headers)


async def _break_at(client: Chat, answer: Exchange, word: str) -> list[tuple[int, bytes]]:
    await answer.until(lambda so_far: word in so_far.deltas)
    answer.leave()
    await answer.end()
    return _numbered(answer)


async def test_only_a_client_that_asks_for_it_gets_ids(pair: Pair) -> None:
    first, _ = await pair()
    plain = await first.say("hi")
    assert b"id: " not in plain.body
    numbered = _numbered(await _begin(first, "hi").end())
    ids = [event_id for event_id, _ in numbered]
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert len(numbered) == len(plain.events)


@pytest.mark.parametrize("place", [0, 1])
async def test_a_broken_stream_goes_on_where_it_was_broken(pair: Pair, place: int) -> None:
    servers = await pair()
    first = servers[0]
    first.player.replies = [LONG]
    gate = first.player.gate("word30")
    for race in range(RACES):
        gate.open.clear()
        answer = _begin(first)
        had = await _break_at(first, answer, f"word{race % 29}")
        resumed = _resume(servers[place], answer.thread_id, had[-1][0])
        if race % 2:
            await resumed.until(lambda so_far: so_far.status == 200)
        gate.open.set()
        rest = _numbered(await resumed.end())
        ids = [event_id for event_id, _ in had + rest]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        whole = b"".join(b"data: %b\n\n" % data for _, data in had + rest)
        both = Exchange(b"")
        both.body = whole
        assert (both.deltas, both.said) == (LONG, [LONG])
        assert texts((await first.items(answer.thread_id))[1:]) == [LONG]


@pytest.mark.parametrize("place", [0, 1])
async def test_a_page_that_is_loaded_again_gets_the_turn_from_its_first_event(pair: Pair, place: int) -> None:
    servers = await pair(FLASHING, acts_py=FLASH)
    first = servers[0]
    first.player.replies = [[call("flash")], LONG]
    gate = first.player.gate("word30")
    answer = _begin(first)
    await _break_at(first, answer, "word20")
    assert answer.of("client_effect")
    resumed = _resume(servers[place], answer.thread_id)
    await resumed.until(lambda so_far: "word29" in so_far.deltas)
    gate.open.set()
    await resumed.end()
    assert resumed.deltas == LONG
    # Effects are for the page that was there.
    assert resumed.of("client_effect") == []
    assert [event["type"] for event in resumed.events if event["type"] != "thread.item.updated"] == [
        event_type for event_type in answer.types if event_type not in ("thread.item.updated", "client_effect")
    ] + ["thread.item.done"]


@pytest.mark.parametrize("place", [0, 1])
async def test_what_a_turn_has_ended_with_can_still_be_read(pair: Pair, place: int) -> None:
    servers = await pair()
    whole = _numbered(await _begin(servers[0], "hi").end())
    thread = json.loads(whole[0][1])["thread"]["id"]
    rest = await _resume(servers[place], thread, whole[3][0]).end()
    assert _numbered(rest) == whole[4:]
    for after in (None, whole[-1][0], whole[-1][0] + 10**6):
        nothing = await _resume(servers[place], thread, after).end()
        assert (nothing.status, nothing.body) == (204, b"")
    await servers[0].say("on", thread)
    assert (await _resume(servers[place], thread, whole[3][0]).end()).status in (200, 204)


async def test_events_are_not_kept_for_ever(pair: Pair) -> None:
    first, second = await pair(settings=replace(SOON, keep_events_s=0.01))
    whole = _numbered(await _begin(first, "hi").end())
    thread = json.loads(whole[0][1])["thread"]["id"]
    for client in (first, second):
        while (await _resume(client, thread, whole[0][0]).end()).status == 200:
            continue


@pytest.mark.parametrize("place", [0, 1])
async def test_a_turn_is_stopped_and_what_was_said_is_stored(pair: Pair, place: int) -> None:
    servers = await pair()
    first = servers[0]
    first.player.replies = [LONG, "Fine."]
    first.player.gate("word30")
    answer = _begin(first)
    await answer.until(lambda so_far: "word29" in so_far.deltas)
    stopped = await servers[place].request("DELETE", f"/chatkit/threads/{answer.thread_id}/stream").end()
    assert (stopped.status, stopped.body) == (204, b"")
    await answer.end()
    [said] = answer.said
    assert said == LONG.partition(" word30")[0]
    assert texts((await servers[place].items(answer.thread_id))[1:]) == [said]
    assert answer.of("error") == []
    assert (await first.say("go on", answer.thread_id)).said == ["Fine."]
    again = await servers[place].request("DELETE", f"/chatkit/threads/{answer.thread_id}/stream").end()
    assert again.status == 204


@pytest.mark.parametrize("place", [0, 1])
async def test_an_answer_that_may_not_be_stopped_is_not(pair: Pair, place: int) -> None:
    servers = await pair({"chat": {"allow_cancel": False}})
    gate = servers[0].player.gate("Fine.")
    answer = _begin(servers[0])
    await answer.until(lambda so_far: "thread.created" in so_far.types)
    refused = await servers[place].request("DELETE", f"/chatkit/threads/{answer.thread_id}/stream").end()
    assert (refused.status, refused.error["code"]) == (403, "not_allowed")
    gate.open.set()
    assert (await answer.end()).said == ["Fine."]


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_a_turn_of_another_user_is_not_found(pair: Pair, place: int, method: str) -> None:
    servers = await pair({"auth": {"python": "login:user"}}, login_py=LOGIN)
    gate = servers[0].player.gate("Fine.")
    ann, eve = (
        replace(client, headers={"x-user": name}) for client, name in ((servers[0], "ann"), (servers[place], "eve"))
    )
    answer = _begin(ann)
    await answer.until(lambda so_far: "thread.created" in so_far.types)
    for thread in (answer.thread_id, "thr_1"):
        refused = await eve.request(method, f"/chatkit/threads/{thread}/stream").end()
        assert (refused.status, refused.error["code"]) == (404, "not_found")
        anybody = await servers[place].request(method, f"/chatkit/threads/{thread}/stream").end()
        assert anybody.status == 401
    gate.open.set()
    assert (await answer.end()).said == ["Fine."]


@pytest.mark.parametrize("given", ["x", "-1", "1.5", "²", "9" * 30])
async def test_an_id_that_no_event_has_is_refused(chat: MakeChat, given: str) -> None:
    client = await chat()
    thread = (await client.say("hi")).thread_id
    headers = {"last-event-id": given.encode().decode("latin-1")}
    refused = await client.request("GET", f"/chatkit/threads/{thread}/stream", headers=headers).end()
    assert (refused.status, refused.error["code"]) == (400, "invalid_event_id")


async def test_a_silent_turn_is_covered_by_pings_for_those_who_follow_it(pair: Pair) -> None:
    first, second = await pair()
    gate = first.player.gate("Fine.")
    answer = _begin(first)
    await answer.until(lambda so_far: b": ping\n\n" in so_far.body)
    followers = [_resume(client, answer.thread_id) for client in (first, second)]
    for follower in followers:
        await follower.until(lambda so_far: so_far.body.count(b": ping\n\n") >= 2)
    gate.open.set()
    for follower in followers:
        assert (await follower.end()).said == ["Fine."]


async def test_a_turn_of_the_hosted_component_can_be_followed_too(pair: Pair) -> None:
    first, second = await pair({"chat": {"on_disconnect": "finish"}})
    first.player.replies = [LONG]
    gate = first.player.gate("word30")
    answer = first.begin("count")
    await answer.until(lambda so_far: "word29" in so_far.deltas)
    follower = _resume(second, answer.thread_id)
    await follower.until(lambda so_far: "word29" in so_far.deltas)
    gate.open.set()
    assert (await follower.end()).said == [LONG]
    assert (await answer.end()).said == [LONG]
    assert b"id: " not in answer.body
