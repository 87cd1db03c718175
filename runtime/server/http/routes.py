"""The ASGI app of one generation: ChatKit's requests, the page's options, and the project's own routes."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from runtime.assemble.project import Snapshot
from runtime.errors import RequestError
from runtime.resources.lease import Lease
from runtime.sdk_internals import forget_endpoints
from runtime.server.attachments import Uploads
from runtime.server.generations.generation import Generation
from runtime.server.http.event_stream import EventStreamResponse, check_media_type, read_body
from runtime.server.http.files import FileRoutes, base_url_of
from runtime.server.http.identity import error_response, forwarded_headers, locale_of, request_id_of, user_of
from runtime.server.http.mentions import MentionRoutes
from runtime.server.http.options import component_options
from runtime.server.settings import DEFAULT_SETTINGS, ServerSettings
from runtime.server.turns.chatkit_server import RuntimeServer, largest_body
from runtime.server.turns.request import RequestInfo
from runtime.server.turns.streaming import Streaming

logger = logging.getLogger("runtime.server")

LEASE = "chatkit.lease"
"""The key of the ASGI scope that holds the request's lease of its generation."""


class ProjectApp:
    """The ASGI app of one generation, see `GenerationApp`; `state` becomes `request.app.state`."""

    def __init__(
        self,
        snapshot: Snapshot,
        server: RuntimeServer,
        state: Any,
        uploads: Uploads | None = None,
        settings: ServerSettings = DEFAULT_SETTINGS,
    ) -> None:
        self._snapshot, self._server, self._settings = snapshot, server, settings
        config = snapshot.config
        self.path = config.server.path
        self._routes = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        self._routes.state = state
        self._routes.add_route(f"{self.path}/options.json", self._options, methods=["GET"])
        if uploads is not None:
            files = FileRoutes(uploads, self.path)
            self._routes.add_route(f"{self.path}/files", files.direct, methods=["POST"])
            self._routes.add_route(f"{self.path}/files/{{token}}", files.upload, methods=["PUT"])
            self._routes.add_route(f"{self.path}/files/{{token}}", files.show, methods=["GET"])
        mentions = MentionRoutes(snapshot)
        self._routes.add_route(f"{self.path}/entities", mentions.search, methods=["GET"])
        self._routes.add_route(f"{self.path}/entities/{{id}}", mentions.read, methods=["GET"])
        self._routes.add_route(f"{self.path}/entities/{{id}}/preview", mentions.preview, methods=["GET"])
        for router in snapshot.routers:
            self._routes.include_router(router)
        self._routes.add_exception_handler(HTTPException, http_error)
        self._routes.add_exception_handler(Exception, unexpected)
        self._app: ASGIApp = self._dispatch
        if config.server.cors:
            self._app = CORSMiddleware(
                self._dispatch,
                allow_origins=config.server.cors,
                allow_methods=["GET", "POST", "PUT", "OPTIONS"],
                allow_headers=["*"],
                allow_credentials="*" not in config.server.cors,
                expose_headers=["x-request-id"],
            )

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[Mapping[str, Any]]:
        """See `GenerationApp`."""
        async with self._routes.router.lifespan_context(self._routes) as state:
            yield state or {}

    def release(self) -> None:
        """See `GenerationApp`. FastAPI's caches would keep the project's route functions, and so its modules, alive."""
        code = self._snapshot.code
        forget_endpoints(code.knows, os.fspath(code.sources.root))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        await self._app(scope, receive, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        # ChatKit's requests bypass FastAPI, whose layers would wrap every chunk of every stream.
        if scope["type"] != "http" or path_within(scope) != self.path:
            await self._routes(scope, receive, send)
            return
        request = Request(scope, receive, send)
        if scope["method"] != "POST":
            response: Response = error_response(request, 405, "method_not_allowed", "post ChatKit requests here")
            response.headers["allow"] = "POST"
        else:
            try:
                response = await self._chatkit(request)
            except HTTPException as error:
                # Raised by the project's `context` function.
                response = await http_exception_handler(request, error)
        await response(scope, receive, send)

    async def _chatkit(self, request: Request) -> Response:
        lease: Lease[Generation] = request.scope[LEASE]

        async def identify(snapshot: Snapshot) -> RequestInfo:
            return RequestInfo(
                user=user_of(request),
                locale=locale_of(request),
                request_id=request_id_of(request),
                request_context=await snapshot.request_context(request),
                base_url="" if snapshot.config.chat.attachments is None else base_url_of(request, self.path),
                headers=forwarded_headers(request, snapshot.config),
            )

        try:
            check_media_type(request)
            body = await read_body(request, largest_body(self._snapshot))
            result = await self._server.handle(body, identify, lease)
        except RequestError as error:
            return error_response(request, error.status, error.code, error.message)
        except HTTPException:
            raise
        except ClientDisconnect:
            return Response(status_code=499)  # never sent: the client is gone
        except Exception as error:
            return await unexpected(request, error)
        if isinstance(result, Streaming):
            return EventStreamResponse(result, self._settings.ping_s)
        return Response(result, media_type="application/json")

    async def _options(self, request: Request) -> Response:
        url = f"{str(request.scope.get('root_path', '')).rstrip('/')}{self.path}"
        return JSONResponse(component_options(self._snapshot.config, url, base_url_of(request, self.path)))


def path_within(scope: Scope) -> str:
    """Return the path below the root at which the app is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


async def unexpected(request: Request, error: Exception) -> JSONResponse:
    """Log an unexpected error; respond 500 with the request id as the reference."""
    request_id = request_id_of(request)
    logger.error("request failed [%s]: %s: %s", request_id, type(error).__name__, error, exc_info=error)
    return error_response(request, 500, "internal_error", f"something went wrong (reference {request_id})")


async def http_error(request: Request, error: Any) -> Response:
    """Give Starlette's own errors our shape; FastAPI's, which the project's routes raise, keep theirs."""
    if type(error) is not HTTPException:
        return await http_exception_handler(request, error)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    return error_response(request, error.status_code, code, str(error.detail).lower())
