"""Clients that are too slow: those that never send their request, and those that never read the response."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn

from runtime.cli.http_protocol import ConnectionGuard, GuardSettings
from runtime.config.model.limits import Limits

QUICK = GuardSettings(sweep_s=0.01, log_s=0.0)
GET = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nhost: test\r\nx-seen: by the proxy\r\ntransfer-encoding: chunked\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\n"
App = Callable[[Any, Any, Any], Awaitable[None]]


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Read the body, and respond with its size."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    body = str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Sweeps:
    """The limits of a guard, which reads them whenever it checks its connections."""

    def __init__(self, limits: Limits) -> None:
        self._limits, self._count, self._news = limits, 0, asyncio.Event()

    def __call__(self) -> Limits:
        self._count += 1
        self._news.set()
        return self._limits

    async def two(self) -> None:
        """Wait for a whole sweep that begins from now on."""
        wanted = self._count + 2
        async with asyncio.timeout(180):
            while self._count < wanted:
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def served(guard: ConnectionGuard, app: App = answer) -> AsyncIterator[int]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    # Otherwise the kernel takes megabytes for a client that does not read.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)
    http: Any = guard.protocol
    config = uvicorn.Config(app, http=http, lifespan="off", log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield listener.getsockname()[1]
    finally:
        server.force_exit = True
        await server.shutdown(sockets=[listener])


async def connect(port: int, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    return reader, writer


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Return what is sent until the server closes the connection."""
    async with asyncio.timeout(180):
        return await reader.read()


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"", b""),
        (b"G", b"HTTP/1.1 408 "),
        (b"POST / HTTP/1.1\r\nhost: te", b"HTTP/1.1 408 "),
        (GET + b"GET / HT", b"HTTP/1.1 200 "),
    ],
)
async def test_a_request_whose_headers_do_not_arrive_is_closed_and_logged(
    sent: bytes, answered: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with served(ConnectionGuard(lambda: Limits(receive=0.05), QUICK)) as port:
            reader, writer = await connect(port, sent)
            assert (await rest(reader)).startswith(answered)
            writer.close()
    assert "closed 1 connections: the request did not arrive within 0.05 s (the last from 127.0.0.1)" in caplog.text


async def test_the_body_is_left_to_the_app_which_knows_whether_it_waits_for_the_client() -> None:
    sweeps = Sweeps(Limits(receive=0.001))
    async with served(ConnectionGuard(sweeps, QUICK)) as port:
        reader, writer = await connect(port, POST)
        await sweeps.two()
        writer.write(b"0123456789")
        assert await reader.readuntil(b"10") != b""
        writer.close()


async def test_many_half_requests_do_not_keep_others_out(caplog: pytest.LogCaptureFixture) -> None:
    settings = GuardSettings(sweep_s=0.01, log_s=0.0, max_pending=40)
    with caplog.at_level(logging.WARNING):
        async with served(ConnectionGuard(settings=settings)) as port:
            halves = [await connect(port, POST[:-3]) for _ in range(30)]
            reader, writer = await connect(port, GET)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            # A quarter of all may come from one address; the oldest are closed.
            assert (await rest(halves[0][0])).startswith(b"HTTP/1.1 408 ")
            for _, half in (*halves, (reader, writer)):
                half.close()
    assert "too many from one address" in caplog.text


async def test_headers_without_an_end_are_refused() -> None:
    async with served(ConnectionGuard(settings=GuardSettings(max_head=1000))) as port:
        reader, writer = await connect(port, b"GET / HTTP/1.1\r\n" + b"x-long: " + b"x" * 2000)
        assert (await rest(reader)).startswith(b"HTTP/1.1 431 ")
        writer.close()


async def show_headers(scope: Any, receive: Any, send: Any) -> None:
    """Read the body, and respond with the headers that the request then has."""
    while (await receive()).get("more_body"):
        continue
    body = b"\n".join(b": ".join(pair) for pair in scope["headers"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})


async def test_a_trailer_of_the_body_is_no_header() -> None:
    async with served(ConnectionGuard(), show_headers) as port:
        trailers = b"0\r\nX-User: admin\r\nX-Roles: admin\r\n\r\n"
        reader, writer = await connect(port, CHUNKED + b"2\r\nhi\r\n" + trailers)
        answer = await rest(reader)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"x-seen: by the proxy" in answer
        assert b"admin" not in answer
        writer.close()


@pytest.mark.parametrize(
    "endless",
    [b"0\r\nX-Long: " + b"x" * 10**6, b"0\r\n" + b"X-Long: 1\r\n" * 10**5, b"2;" + b"x" * 10**6],
    ids=["trailer", "trailers", "extension"],
)
async def test_trailers_and_extensions_of_chunks_without_an_end_are_refused(endless: bytes) -> None:
    async with served(ConnectionGuard(settings=GuardSettings(max_head=1000)), show_headers) as port:
        reader, writer = await connect(port, CHUNKED + b"2\r\nhi\r\n")
        writer.write(endless)
        # Reset where the client still sends when the server closes the connection.
        with suppress(ConnectionResetError):
            assert (await rest(reader)).startswith(b"HTTP/1.1 431 ")
        writer.close()


async def test_a_body_in_small_chunks_is_read_to_its_end() -> None:
    async with served(ConnectionGuard(settings=GuardSettings(max_head=1000))) as port:
        reader, writer = await connect(port, CHUNKED)
        for _ in range(3000):
            writer.write(b"1;some=extension\r\nx\r\n")
        writer.write(b"0\r\n\r\n")
        assert await reader.readuntil(b"3000") != b""
        writer.close()


async def test_a_client_that_never_reads_is_disconnected(caplog: pytest.LogCaptureFixture) -> None:
    ended = asyncio.Event()

    async def flood(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone = asyncio.ensure_future(receive())
        while not gone.done():
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
        ended.set()

    with caplog.at_level(logging.WARNING):
        async with served(ConnectionGuard(lambda: Limits(send=0.05), QUICK), flood) as port:
            _, writer = await connect(port, GET)
            writer.transport.pause_reading()  # type: ignore[attr-defined]  # a transport of a socket
            async with asyncio.timeout(180):
                await ended.wait()
            writer.close()
    assert "the client did not read the response for 0.05 s" in caplog.text


async def test_one_line_is_logged_for_many_connections(caplog: pytest.LogCaptureFixture) -> None:
    settings = GuardSettings(sweep_s=0.05, log_s=3600.0, max_pending=40)
    with caplog.at_level(logging.WARNING):
        sweeps = Sweeps(Limits())
        async with served(ConnectionGuard(sweeps, settings)) as port:
            halves = [await connect(port, b"GET") for _ in range(20)]
            for reader, writer in halves[:10]:
                await rest(reader)
                writer.close()
            await sweeps.two()
            more = [await connect(port, b"GET") for _ in range(10)]
            for reader, _ in halves[10:]:
                await rest(reader)
            for _, writer in (*halves, *more):
                writer.close()
    assert len([record for record in caplog.records if "closed" in record.message]) == 1
