"""Read requests: the time to send one, the type of its body, and its size."""

from __future__ import annotations

import asyncio
import re

from starlette.requests import Request
from starlette.types import Message, Receive

from runtime.config.model.limits import Limits
from runtime.errors import RequestError
from runtime.server.turns.dictation import AUDIO_KEY, too_large

_LENGTH = re.compile(r"[0-9]{1,20}")
_MIN_RATE = 16 * 1024
"""Bytes for which a client has another second."""


def limit_receiving(receive: Receive, limit_s: float) -> Receive:
    """Return a `receive` that raises RequestError (408) when the client needs too long to send the request's body.

    Only the time in which the app waits for the client counts.
    """
    waited_s, size, complete = 0.0, 0, False

    async def receive_in_time() -> Message:
        nonlocal waited_s, size, complete
        if complete:
            return await receive()
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(limit_s + size / _MIN_RATE - waited_s):
                message = await receive()
        except TimeoutError:
            reason = f"the request's body did not arrive within {limit_s:g} s"
            raise RequestError(408, "request_timeout", reason) from None
        waited_s += loop.time() - began
        size += len(message.get("body", b""))
        complete = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    return receive_in_time


def check_media_type(request: Request) -> None:
    """Raise RequestError (415) unless the body is JSON: a page of another site can post other types without CORS."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise RequestError(415, "unsupported_media_type", "send JSON with the header content-type: application/json")


def announced_size(request: Request) -> int:
    """Return the bytes that a body has by its Content-Length; 0 where that is unknown, or is no number."""
    text = request.headers.get("content-length", "")
    return int(text) if _LENGTH.fullmatch(text) else 0


async def read_body(request: Request, limits: Limits, largest: int) -> bytearray:
    """Read the whole body. Raise RequestError (413) as soon as it is known to be too large.

    That is beyond `limits.body` bytes, or beyond `largest` for a recording, whose key comes before that limit.
    """
    if announced_size(request) > largest:
        raise too_large(largest)
    body, most = bytearray(), limits.body
    async for part in request.stream():
        body += part
        if len(body) > most:
            if len(body) > largest or AUDIO_KEY not in body[: limits.body]:
                raise too_large(most)
            most = largest
    return body
