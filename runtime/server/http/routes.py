"""The ASGI app of one generation: ChatKit's requests, attachments, mentions, and the project's own routes."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from runtime.assemble.project import Snapshot
from runtime.assemble.project_objects import BuiltRouter
from runtime.auth.user import USER, current_user
from runtime.config.model import Config
from runtime.config.model.mcp import HttpMcpServer
from runtime.documents.untrusted import language_tag
from runtime.errors import RequestError
from runtime.resources.containment import contained
from runtime.resources.lease import Lease
from runtime.sdk_internals import flat_routes, forget_endpoints
from runtime.server.attachments.uploads import Uploads
from runtime.server.generations.generation import Generation
from runtime.server.http.chat_page import chat_page
from runtime.server.http.client_files import ASSETS, ClientFile, client_files
from runtime.server.http.event_stream import EventStreamResponse
from runtime.server.http.files import FileRoutes
from runtime.server.http.identity import (
    PUBLIC,
    USERS,
    Access,
    IdentityMiddleware,
    authenticator_of,
    refusal_response,
)
from runtime.server.http.mentions import MentionRoutes
from runtime.server.http.options import component_options
from runtime.server.http.rate_limits import AddressLimit, RequestLimiter
from runtime.server.http.receiving import check_media_type, limit_receiving, read_body
from runtime.server.http.responses import (
    UNAVAILABLE,
    OwnResponse,
    base_url_of,
    error_response,
    request_id_of,
    send_response,
    unexpected,
)
from runtime.server.http.thread_streams import RESUME_HEADER, ThreadStreamRoutes
from runtime.server.settings import ServerSettings
from runtime.server.turns.chatkit_server import RuntimeServer
from runtime.server.turns.dictation import largest_body
from runtime.server.turns.request_parsing import RequestInfo
from runtime.server.turns.turn import Turn
from runtime.stores.store import ThreadStore

logger = logging.getLogger("runtime.server")

_APP = "chatkit.app"
"""The key of the ASGI scope that holds the app with the route of the request."""
LEASE = "chatkit.lease"
"""The key of the ASGI scope that holds the request's lease of its generation."""
_MAX_LANGUAGES = 500
"""The characters of the Accept-Language header that are read."""


