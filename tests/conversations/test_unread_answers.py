"""Answers of megabytes for a client whose socket stops reading: they end, are kept, and do not wait in memory."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from runtime.cli.http_protocol import ConnectionGuard, GuardSettings
from tests.cli.test_http_protocol import served
from tests.conversations.conftest import QUICK, Chat, MakeChat
from tests.conversations.talking import user_input

pytestmark = pytest.mark.in_process
PIECE = "x" * 16_000
FLOOD = f"{PIECE} " * 200


@asynccontextmanager
async def _asked_by_a_client_that_never_reads(client: Chat) -> AsyncIterator[socket.socket]:
    """Serve the app over HTTP; connect a client, which asks and reads nothing."""
    guard = ConnectionGuard(lambda: client.runtime.config.limits, GuardSettings(sweep_s=0.01, log_s=0.0))
    body = json.dumps({"type": "threads.create", "params": {"input": user_input("flood")}}).encode()
    async with served(guard, client.app) as port:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.setblocking(False)
            await asyncio.get_running_loop().sock_connect(deaf, ("127.0.0.1", port))
            head = "POST /chatkit HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
            await asyncio.get_running_loop().sock_sendall(deaf, request)
            yield deaf


async def _rest(deaf: socket.socket) -> bytes:
    """Return what the kernel still has for the client, until the server's end of the connection."""
    received, loop = b"", asyncio.get_running_loop()
    async with asyncio.timeout(180):
        try:
            while part := await loop.sock_recv(deaf, 65536):
                received += part
        except ConnectionResetError:
            pass
    return received


async def _turns_end(client: Chat) -> None:
    async with asyncio.timeout(180):
        while client.runtime.server.tasks:
            await asyncio.wait(list(client.runtime.server.tasks))


async def _said(client: Chat) -> str:
    [thread] = (await client.call("threads.list")).json["data"]
    items = await client.items(thread["id"])
    return "".join(item["content"][0]["text"] for item in items if item["type"] == "assistant_message")


@pytest.mark.parametrize("policy", ["cancel", "finish"])
async def test_an_answer_that_nobody_reads_ends_after_limits_send_and_what_was_said_is_kept(
    chat: MakeChat, policy: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = await chat({"auth": "none", "chat": {"on_disconnect": policy}, "limits": {"send": "50ms"}})
    client.player.replies = [f"{FLOOD}beta the end"]
    gate = client.player.gate("beta")
    with caplog.at_level(logging.WARNING):
        async with _asked_by_a_client_that_never_reads(client) as deaf:
            await asyncio.wait_for(gate.reached.wait(), 180)
            async with asyncio.timeout(180):
                while "did not read" not in caplog.text:  # noqa: ASYNC110  # nothing announces it
                    await asyncio.sleep(0)
            if policy == "finish":
                gate.open.set()
            await _turns_end(client)
            received = await _rest(deaf)
    assert len(received) < len(FLOOD) / 2, "the rest never left the server"
    assert (await _said(client)).strip() == (f"{FLOOD}beta the end" if policy == "finish" else FLOOD.strip())


async def test_no_more_than_max_unsent_waits_for_a_client_that_never_reads(chat: MakeChat) -> None:
    client = await chat({"auth": "none", "limits": {"send": "1h"}}, settings=replace(QUICK, max_unsent=200_000))
    client.player.replies = [FLOOD]
    async with _asked_by_a_client_that_never_reads(client) as deaf:
        await asyncio.wait_for(client.player.until(lambda player: len(player.sent) > 0), 180)
        await _turns_end(client)
        received = await _rest(deaf)
    kept = await _said(client)
    assert client.player.finished == 0, "the model was not asked for what nobody can get"
    assert 0 < len(kept) < len(FLOOD) / 2
    assert FLOOD.startswith(kept)
    assert b"The connection is too slow." in received
