"""Read the body of a request within its limit, and stream the events of a turn."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from runtime.errors import RequestError
from runtime.server.turns.streaming import Streaming

_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}


def check_media_type(request: Request) -> None:
    """Raise RequestError (415) unless the body is JSON: a page of another site can post other types without CORS."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise RequestError(415, "unsupported_media_type", "send JSON with the header content-type: application/json")


async def read_body(request: Request, limit: int) -> bytes:
    """Read the whole body; raise RequestError (413) as soon as it is known to exceed `limit` bytes."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(limit)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        parts.append(part)
    return b"".join(parts)


def _too_large(limit: int) -> RequestError:
    return RequestError(413, "body_too_large", f"the request's body is larger than {limit} bytes")


class EventStreamResponse(Response):
    """Sends the chunks of a turn until it ends or the client disconnects; a comment after `ping_s` silent seconds."""

    def __init__(self, streaming: Streaming, ping_s: float) -> None:
        super().__init__(headers=_HEADERS)
        # The base class declares the length of its empty body.
        self.raw_headers = [pair for pair in self.raw_headers if pair[0] != b"content-length"]
        self._streaming, self._ping_s = streaming, ping_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        watcher = asyncio.create_task(self._watch(receive))
        buffer = self._streaming.buffer
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while (chunk := await buffer.take(self._ping_s)) is not None:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except BaseException:
            # The connection has ended: the client no longer reads.
            self._streaming.client_left()
            raise
        finally:
            watcher.cancel()

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            continue
        self._streaming.client_left()