class ProjectApp:
    """The ASGI app of one generation, see `GenerationApp`; `state` becomes `request.app.state`."""

    def __init__(
        self,
        snapshot: Snapshot,
        server: RuntimeServer,
        state: Any,
        uploads: Uploads | None,
        settings: ServerSettings,
        limiter: RequestLimiter,
    ) -> None:
        self._snapshot, self._server, self._limiter = snapshot, server, limiter
        config = snapshot.config
        self.path = config.server.path
        below = self.path.rstrip("/")
        self._routes, files = _new_app(state), _new_app(state)
        # Routes that not every user may use, or that need no login, are in apps of their own: a request that an app
        # gets can reach no other route.
        self._others = [(PUBLIC, files)]
        self._routes.add_route(f"{below}/options.json", self._options, methods=["GET"])
        if uploads is not None:
            FileRoutes(uploads, below).add_to(self._routes.router, files.router)
        ThreadStreamRoutes(server, self._identify).add_to(self._routes, below)
        mentions = MentionRoutes(snapshot)
        self._routes.add_route(f"{below}/entities", mentions.search, methods=["GET"])
        self._routes.add_route(f"{below}/entities/{{id}}", mentions.read, methods=["GET"])
        self._routes.add_route(f"{below}/entities/{{id}}/preview", mentions.preview, methods=["GET"])
        for built in snapshot.routers:
            self._add_router(built, state)
        shown = client_files(config.server.cors, (component.src for component in config.chat.components.values()))
        self._client = {f"{below}/{name}": file for name, file in shown.items()}
        page = self._page(config, settings)
        self.has_page = page is not None
        if page is not None:
            self._client["/"] = page
        self._identity = IdentityMiddleware(
            self._limit_user, authenticator_of(snapshot, settings), self._access, config.server.cors
        )
        self._app: ASGIApp = AddressLimit(self._identity, limiter, config.limits.requests, _store_of)
        if config.server.cors:
            # Around the login: the response to a request without one is for its page as well.
            self._app = CORSMiddleware(
                self._app,
                allow_origins=config.server.cors,
                allow_methods=_methods_of(route for app in self._apps for route in app.routes),
                allow_headers=["*"],
                allow_credentials="*" not in config.server.cors,
                expose_headers=["x-request-id"],
            )

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[Mapping[str, Any]]:
        """See `GenerationApp`."""
        states: dict[str, Any] = {}
        async with AsyncExitStack() as stack:
            for app in self._apps:
                lifespan: AbstractAsyncContextManager[Any] = app.router.lifespan_context(app)
                states |= await stack.enter_async_context(lifespan) or {}
            yield states

    def addresses(self) -> list[tuple[str, str]]:
        """Return the method and the path of every route, ChatKit's own endpoint included."""
        found = {("POST", self.path), *(("GET", _one_for_all(path)) for path in self._client)}
        for app in self._apps:
            for route in flat_routes(app.routes):
                found |= {(method, str(getattr(route, "path", ""))) for method in getattr(route, "methods", None) or ()}
        return sorted(found)

    def _page(self, config: Config, settings: ServerSettings) -> ClientFile | None:
        """Return the chat page for `/`, unless a route of the project is there."""
        if config.server.chat_page is None and not settings.always_page:
            return None
        root = {"type": "http", "method": "GET", "path": "/", "headers": []}
        if any(_match(app, root) is Match.FULL for app in self._apps):
            return None
        return chat_page(config, settings.has_local_user(config))

    @property
    def _apps(self) -> list[FastAPI]:
        return [self._routes, *(app for _, app in self._others)]

    def _add_router(self, built: BuiltRouter, state: Any) -> None:
        app = self._routes
        if built.public or built.roles:
            app = _new_app(state)
            self._others.append((Access(built.public, built.roles), app))
        app.include_router(built.router)

    def release(self) -> None:
        """See `GenerationApp`. FastAPI's caches would keep the project's route functions, and so its modules, alive."""
        code = self._snapshot.code
        forget_endpoints(code.knows, os.fspath(code.sources.root))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        file = self._client_file(scope)
        if file is not None:
            # Without limits and login: these files hold no data, and a page needs a dozen of them.
            await file.respond(scope)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def is_client_file(self, scope: Scope) -> bool:
        """See `GenerationApp`."""
        return self._client_file(scope) is not None

    def _client_file(self, scope: Scope) -> ClientFile | None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            return None
        return self._client.get(path_within(scope))

    async def admit(self, scope: Scope, roles: Sequence[str]) -> Response | None:
        """See `GenerationApp`."""
        return await self._identity.admit(scope, Access(roles=roles))

    def _access(self, scope: Scope) -> Access:
        if scope["type"] == "http" and path_within(scope) == self.path:
            return USERS
        access, scope[_APP] = self._find(scope)
        return access

    def _find(self, scope: Scope) -> tuple[Access, FastAPI]:
        """Return the app that has the route of a request, and who may use it."""
        wrong_method = None
        for access, app in self._others:
            match = _match(app, scope)
            if match is Match.FULL:
                return access, app
            if match is Match.PARTIAL:
                wrong_method = wrong_method or (access, app)
        if wrong_method is None or _match(self._routes, scope) is Match.FULL:
            return USERS, self._routes
        return wrong_method

    async def _limit_user(self, scope: Scope, receive: Receive, send: Send) -> None:
        user, rates = scope.get(USER), self._snapshot.config.limits.requests
        if user is not None and rates.user is not None:
            try:
                await self._limiter.check_user(user, rates, _store_of(scope))
            except RequestError as error:
                await send_response(refusal_response(HTTPConnection(scope), error), scope, receive, send)
                return
        await self._dispatch(scope, receive, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            receive = limit_receiving(receive, self._snapshot.config.limits.receive)
        # ChatKit's requests bypass FastAPI, whose layers would wrap every chunk of every stream.
        if scope["type"] != "http" or path_within(scope) != self.path:
            await scope.pop(_APP)(scope, receive, send)
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
            return await self._info(request, snapshot)

        async def until_gone() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass

        try:
            check_media_type(request)
            body = await read_body(request, self._snapshot.config.limits, largest_body(self._snapshot))
            result = await self._server.handle(body, identify, lease, until_gone)
        except RequestError as error:
            return refusal_response(request, error)
        except HTTPException:
            raise
        except ClientDisconnect:
            return Response(status_code=499)  # never sent: the client is gone
        except Exception as error:
            return await unexpected(request, error)
        if isinstance(result, Turn):
            return EventStreamResponse(result.source(), self._snapshot.config.limits.send)
        return Response(result, media_type="application/json")

    async def _info(self, request: Request, snapshot: Snapshot) -> RequestInfo:
        return RequestInfo(
            user=current_user(request),
            locale=locale_of(request),
            request_id=request_id_of(request),
            request_context=await snapshot.request_context(request),
            base_url="" if snapshot.config.chat.attachments is None else base_url_of(request, self.path),
            resumes=request.headers.get(RESUME_HEADER) == "1",
            headers=forwarded_headers(request, snapshot.config),
        )

    async def _identify(self, request: Request) -> tuple[Generation, RequestInfo]:
        lease: Lease[Generation] = request.scope[LEASE]
        return lease.value, await self._info(request, lease.value.snapshot)

    async def _options(self, request: Request) -> Response:
        url = f"{str(request.scope.get('root_path', '')).rstrip('/')}{self.path}"
        return OwnResponse(
            component_options(self._snapshot.config, url, base_url_of(request, self.path), current_user(request))
        )


def _methods_of(routes: Iterable[BaseRoute]) -> list[str]:
    """Return every method that a route answers, for pages of other origins; any method where a whole app is mounted."""
    methods = {"GET", "POST", "PUT", "OPTIONS"}
    for route in flat_routes(routes):
        if isinstance(route, Mount):
            return ["*"]
        methods |= getattr(route, "methods", None) or set()
    return sorted(methods)


class ContainedRoutes:
    """ASGI middleware: what a route of the project raises is an error of its request, and never ends the server."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. Raise ProjectCodeError."""
        with contained():
            await self._app(scope, receive, send)


def _store_of(scope: Scope) -> ThreadStore:
    lease: Lease[Generation] = scope[LEASE]
    return lease.value.store


def path_within(scope: Scope) -> str:
    """Return the path below the root at which the app is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


def _one_for_all(path: str) -> str:
    """Return the address of a file of the client; those with a hash in their name have one for all of them."""
    folder, found, _ = path.rpartition(f"/{ASSETS}/")
    return f"{folder}{found}{{file}}" if found else path


def _new_app(state: Any) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state = state
    app.add_middleware(ContainedRoutes)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestError, refused)
    for kind in UNAVAILABLE:
        app.add_exception_handler(kind, unexpected)
    app.add_exception_handler(Exception, unexpected)
    return app


def _match(app: FastAPI, scope: Scope) -> Match:
    return max((route.matches(scope)[0] for route in app.routes), key=lambda match: match.value, default=Match.NONE)


async def refused(request: Request, error: Any) -> Response:
    """Respond to a request that is refused while a route of the project answers, such as one that is not sent."""
    return refusal_response(request, error)


async def http_error(request: Request, error: Any) -> Response:
    """Give Starlette's own errors our shape; FastAPI's, which the project's routes raise, keep theirs."""
    if type(error) is not HTTPException:
        return await http_exception_handler(request, error)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    return error_response(request, error.status_code, code, str(error.detail).lower())


def locale_of(request: Request) -> str:
    """Return the first language tag of the Accept-Language header, or `en`: nothing else may stand in a prompt."""
    parts = request.headers.get("accept-language", "")[:_MAX_LANGUAGES].split(",")
    tags = (language_tag(part.partition(";")[0].strip()) for part in parts)
    return next((tag for tag in tags if tag is not None), "en")


def forwarded_headers(request: Request, config: Config) -> dict[str, str]:
    """Return the headers that some MCP server declares in `forward_headers`, by their lower-case names."""
    servers = (server for server in config.mcp.values() if isinstance(server, HttpMcpServer))
    names = {name.lower() for server in servers for name in server.forward_headers}
    # Repeated headers are joined: only the receiving server knows which one counts.
    return {name: ", ".join(request.headers.getlist(name)) for name in names if name in request.headers}
