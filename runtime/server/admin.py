"""The admin routes below `/-/`: reload, state, feedback, usage and reload events. For loopback, or with a token."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from datetime import date
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from runtime.errors import RequestError
from runtime.resources.token_usage import UsageEntry
from runtime.server.generations.generation import Generation
from runtime.server.generations.reloader import ReloadOutcome
from runtime.server.http.identity import error_response, shutting_down
from runtime.server.http.loopback import is_loopback, refusal
from runtime.server.runtime import Runtime
from runtime.server.turns.sse import PING

# A proxy on this machine connects from loopback, too; these headers show that it forwards another client's request.
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")

Handler = Callable[[Request], Awaitable[Response]]


def add_admin_routes(app: Starlette, runtime: Runtime) -> None:
    """Add `POST /-/reload`, and `GET` of `/-/config`, `/-/feedback`, `/-/usage` and `/-/events`."""
    routes = AdminRoutes(runtime)
    app.add_route("/-/reload", routes.guarded(routes.reload), methods=["POST"])
    app.add_route("/-/config", routes.guarded(routes.config), methods=["GET"])
    app.add_route("/-/feedback", routes.guarded(routes.feedback), methods=["GET"])
    app.add_route("/-/usage", routes.guarded(routes.usage), methods=["GET"])
    app.add_route("/-/events", routes.guarded(routes.events), methods=["GET"])


class AdminRoutes:
    """The handlers of the admin routes."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def guarded(self, handler: Handler) -> Handler:
        """Wrap a handler so that it needs the token or a loopback client: else 401 if a token is declared, or 403."""

        async def guard(request: Request) -> Response:
            token = self._runtime.generation.snapshot.config.admin.token
            if _has_token(request, token) or _is_from_loopback(request):
                return await handler(request)
            if token:
                response = error_response(request, 401, "unauthenticated", "send the admin token as a bearer token")
                response.headers["www-authenticate"] = "Bearer"
                return response
            message = "only loopback clients may use this route (declare admin.token to use it from elsewhere)"
            return error_response(request, 403, "forbidden", message)

        return guard

    async def reload(self, request: Request) -> Response:
        """Reload: 200 with the outcome, 412 if `If-Match` names another ETag, 422 with the diagnostics, or 503."""
        await self._runtime.open()
        current = self._runtime.generation
        wanted = request.headers.get("if-match")
        if wanted is not None and not _matches(wanted, current.hashes.etag):
            message = f"generation {current.number} serves, and its ETag is not the one in If-Match"
            return self._with_etag(error_response(request, 412, "stale", message, **_identify(current)))
        if self._is_draining():
            return shutting_down(request)
        outcome = await self._runtime.reload()
        if self._is_draining() and outcome.status == "unchanged":
            return shutting_down(request)
        body = outcome.as_json()
        match outcome.status:
            case "refused":
                response = error_response(request, 422, "reload_refused", outcome.summary, **body)
            case "full":
                response = error_response(request, 503, "too_many_generations", outcome.summary, **body)
            case _:
                response = JSONResponse(body)
        return self._with_etag(response)

    async def config(self, request: Request) -> Response:
        """Return the current generation, the old ones that still run, and the last error. Contains no secret."""
        runtime, current = self._runtime, self._runtime.generation
        last = runtime.reloader.last_error
        body = {
            **_identify(current),
            **_activity(current),
            "from_last_good": current.source.is_last_good,
            "draining": [{"generation": old.number, **_activity(old)} for old in runtime.live.old],
            "last_error": None if last is None else last.as_json(),
            "reloads": dict(sorted(runtime.reloader.counts.items())),
            "shutting_down": runtime.draining,
        }
        return self._with_etag(JSONResponse(body))

    async def feedback(self, request: Request) -> Response:
        """Return the feedback of all users as JSON Lines, one object for each rated item."""
        await self._runtime.open()
        try:
            with self._runtime.live.lease() as generation:
                entries = await generation.store.list_feedback()
        except RequestError as error:
            return error_response(request, error.status, error.code, error.message)
        return _json_lines([asdict(entry) for entry in entries])

    async def usage(self, request: Request) -> Response:
        """Return the tokens used since the day `?since=` as JSON Lines, one object per day, owner, thread and model."""
        text = request.query_params.get("since", date.min.isoformat())
        try:
            since = date.fromisoformat(text)
        except ValueError:
            return error_response(request, 400, "invalid_request", f"{text!r} is not a date such as 2026-01-31")
        await self._runtime.open()
        with self._runtime.live.lease() as generation:
            entries = await generation.store.list_usage(since)
        return _json_lines([_usage_data(entry) for entry in entries])

    async def events(self, request: Request) -> Response:
        """Stream a Server-Sent Event for each reload; the first event names the current generation."""
        return StreamingResponse(
            self._events(),
            media_type="text/event-stream",
            headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
        )

    async def _events(self) -> AsyncIterator[bytes]:
        settings = self._runtime.settings
        unread: asyncio.Queue[ReloadOutcome | None] = asyncio.Queue(settings.max_unread_events)

        def put(outcome: ReloadOutcome | None) -> None:
            if unread.full():
                unread.get_nowait()
            unread.put_nowait(outcome)

        def end() -> None:
            put(None)

        listeners, drain_callbacks = self._runtime.reloader.listeners, self._runtime.drain_callbacks
        listeners.append(put)
        drain_callbacks.append(end)
        try:
            yield _event("serving", _identify(self._runtime.generation))
            while not self._runtime.draining:
                try:
                    outcome = await asyncio.wait_for(unread.get(), settings.ping_s)
                except TimeoutError:
                    yield PING
                    continue
                if outcome is None:
                    return
                yield _event(outcome.status, outcome.as_json())
        finally:
            listeners.remove(put)
            drain_callbacks.remove(end)

    def _is_draining(self) -> bool:
        return self._runtime.draining

    def _with_etag(self, response: JSONResponse) -> Response:
        response.headers["etag"] = self._runtime.generation.hashes.etag
        response.headers["cache-control"] = "no-store"
        return response


def _identify(generation: Generation) -> dict[str, Any]:
    return {"generation": generation.number, "hashes": generation.hashes.as_json()}


def _activity(generation: Generation) -> dict[str, Any]:
    return {"loaded_at": generation.loaded_at.isoformat(), "in_flight": len(generation.requests)}


def _usage_data(entry: UsageEntry) -> dict[str, Any]:
    key = {"day": entry.day.isoformat(), "owner": entry.owner, "thread_id": entry.thread_id, "model": entry.model}
    return {**key, **asdict(entry.usage)}


def _json_lines(entries: list[dict[str, Any]]) -> Response:
    return Response("".join(json.dumps(entry) + "\n" for entry in entries), media_type="application/jsonl")


def _event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def _matches(header: str, etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or etag in tags


def _has_token(request: Request, token: str | None) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if not token or scheme.lower() != "bearer":
        return False
    # Starlette decodes headers as Latin-1; the bytes on the wire are UTF-8.
    return hmac.compare_digest(given.strip().encode("latin-1"), token.encode())


def _is_from_loopback(request: Request) -> bool:
    """Return whether this machine sent the request: neither a page of another site nor a proxy for another client."""
    client = request.client
    if client is None or not is_loopback(client.host) or any(name in request.headers for name in _FORWARDED):
        return False
    return refusal(request.scope["headers"]) is None
