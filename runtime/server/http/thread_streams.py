"""The route by which a client reads the stream of a turn on, or stops the turn."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from runtime.errors import RequestError
from runtime.server.generations.generation import Generation
from runtime.server.http.event_stream import EventStreamResponse
from runtime.server.turns.chatkit_server import RuntimeServer
from runtime.server.turns.request_parsing import RequestInfo

RESUME_HEADER = "x-chatkit-resume"
"""With the value 1, the events of a streamed response have ids, and its disconnection does not stop the turn."""
_LARGEST_ID = 2**63 - 1
_EVENT_ID = re.compile(r"[0-9]{1,19}")

Identify = Callable[[Request], Awaitable[tuple[Generation, RequestInfo]]]


class ThreadStreamRoutes:
    """`GET` and `DELETE /chatkit/threads/{thread_id}/stream`; `identify` returns who asks, and what answers."""

    def __init__(self, server: RuntimeServer, identify: Identify) -> None:
        self._server, self._identify = server, identify

    def add_to(self, app: FastAPI, path: str) -> None:
        """Add the routes to an app."""
        for method, handler in (("GET", self._follow), ("DELETE", self._stop)):
            app.add_route(f"{path}/threads/{{thread_id}}/stream", handler, methods=[method])

    async def _follow(self, request: Request) -> Response:
        generation, info = await self._identify(request)
        after = _event_id(request.headers.get("last-event-id"))
        source = await self._server.follow(generation, info, request.path_params["thread_id"], after)
        if source is None:
            return Response(status_code=204)
        return EventStreamResponse(source, generation.snapshot.config.limits.send)

    async def _stop(self, request: Request) -> Response:
        generation, info = await self._identify(request)
        await self._server.stop(generation, info, request.path_params["thread_id"])
        return Response(status_code=204)


def _event_id(header: str | None) -> int | None:
    if not header:
        return None
    # Not every text of digits: Python converts no more than 4,300.
    if not _EVENT_ID.fullmatch(header) or int(header) > _LARGEST_ID:
        raise RequestError(400, "invalid_event_id", f"the header last-event-id is no id of an event: {header[:40]!r}")
    return int(header)
