"""The HTTP side: an ASGI app in which each request, to its last byte, belongs to the generation that it came to."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.server.http.admin import add_admin_routes
from runtime.server.http.identity import error_response
from runtime.server.http.routes import LEASE, http_error, path_within, unexpected
from runtime.server.runtime import Runtime, load
from runtime.server.turns.request import LOCAL_USER
from runtime.stores.ids import new_id

logger = logging.getLogger("runtime.server")
_GOOD_REQUEST_ID = re.compile(r"[\w.:-]{1,128}")


def create_app(path: str | Path = "agents.yaml", *, environ: Mapping[str, str] | None = None) -> FastAPI:
    """Make the ASGI app of a project: the folder, or its agents.yaml. Raise ConfigError with every mistake at once.

    The app may be served by itself or mounted in another: `app.mount("/assistant", create_app("agents.yaml"))`. A
    user whom the surrounding app has authenticated (Starlette's AuthenticationMiddleware) owns their threads.
    """
    return build_app(load(path, environ=environ))


def build_app(runtime: Runtime) -> FastAPI:
    """Make the ASGI app of a loaded project; `app.state.runtime` is the project."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await runtime.open()
        yield
        await runtime.close()

    app = FastAPI(title="chatkit-runtime", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state = runtime.app_state
    probes = _Probes(runtime)
    app.add_route("/health", probes.health, methods=["GET"])
    app.add_route("/ready", probes.ready, methods=["GET"])
    add_admin_routes(app, runtime)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(Exception, _unexpected)
    app.add_middleware(Pinned, runtime=runtime)
    app.add_middleware(RequestIds)
    return app


class _Probes:
    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        if self.runtime.draining:
            return error_response(request, 503, "shutting_down", "the server is shutting down")
        try:
            await self.runtime.open()
            with self.runtime.live.lease() as generation:
                await generation.store.load_threads(LOCAL_USER.id, limit=1, after=None, order="desc")
        except Exception as error:
            logger.warning("not ready: %s: %s", type(error).__name__, error)
            return error_response(request, 503, "not_ready", "the store can't be reached")
        return JSONResponse({"status": "ready", "generation": self.runtime.generation.number})


class Pinned:
    """Hand each request to the live generation, and hold that generation until the last byte of the answer.

    What belongs to no generation (`/health`, `/ready`, `/-/…`) goes to the app itself.
    """

    def __init__(self, app: ASGIApp, runtime: Runtime) -> None:
        self.app, self.runtime = app, runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] not in ("http", "websocket") or _is_ours(path_within(scope)):
            await self.app(scope, receive, send)
            return
        if not self.runtime.is_open:
            # Mounted in another app, whose lifespan does not reach us.
            try:
                await self.runtime.open()
            except Exception as error:
                if scope["type"] == "websocket":
                    raise
                await unexpected(Request(scope), error)(scope, receive, send)
                return
        lease = self.runtime.live.lease()
        with lease as generation:
            scope[LEASE] = lease
            await generation.answer(scope, receive, send)


def _is_ours(path: str) -> bool:
    return path in ("/health", "/ready") or path.startswith("/-/")


class RequestIds:
    """Give every request an id, the client's own where it sends a sane one, and name it in the response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and its id with it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
        request_id = given if _GOOD_REQUEST_ID.fullmatch(given) else new_id("req")
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode("latin-1"))]
            await send(message)

        await self.app(scope, receive, send_with_id)


async def _unexpected(request: Request, error: Exception) -> Response:
    return unexpected(request, error)
