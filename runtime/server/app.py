"""The ASGI app of a project: it passes each request to the current generation and holds that to the last byte."""

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

from runtime.server.admin import add_admin_routes
from runtime.server.http.identity import error_response, shutting_down
from runtime.server.http.routes import LEASE, http_error, path_within, unexpected
from runtime.server.runtime import Runtime, load
from runtime.server.turns.request import LOCAL_USER
from runtime.stores.ids import new_id

logger = logging.getLogger("runtime.server")
_VALID_REQUEST_ID = re.compile(r"[\w.:-]{1,128}")


def create_app(path: str | Path = "agents.yaml", *, environ: Mapping[str, str] | None = None) -> FastAPI:
    """Create the ASGI app of the project in a folder, or of its agents.yaml. Raise ConfigError with all errors.

    The app can be served alone or mounted in another one: `app.mount("/assistant", create_app("agents.yaml"))`. A user
    whom the surrounding app authenticated (Starlette's AuthenticationMiddleware) owns their threads. `environ` replaces
    the environment of the process.
    """
    return build_app(load(path, environ=environ))


def build_app(runtime: Runtime) -> FastAPI:
    """Build the ASGI app of a loaded project. `app.state.runtime` is the project."""

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
    app.add_exception_handler(Exception, unexpected)
    app.add_middleware(GenerationMiddleware, runtime=runtime)
    app.add_middleware(RequestIdMiddleware)
    return app


class _Probes:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        if self._runtime.draining:
            return shutting_down(request)
        try:
            await self._runtime.open()
            with self._runtime.live.lease() as generation:
                await generation.store.load_threads(LOCAL_USER.id, limit=1, after=None, order="desc")
        except Exception as error:
            logger.warning("not ready: %s: %s", type(error).__name__, error)
            return error_response(request, 503, "not_ready", "the store can't be reached")
        return JSONResponse({"status": "ready", "generation": self._runtime.generation.number})


class GenerationMiddleware:
    """ASGI middleware: the current generation answers the request, and is leased until the last byte.

    Probes and admin routes (`/health`, `/ready`, `/-/…`) belong to no generation and stay in the app.
    """

    def __init__(self, app: ASGIApp, runtime: Runtime) -> None:
        self._app, self._runtime = app, runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] not in ("http", "websocket") or _is_app_route(path_within(scope)):
            await self._app(scope, receive, send)
            return
        if not self._runtime.is_open:
            # The app is mounted in another one that does not run its lifespan.
            try:
                await self._runtime.open()
            except Exception as error:
                if scope["type"] == "websocket":
                    raise
                response = await unexpected(Request(scope), error)
                await response(scope, receive, send)
                return
        lease = self._runtime.live.lease()
        with lease as generation:
            scope[LEASE] = lease
            await generation.answer(scope, receive, send)


def _is_app_route(path: str) -> bool:
    return path in ("/health", "/ready") or path.startswith("/-/")


class RequestIdMiddleware:
    """ASGI middleware: give every request an id, the client's `X-Request-Id` if it is valid, and return it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Set the id in the state of the request and in the headers of the response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
        request_id = given if _VALID_REQUEST_ID.fullmatch(given) else new_id("req")
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode("latin-1"))]
            await send(message)

        await self._app(scope, receive, send_with_id)
