"""`forward_headers`: each user's own token reaches the MCP server, over connections that users never share."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from runtime.assemble.mcp_connections import ConnectionPool
from runtime.server.preflight import try_connections
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.later_turns import EVERY_TURN
from tests.conversations.mcp_server import make_server
from tests.conversations.playing import Asked, call
from tests.conversations.talking import Exchange, user_input
from tests.examples.serving import serving

ADA, BEN = {"Authorization": "Bearer ada-token-1"}, {"Authorization": "Bearer ben-token-2"}


class Watched:
    """A server that keeps the token of each request, and refuses those without one if it is set to."""

    def __init__(self, kind: str = "http") -> None:
        self.calls: list[Any] = []
        server = make_server(self.calls)
        self._app: Any = server.streamable_http_app() if kind == "http" else server.sse_app()
        self.path = "mcp" if kind == "http" else "sse"
        self.seen: list[str | None] = []
        self.opened = 0
        self.strict = False
        self.url = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        token = headers.get("authorization")
        self.seen.append(token)
        if self.strict and token is None:
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return

        async def counted() -> Message:
            message = await receive()
            self.opened += b'"server/discover"' in message.get("body", b"")
            return message

        await self._app(scope, counted, send)


@pytest.fixture
def watched() -> Iterator[Watched]:
    app = Watched()
    with serving(app) as url:
        app.url = f"{url}/{app.path}"
        yield app


def _config(server: dict[str, Any], **more: Any) -> dict[str, Any]:
    declared = {"forward_headers": ["Authorization", "X-Tenant"], **server}
    return {"mcp": {"library": declared}, "agents": {"clerk": {"tools": ["library.*"]}}, **more}


def _asks(client: Chat) -> None:
    """Every turn asks the server who is there, and says what it has said."""

    def reply(asked: Asked) -> Any:
        last = asked.input[-1]
        if last.get("type") == "function_call_output":
            return _text(last["output"])
        return [call("who_asks")]

    client.player.replies = [reply]


def _told(answer: Exchange) -> dict[str, Any]:
    [said] = answer.said
    told: dict[str, Any] = json.loads(said)
    return told


def _text(output: Any) -> str:
    return output if isinstance(output, str) else "".join(part["text"] for part in output)


async def _say(client: Chat, headers: dict[str, str], thread: str | None = None) -> Exchange:
    message = user_input("who am I")
    if thread is None:
        return await client.call("threads.create", headers, input=message)
    return await client.call("threads.add_user_message", headers, thread_id=thread, input=message)


def _pool(client: Chat) -> ConnectionPool:
    pool = client.runtime.generation.snapshot.servers.connections["library"]
    assert isinstance(pool, ConnectionPool)
    return pool


def _tasks() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if "MCP server" in task.get_name()]


@pytest.mark.parametrize("kind", ["http", "sse"])
async def test_the_headers_of_the_user_reach_the_server(chat: MakeChat, kind: str) -> None:
    app = Watched(kind)
    with serving(app) as url:
        client = await chat(_config({"url": f"{url}/{app.path}", "transport": kind, "headers": {"X-App": "desk"}}))
        _asks(client)
        told = _told(await _say(client, {**ADA, "x-tenant": "acme", "X-Other": "no"}))
        assert told == {"authorization": "Bearer ada-token-1", "x-tenant": "acme", "x-app": "desk"}
        assert set(app.seen) == {"Bearer ada-token-1"}
        await client.runtime.close()
    assert _tasks() == []


async def test_what_is_declared_stands_where_nothing_is_forwarded(chat: MakeChat, watched: Watched) -> None:
    client = await chat(_config({"url": watched.url, "headers": {"authorization": "Bearer service", "X-App": "desk"}}))
    _asks(client)
    assert _told(await _say(client, {}))["authorization"] == "Bearer service"
    assert _told(await _say(client, ADA))["authorization"] == "Bearer ada-token-1"
    assert _told(await _say(client, {}))["authorization"] == "Bearer service"


async def test_a_request_without_the_header_connects_without_it(chat: MakeChat, watched: Watched) -> None:
    client = await chat(_config({"url": watched.url}))
    _asks(client)
    assert _told(await _say(client, ADA))["authorization"] == "Bearer ada-token-1"
    assert _told(await _say(client, {}))["authorization"] is None


async def test_two_users_at_the_same_time_get_their_own(chat: MakeChat, watched: Watched) -> None:
    client = await chat(_config({"url": watched.url}))
    gate = client.player.gate("Wait")
    turns = 0

    def reply(asked: Asked) -> Any:
        nonlocal turns
        last = asked.input[-1]
        if last.get("type") == "function_call_output":
            return _text(last["output"])
        turns += 1
        return ["Wait ", call("who_asks")]

    client.player.replies = [reply]
    users = [{"Authorization": f"Bearer user-token-{number}"} for number in range(5)]
    answers = [asyncio.create_task(client.call("threads.create", user, input=user_input("who am I"))) for user in users]
    # All of them have seen their tools before the first one calls.
    await client.player.until(lambda player: len(player.asked) == len(users))
    gate.open.set()
    for user, answer in zip(users, await asyncio.gather(*answers), strict=True):
        assert user["Authorization"] in answer.said[-1]
        assert answer.said[-1].count("user-token") == 1
    assert turns == len(users)
    assert watched.opened == len(users)


async def test_a_users_connection_is_kept_for_the_next_turn(chat: MakeChat, watched: Watched) -> None:
    client = await chat(_config({"url": watched.url}))
    _asks(client)
    first = await _say(client, ADA)
    await _say(client, ADA, first.thread_id)
    await _say(client, BEN)
    assert watched.opened == 2
    assert len(_pool(client)) == 2


@EVERY_TURN
async def test_an_approval_is_carried_out_for_the_one_who_approves(chat: MakeChat, watched: Watched) -> None:
    client = await chat(_config({"url": watched.url, "needs_approval": ["who_asks"]}))
    _asks(client)
    client.headers = ADA
    asked = await client.say("who am I")
    [card] = asked.done("widget")
    action = card["widget"]["confirm"]["action"]
    fresh = {"Authorization": "Bearer ada-token-9"}
    answer = await client.call(
        "threads.custom_action", fresh, thread_id=asked.thread_id, item_id=card["id"], action=action
    )
    assert _told(answer)["authorization"] == "Bearer ada-token-9"
    assert [told["authorization"] for _, told in watched.calls] == ["Bearer ada-token-9"]


async def test_an_agent_that_is_a_tool_asks_for_the_same_user(chat: MakeChat, watched: Watched) -> None:
    config = _config({"url": watched.url}, tools={"ask_clerk": {"agent": "clerk"}}, entry="guide")
    config["agents"]["guide"] = {"tools": ["ask_clerk"]}
    client = await chat(config)
    client.player.replies = [[call("ask_clerk", input="who")], [call("who_asks")], "Somebody.", "Somebody."]
    await _say(client, BEN)
    assert [told["authorization"] for _, told in watched.calls] == ["Bearer ben-token-2"]


async def test_nothing_stays_behind_when_the_server_closes(chat: MakeChat, watched: Watched) -> None:
    client = await chat(_config({"url": watched.url}))
    _asks(client)
    await _say(client, ADA)
    await _say(client, BEN)
    assert len(_tasks()) == 2
    await client.runtime.close()
    assert _tasks() == []


async def test_an_edit_keeps_the_connections_unless_it_is_about_them(chat: MakeChat, watched: Watched) -> None:
    client = await chat(_config({"url": watched.url}, chat={"greeting": "Hello"}))
    _asks(client)
    await _say(client, ADA)
    path = client.folder / "agents.yaml"
    path.write_text(path.read_text().replace('"Hello"', '"Good day"'))
    assert (await client.runtime.reload()).status == "reloaded"
    await _say(client, ADA)
    assert watched.opened == 1
    path.write_text(path.read_text().replace('["Authorization", "X-Tenant"]', '["X-Tenant"]'))
    assert (await client.runtime.reload()).status == "reloaded"
    assert _told(await _say(client, ADA))["authorization"] is None
    assert watched.opened == 2
    assert len(_tasks()) == 1


@pytest.mark.in_process
async def test_the_values_are_in_no_log_and_no_error(
    chat: MakeChat, watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = await chat(_config({"url": watched.url}))
    _asks(client)
    await _say(client, {**ADA, "X-Tenant": "tenant\x00token"})  # refused by the HTTP client, which names the value
    assert client.player.asked[0].tools == []
    assert "the MCP server 'library' is left out" in caplog.text
    answer = await _say(client, ADA)
    assert _told(answer)["authorization"] == "Bearer ada-token-1"
    for value in ("ada-token-1", "tenant\x00token", "tenant\\x00token"):
        assert value not in caplog.text


async def test_connect_asks_without_a_user_and_only_warns(chat: MakeChat, watched: Watched) -> None:
    watched.strict = True
    client = await chat(_config({"url": watched.url}))
    [diagnostic] = [each for each in await try_connections(client.runtime) if each.code == "A631"]
    assert diagnostic.severity == "warning"
    assert diagnostic.hint == "it was called without the headers of a user"
