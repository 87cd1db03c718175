"""The routes below `/-/`: ask for a reload, see what serves, hear of each reload. For this machine, or with a token."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from runtime.errors import RequestError
from runtime.server.generations.reloader import Outcome, summary_of
from runtime.server.http.identity import error_response
from runtime.server.http.loopback import is_loopback, refusal
from runtime.server.turns.sse import PING

if TYPE_CHECKING:
    from runtime.resources.token_usage import UsageEntry
    from runtime.server.generations.generation import Generation
    from runtime.server.runtime import Runtime

PING_S = 15.0
_MOST_UNREAD = 100
# A proxy on this machine comes from loopback, too; these tell that it speaks for somebody else.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")

Handler = Callable[[Request], Awaitable[Response]]


def add_admin_routes(app: Starlette, runtime: Runtime) -> None:
    """Add `POST /-/reload`, and `GET` of `/-/config`, `/-/feedback`, `/-/usage` and `/-/events`."""
    admin = Admin(runtime)
    app.add_route("/-/reload", admin.guarded(admin.reload), methods=["POST"])
    app.add_route("/-/config", admin.guarded(admin.config), methods=["GET"])
    app.add_route("/-/feedback", admin.guarded(admin.feedback), methods=["GET"])
    app.add_route("/-/usage", admin.guarded(admin.usage), methods=["GET"])
    app.add_route("/-/events", admin.guarded(admin.events), methods=["GET"])


class Admin:
    """The handlers of these routes."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def guarded(self, handler: Handler) -> Handler:
        """Let only those through who may use these routes: 401 where a token is declared, else 403."""

        async def guard(request: Request) -> Response:
            token = self._runtime.config.admin.token
            if _has_token(request, token) or _is_this_machine(request):
                return await handler(request)
            if token:
                response = error_response(request, 401, "unauthenticated", "send the admin token as a bearer token")
                response.headers["www-authenticate"] = "Bearer"
                return response
            message = "answered on this machine alone (declare admin.token to use it from elsewhere)"
            return error_response(request, 403, "forbidden", message)

        return guard

    async def reload(self, request: Request) -> Response:
        """Reload: 200 with what serves now, 412 for another ETag than `If-Match` says, 422 with what is wrong."""
        await self._runtime.open()
        current = self._runtime.generation
        wanted = request.headers.get("if-match")
        if wanted is not None and not _matches(wanted, current.hashes.etag):
            message = f"generation {current.number} serves, with another ETag than If-Match says"
            return self._answer(error_response(request, 412, "stale", message, **_serving(current)))
        if self._runtime.reloader.is_over():
            return error_response(request, 503, "shutting_down", "the server is shutting down")
        outcome = await self._runtime.reload()
        if self._runtime.reloader.is_over() and outcome.status == "unchanged":
            return error_response(request, 503, "shutting_down", "the server is shutting down")
        body = outcome_as_json(outcome)
        match outcome.status:
            case "refused":
                response = error_response(request, 422, "reload_refused", summary_of(outcome), **body)
            case "full":
                response = error_response(request, 503, "too_many_generations", summary_of(outcome), **body)
            case _:
                response = JSONResponse(body)
        return self._answer(response)

    async def config(self, request: Request) -> Response:
        """Say what serves, since when, and what became of the last edit; never a secret, nor a value of the file."""
        runtime, live = self._runtime, self._runtime.live
        current, last = runtime.generation, runtime.reloader.last_error
        return self._answer(
            JSONResponse(
                {
                    **_serving(current),
                    "loaded_at": current.loaded_at.isoformat(),
                    "from_last_good": current.reading.is_last_good,
                    "in_flight": len(current.requests),
                    "draining": [
                        {
                            "generation": old.number,
                            "loaded_at": old.loaded_at.isoformat(),
                            "in_flight": len(old.requests),
                        }
                        for old in live.old
                    ],
                    "last_error": None if last is None else outcome_as_json(last),
                    "reloads": dict(sorted(runtime.reloader.count.items())),
                    "shutting_down": runtime.draining,
                }
            )
        )

    async def feedback(self, request: Request) -> Response:
        """What users think of the answers, as JSON Lines: one object for each item that was rated."""
        await self._runtime.open()
        try:
            with self._runtime.live.lease() as generation:
                listed = await generation.store.list_feedback()
        except RequestError as error:
            return error_response(request, error.status, error.code, error.message)
        lines = "".join(json.dumps(asdict(entry)) + "\n" for entry in listed)
        return Response(lines, media_type="application/jsonl")

    async def usage(self, request: Request) -> Response:
        """The tokens used since a day, `?since=`, as JSON Lines: one object for each day, owner, thread and model."""
        asked = request.query_params.get("since", date.min.isoformat())
        try:
            since = date.fromisoformat(asked)
        except ValueError:
            return error_response(request, 400, "invalid_request", f"{asked!r} is no day such as 2026-01-31")
        await self._runtime.open()
        with self._runtime.live.lease() as generation:
            listed = await generation.store.list_usage(since)
        return Response("".join(map(_usage_line, listed)), media_type="application/jsonl")

    async def events(self, request: Request) -> Response:
        """Stream one Server-Sent Event for each reload from now on; the first says what serves."""
        return StreamingResponse(
            self._events(),
            media_type="text/event-stream",
            headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
        )

    async def _events(self) -> AsyncIterator[bytes]:
        unread: asyncio.Queue[Outcome | None] = asyncio.Queue(_MOST_UNREAD)

        def hear(outcome: Outcome | None) -> None:
            if unread.full():
                unread.get_nowait()  # a listener that has stopped reading misses the oldest
            unread.put_nowait(outcome)

        listeners, enders = self._runtime.reloader.listeners, self._runtime.at_drain
        listeners.append(hear)
        enders.append(lambda: hear(None))
        ender = enders[-1]
        try:
            yield _event("serving", _serving(self._runtime.generation))
            while not self._runtime.draining:
                try:
                    outcome = await asyncio.wait_for(unread.get(), PING_S)
                except TimeoutError:
                    yield PING
                    continue
                if outcome is None:
                    return
                yield _event(outcome.status, outcome_as_json(outcome))
        finally:
            listeners.remove(hear)
            enders.remove(ender)

    def _answer(self, response: JSONResponse) -> Response:
        response.headers["etag"] = self._runtime.generation.hashes.etag
        response.headers["cache-control"] = "no-store"
        return response


