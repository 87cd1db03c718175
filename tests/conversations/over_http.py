"""An ASGI app that passes each request on to another one over a real socket: uvicorn on loopback, in the same loop.

With CHATKIT_TEST_HTTP=1 every conversation of these tests goes this way.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import AsyncExitStack
from typing import Any

import h11
import uvicorn

WANTED = os.environ.get("CHATKIT_TEST_HTTP") == "1"
_SIZE = 65536


class OverHttp:
    """Speaks HTTP/1.1 to the app; the server starts with the first request and ends with `stack`."""

    def __init__(self, app: Any, stack: AsyncExitStack) -> None:
        self._app, self._stack = app, stack
        self._port: asyncio.Future[int] | None = None
        self.state = app.state

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if self._port is None:
            self._port = asyncio.get_running_loop().create_future()
            await self._serve(self._port)
        reader, writer = await asyncio.open_connection("127.0.0.1", await self._port)
        try:
            await self._exchange(scope, receive, send, reader, writer)
        finally:
            writer.close()

    async def _serve(self, port: asyncio.Future[int]) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        # Without uvicorn's proxy headers: the app sees who connects, as behind `serve`.
        config = uvicorn.Config(
            self._app, lifespan="off", log_config=None, access_log=False, ws="none", proxy_headers=False
        )
        server = uvicorn.Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup(sockets=[listener])

        async def stop() -> None:
            server.force_exit = True
            await server.shutdown(sockets=[listener])

        self._stack.push_async_callback(stop)
        port.set_result(listener.getsockname()[1])

    async def _exchange(
        self, scope: dict[str, Any], receive: Any, send: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        body = (await receive())["body"]
        connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        # Without the spaces around a value, which no client sends.
        headers = [(name, value.strip(b" \t")) for name, value in scope["headers"] if name != b"content-length"]
        headers += [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
        request = h11.Request(method=scope["method"].encode(), target=target, headers=headers)
        writer.write(
            b"".join(
                filter(
                    None,
                    (connection.send(request), connection.send(h11.Data(body)), connection.send(h11.EndOfMessage())),
                )
            )
        )
        leaving = asyncio.ensure_future(receive())
        reading = asyncio.ensure_future(self._read(connection, reader, send))
        await asyncio.wait({leaving, reading}, return_when=asyncio.FIRST_COMPLETED)
        for task in (leaving, reading):
            task.cancel()
        if reading.done() and not reading.cancelled():
            reading.result()

    async def _read(self, connection: h11.Connection, reader: asyncio.StreamReader, send: Any) -> None:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(_SIZE))
            elif isinstance(event, h11.Response):
                await send({"type": "http.response.start", "status": event.status_code, "headers": list(event.headers)})
            elif isinstance(event, h11.Data):
                await send({"type": "http.response.body", "body": bytes(event.data), "more_body": True})
            elif isinstance(event, h11.EndOfMessage):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            else:
                return
