"""Probes and admin routes (`/health`, `/ready`, `/-/…`), which belong to no generation of the project."""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from datetime import date
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from runtime.errors import RequestError
from runtime.server.generations.generation import Generation
from runtime.server.generations.reloader import ReloadOutcome
from runtime.server.http.event_stream import EVENT_STREAM_HEADERS
from runtime.server.http.identity import not_from_this_machine, refusal_response
from runtime.server.http.responses import error_response, shutting_down
from runtime.server.runtime import Runtime
from runtime.server.turns.sse import PING

logger = logging.getLogger("runtime.server")
Handler = Callable[[Request], Awaitable[Response]]


def is_admin_route(path: str) -> bool:
    """Return whether a path is that of one of these routes."""
    return path in ("/health", "/ready") or path.startswith("/-/")


def add_routes(app: Starlette) -> None:
    """Add the routes to an app whose `state.runtime` is the project."""
    app.add_route("/health", _health, methods=["GET"])
    app.add_route("/ready", _ready, methods=["GET"])
    app.add_route("/-/reload", _guarded(_reload), methods=["POST"])
    app.add_route("/-/config", _guarded(_config), methods=["GET"])
    app.add_route("/-/feedback", _guarded(_feedback), methods=["GET"])
    app.add_route("/-/usage", _guarded(_usage), methods=["GET"])
    app.add_route("/-/events", _guarded(_stream_events), methods=["GET"])


def _guarded(handler: Handler) -> Handler:
    """Wrap a handler so that it needs the token, a loopback client, or a user with a role of `admin.roles`.

    Else the response is 401 if a token or roles are declared, and 403.
    """

    async def guard(request: Request) -> Response:
        runtime = _runtime(request)
        token, roles = runtime.config.admin.token, runtime.config.admin.roles
        if _has_token(request, token) or not not_from_this_machine(request):
            return await handler(request)
        if roles:
            with runtime.live.lease() as generation:
                refused = await generation.admit(request.scope, roles)
            return await handler(request) if refused is None else refused
        if token:
            response = error_response(request, 401, "unauthenticated", "send the admin token as a bearer token")
            response.headers["www-authenticate"] = "Bearer"
            return response
        message = "only loopback clients may use this route (declare admin.token to use it from elsewhere)"
        return error_response(request, 403, "forbidden", message)

    return guard


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


async def _health(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _ready(request: Request) -> Response:
    runtime = _runtime(request)
    if runtime.draining:
        return shutting_down(request)
    try:
        async with asyncio.timeout(runtime.settings.ready_s):
            await runtime.open()
            with runtime.live.lease() as generation:
                await generation.store.check()
    except TimeoutError:
        logger.warning("not ready: the store does not answer within %g s", runtime.settings.ready_s)
        return error_response(request, 503, "not_ready", "the store does not answer in time")
    except Exception as error:
        logger.warning("not ready: %s: %s", type(error).__name__, error)
        return error_response(request, 503, "not_ready", "the store can't be read or written")
    return JSONResponse({"status": "ready", "generation": runtime.generation.number})


async def _reload(request: Request) -> Response:
    """Reload: 200 with the outcome, 412 if `If-Match` names another ETag, 422 with the diagnostics, or 503."""
    runtime = _runtime(request)
    await runtime.open()
    current = runtime.generation
    wanted = request.headers.get("if-match")
    if wanted is not None and not _matches(wanted, current.hashes.etag):
        message = f"generation {current.number} serves, and its ETag is not the one in If-Match"
        return _with_etag(runtime, error_response(request, 412, "stale", message, **_identify(current)))
    outcome = None if runtime.draining else await runtime.reload()
    if outcome is None or (runtime.draining and outcome.status == "unchanged"):
        return shutting_down(request)
    body = outcome.as_json()
    match outcome.status:
        case "refused":
            response = error_response(request, 422, "reload_refused", outcome.summary, **body)
        case "full":
            response = error_response(request, 503, "too_many_generations", outcome.summary, **body)
        case _:
            response = JSONResponse(body)
    return _with_etag(runtime, response)


async def _config(request: Request) -> Response:
    """Return the current generation, the old ones that still run, and the last error. Contains no secret."""
    runtime, current = _runtime(request), _runtime(request).generation
    last = runtime.reloader.last_error
    body = {
        **_identify(current),
        **_activity(current),
        "from_last_good": current.source.is_last_good,
        "draining": [{"generation": old.number, **_activity(old)} for old in runtime.live.old],
        "last_error": None if last is None else last.as_json(),
        "reloads": dict(sorted(runtime.reloader.counts.items())),
        "shutting_down": runtime.draining,
        "turns": {"running": runtime.server.slots.running, "waiting": runtime.server.slots.waiting},
    }
    return _with_etag(runtime, JSONResponse(body))


async def _feedback(request: Request) -> Response:
    """Return the feedback of all users as JSON Lines, one object for each rated item."""
    runtime = _runtime(request)
    await runtime.open()
    try:
        with runtime.live.lease() as generation:
            entries = await generation.store.list_feedback()
    except RequestError as error:
        return refusal_response(request, error)
    return _json_lines([asdict(entry) for entry in entries])


async def _usage(request: Request) -> Response:
    """Return the tokens used since the day `?since=` as JSON Lines, one object per day, owner, thread and model."""
    text = request.query_params.get("since", date.min.isoformat())
    try:
        since = date.fromisoformat(text)
    except ValueError:
        return error_response(request, 400, "invalid_request", f"{text!r} is not a date such as 2026-01-31")
    runtime = _runtime(request)
    await runtime.open()
    with runtime.live.lease() as generation:
        entries = await generation.store.list_usage(since)
    return _json_lines([entry.as_data() for entry in entries])


async def _stream_events(request: Request) -> Response:
    """Stream a Server-Sent Event for each reload; the first event names the current generation."""
    return StreamingResponse(_events(_runtime(request)), headers=EVENT_STREAM_HEADERS)


async def _events(runtime: Runtime) -> AsyncIterator[bytes]:
    settings = runtime.settings
    unread: asyncio.Queue[ReloadOutcome | None] = asyncio.Queue(settings.max_unread_events)

    def put(outcome: ReloadOutcome | None) -> None:
        if unread.full():
            unread.get_nowait()
        unread.put_nowait(outcome)

    def end() -> None:
        put(None)

    listeners, drain_callbacks = runtime.reloader.listeners, runtime.drain_callbacks
    listeners.append(put)
    drain_callbacks.append(end)
    try:
        yield _event("serving", _identify(runtime.generation))
        while not runtime.draining:
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


def _with_etag(runtime: Runtime, response: JSONResponse) -> Response:
    response.headers["etag"] = runtime.generation.hashes.etag
    response.headers["cache-control"] = "no-store"
    return response


def _identify(generation: Generation) -> dict[str, Any]:
    return {"generation": generation.number, "hashes": generation.hashes.as_json()}


def _activity(generation: Generation) -> dict[str, Any]:
    return {"loaded_at": generation.loaded_at.isoformat(), "in_flight": len(generation.requests)}


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
