"""The ASGI app of a project: it passes each request to the current generation and holds that to the last byte."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.server.admin import add_routes, is_admin_route
from runtime.server.http.responses import UNAVAILABLE, unexpected
from runtime.server.http.routes import LEASE, http_error, path_within
from runtime.server.runtime import Runtime, load
from runtime.stores.ids import new_id

_VALID_REQUEST_ID = re.compile(r"[\w.:-]{1,128}")


def create_app(
    path: str | Path = "agents.yaml",
    *,
    environ: Mapping[str, str] | None = None,
    profile: str | None = None,
    offline: bool = False,
) -> FastAPI:
    """Create the ASGI app of the project in a folder, or of its agents.yaml. Raise ConfigError with all errors.

    The app can be served alone or mounted in another one: `app.mount("/assistant", create_app("agents.yaml"))`. `auth`
    in agents.yaml says who the users are; without it, a user whom the surrounding app authenticated (Starlette's
    AuthenticationMiddleware) owns their threads, and all other requests are refused. `environ` replaces the environment
    of the process. `profile` selects one of the file's `profiles`, as `--profile` does; an empty text selects none,
    whatever CHATKIT_PROFILE says. With `offline`, a model without a key answers from its `offline` script.
    """
    return build_app(load(path, environ=environ, profile=profile, offline=offline))


def build_app(runtime: Runtime) -> FastAPI:
    """Build the ASGI app of a loaded project. `app.state.runtime` is the project."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await runtime.open()
        yield
        await runtime.close()

    app = FastAPI(title="chatkit-runtime", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state = runtime.app_state
    add_routes(app)
    app.add_exception_handler(HTTPException, http_error)
    for kind in UNAVAILABLE:
        app.add_exception_handler(kind, unexpected)
    app.add_exception_handler(Exception, unexpected)
    app.add_middleware(GenerationMiddleware, runtime=runtime)
    app.add_middleware(RequestIdMiddleware)
    return app


class GenerationMiddleware:
    """ASGI middleware: the current generation answers the request, and is leased until the last byte.

    Probes and admin routes (`/health`, `/ready`, `/-/…`) belong to no generation and stay in the app.
    """

    def __init__(self, app: ASGIApp, runtime: Runtime) -> None:
        self._app, self._runtime = app, runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] not in ("http", "websocket") or is_admin_route(path_within(scope)):
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


class RequestIdMiddleware:
    """ASGI middleware: give every request an id, the client's `X-Request-Id` if it is valid, and return it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Set the id in the state of the request and in the headers of the response."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
        request_id = given if _VALID_REQUEST_ID.fullmatch(given) else new_id("req")
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_id(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode("latin-1"))]
            await send(message)

        await self._app(scope, receive, send_with_id)
