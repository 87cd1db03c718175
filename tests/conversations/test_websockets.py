"""Websockets of the project's routes: who may open one is decided before it is accepted, as for a request."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from typing import Any

import pytest
import uvicorn

from tests.conversations.conftest import Chat, MakeChat

pytestmark = pytest.mark.in_process
CODE = """
from fastapi import APIRouter, WebSocket
from starlette.exceptions import HTTPException

router, public, admins = APIRouter(), APIRouter(), APIRouter()

async def greet(socket: WebSocket):
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()

router.websocket("/ws")(greet)
public.websocket("/public")(greet)
admins.websocket("/admins")(greet)

def user(request):
    name = request.headers.get("x-user")
    if name == "banned":
        raise HTTPException(418, "go away")
    return name
"""
ROUTES = ["app:router", {"python": "app:public", "public": True}, {"python": "app:admins", "roles": ["admin"]}]
TOKEN = "ada-token-" + "a" * 32
KINDS: dict[str, tuple[Any, dict[str, str]]] = {
    "bearer": ({"bearer": {"ada": TOKEN}}, {"authorization": f"Bearer {TOKEN}"}),
    "python": ({"python": "app:user"}, {"x-user": "ada"}),
    "header": ({"header": {"user": "x-user", "proxies": ["127.0.0.1"]}}, {"x-user": "ada"}),
    "none": ("none", {}),
}


async def handshake(client: Chat, path: str, headers: dict[str, str], **scope: Any) -> list[dict[str, Any]]:
    """Return what the app sends to a handshake."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    full = {
        "type": "websocket",
        "path": path,
        "query_string": b"",
        "client": ("127.0.0.1", 50000),
        "headers": [(k.encode(), v.encode()) for k, v in {"host": "localhost", **headers}.items()],
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},
        **scope,
    }
    await client.app(full, receive, send)
    return sent


@pytest.mark.parametrize("kind", KINDS)
async def test_a_handshake_is_decided_as_a_request_is(chat: MakeChat, kind: str) -> None:
    auth, valid = KINDS[kind]
    client = await chat({"auth": auth, "routes": ROUTES}, app_py=CODE)

    opened = await handshake(client, "/ws", valid)
    assert [message["type"] for message in opened] == ["websocket.accept", "websocket.send", "websocket.close"]
    wrong = {"origin": "https://evil.example"} if kind == "none" else {"x-other": "ada"}
    refused = await handshake(client, "/ws", wrong)
    request = await client.get("/chatkit/options.json", headers=wrong)
    assert [message["type"] for message in refused] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert refused[0]["status"] == request.status == (403 if kind == "none" else 401)
    error = json.loads(refused[1]["body"])["error"]
    assert error["code"] == request.error["code"]
    assert (b"x-request-id", error["request_id"].encode()) in refused[0]["headers"]
    opened = await handshake(client, "/public", {})
    assert opened[0]["type"] == "websocket.accept"
    assert (await handshake(client, "/admins", valid))[0]["status"] == 403


async def test_a_server_that_can_only_close_gets_the_close_before_it_accepts(chat: MakeChat) -> None:
    client = await chat({"auth": KINDS["bearer"][0], "routes": ROUTES}, app_py=CODE)
    sent = await handshake(client, "/ws", {}, extensions={})
    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_what_a_login_function_raises_is_the_answer_to_a_handshake(chat: MakeChat) -> None:
    client = await chat({"auth": {"python": "app:user"}, "routes": ROUTES}, app_py=CODE)
    assert (await handshake(client, "/ws", {"x-user": "banned"}))[0]["status"] == 418


async def test_handshakes_count_as_requests_of_an_address(chat: MakeChat) -> None:
    config = {"auth": "none", "routes": ROUTES, "limits": {"requests": {"address": "2/hour"}}}
    client = await chat(config, app_py=CODE)
    statuses = [(await handshake(client, "/ws", {}))[0] for _ in range(3)]
    assert [message["type"] for message in statuses[:2]] == ["websocket.accept"] * 2
    assert statuses[2]["status"] == 429


async def test_a_real_server_answers_a_handshake_without_a_login_with_401(chat: MakeChat) -> None:
    client = await chat({"auth": KINDS["bearer"][0], "routes": ROUTES}, app_py=CODE)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(client.app, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        for authorization, status in (("", b"401"), (f"Authorization: Bearer {TOKEN}\r\n", b"101")):
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            key = base64.b64encode(b"0" * 16).decode()
            writer.write(
                f"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n{authorization}\r\n".encode()
            )
            line = await asyncio.wait_for(reader.readline(), 180)
            assert line.split()[1] == status
            writer.close()
    finally:
        server.should_exit = True
        await serving
