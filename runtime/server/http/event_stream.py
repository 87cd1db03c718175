"""The streamed response of a turn, or of what follows one."""

from __future__ import annotations

import asyncio
import logging

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from runtime.server.turns.followers import EventSource

logger = logging.getLogger("runtime.server")

EVENT_STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}


class EventStreamResponse(Response):
    """Sends what a source yields until it ends, the client disconnects, or does not read for `limit_s` seconds."""

    def __init__(self, source: EventSource, limit_s: float) -> None:
        super().__init__(headers=EVENT_STREAM_HEADERS)
        # The base class declares the length of its empty body.
        self.raw_headers = [pair for pair in self.raw_headers if pair[0] != b"content-length"]
        self._source, self._limit_s = source, limit_s
        self._sending_since: float | None = None
        self._stalled = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        watcher = asyncio.create_task(self._watch(receive))
        sender = asyncio.current_task()
        assert sender is not None
        self._timer = asyncio.get_running_loop().call_later(self._limit_s, self._check, sender)
        try:
            await self._send_all(send)
        except BaseException as error:
            # The connection has ended, or the client no longer reads.
            self._source.client_left()
            if not (self._stalled and isinstance(error, asyncio.CancelledError) and sender.uncancel() == 0):
                raise
            logger.warning("a client did not read its answer for %g s: it is disconnected", self._limit_s)
        finally:
            self._timer.cancel()
            watcher.cancel()
            await self._source.close()

    async def _send_all(self, send: Send) -> None:
        now = asyncio.get_running_loop().time
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        while (chunk := await self._source.take()) is not None:
            self._sending_since = now()
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            self._sending_since = None
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _check(self, sender: asyncio.Task[None]) -> None:
        """End the response if one chunk is being sent for too long. One timer: one for each chunk would cost more."""
        loop = asyncio.get_running_loop()
        since = loop.time() if self._sending_since is None else self._sending_since
        left_s = since + self._limit_s - loop.time()
        if left_s > 0:
            self._timer = loop.call_later(left_s, self._check, sender)
        else:
            self._stalled = True
            sender.cancel()

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            continue
        self._source.client_left()