def outcome_as_json(outcome: Outcome) -> dict[str, Any]:
    """What became of a reload, for a program; diagnostics have the shape of `validate --format json`."""
    return {
        "status": outcome.status,
        "generation": outcome.number,
        "hashes": {"config": outcome.hashes.config, "code": outcome.hashes.code},
        "at": outcome.at.isoformat(),
        "took_ms": round(outcome.took_s * 1000),
        "summary": summary_of(outcome),
        "changes": outcome.changes.as_json(),
        "diagnostics": [diagnostic.as_json() for diagnostic in outcome.diagnostics],
    }


def _usage_line(entry: UsageEntry) -> str:
    whose = {"day": entry.day.isoformat(), "owner": entry.owner, "thread_id": entry.thread_id, "model": entry.model}
    return json.dumps({**whose, **asdict(entry.usage)}) + "\n"


def _serving(generation: Generation) -> dict[str, Any]:
    hashes = generation.hashes
    return {"generation": generation.number, "hashes": {"config": hashes.config, "code": hashes.code}}


def _event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def _matches(header: str, etag: str) -> bool:
    given = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in given or etag in given


def _has_token(request: Request, token: str | None) -> bool:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if not token or kind.lower() != "bearer":
        return False
    # Starlette reads a header as Latin-1; the bytes that were sent are UTF-8.
    return hmac.compare_digest(given.strip().encode("latin-1"), token.encode())


def _is_this_machine(request: Request) -> bool:
    """Tell whether this machine itself asks: not a page of another site, nor a proxy for somebody else."""
    client = request.client
    if client is None or not is_loopback(client.host) or any(name in request.headers for name in _FORWARDED):
        return False
    return refusal(request.scope["headers"]) is None
