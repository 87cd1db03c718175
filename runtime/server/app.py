"""The HTTP side: FastAPI around the ChatKit server, with health checks and errors that are always JSON."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.assemble.context import User
from runtime.assemble.snapshot import Snapshot
from runtime.errors import RequestError
from runtime.server.chat import Streaming
from runtime.server.request import LOCAL_USER, Caller
from runtime.server.respond import EventStreamResponse, check_media_type, read_body
from runtime.server.runtime import Runtime, load
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

    config = runtime.config
    app = FastAPI(title="chatkit-runtime", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.runtime = runtime
    chat = _Endpoints(runtime)
    app.add_route(f"{config.server.path.rstrip('/')}/options.json", chat.options, methods=["GET"])
    app.add_route("/health", chat.health, methods=["GET"])
    app.add_route("/ready", chat.ready, methods=["GET"])
    for router in runtime.live.current.routers:
        app.include_router(router)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)
    app.add_middleware(ChatKitRoute, path=config.server.path, endpoint=chat.chatkit)
    if config.server.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=config.server.cors,
            allow_methods=["GET", "POST", "OPTIONS"],
            allow_headers=["*"],
            allow_credentials="*" not in config.server.cors,
            expose_headers=["x-request-id"],
        )
    app.add_middleware(RequestIds)
    return app


class _Endpoints:
    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def chatkit(self, request: Request) -> Response:
        runtime = self.runtime
        if not runtime.is_open:
            # Mounted in another app, whose lifespan does not reach us.
            await runtime.open()

        async def who_asks(snapshot: Snapshot) -> Caller:
            return Caller(
                user=user_of(request),
                locale=locale_of(request),
                request_id=request_id_of(request),
                request_context=await snapshot.request_context(request),
            )

        try:
            check_media_type(request)
            body = await read_body(request, runtime.config.limits.body)
            result = await runtime.server.handle(body, who_asks)
        except RequestError as error:
            return error_response(request, error.status, error.code, error.message)
        except HTTPException:
            raise
        except ClientDisconnect:
            return Response(status_code=499)  # nobody is there to read it
        except Exception as error:
            return _log_unexpected(request, error)
        if isinstance(result, Streaming):
            return EventStreamResponse(result)
        return Response(result, media_type="application/json")

    async def options(self, request: Request) -> Response:
        chat = self.runtime.config.chat
        prompts = [prompt.model_dump(exclude_none=True) for prompt in chat.start_prompts]
        screen: dict[str, Any] = {"prompts": prompts}
        if chat.greeting is not None:
            screen["greeting"] = chat.greeting
        return JSONResponse({"startScreen": screen})

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(self, request: Request) -> Response:
        try:
            await self.runtime.open()
            await self.runtime.store.load_threads(LOCAL_USER.id, limit=1, after=None, order="desc")
        except Exception as error:
            logger.warning("not ready: %s: %s", type(error).__name__, error)
            return error_response(request, 503, "not_ready", "the store can't be reached")
        return JSONResponse({"status": "ready", "generation": self.runtime.live.current.generation})


class ChatKitRoute:
    """Answer ChatKit's requests before the layers of routing, each of which would wrap every chunk of every stream."""

    def __init__(self, app: ASGIApp, path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> None:
        self.app, self.path, self.endpoint = app, path, endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on whatever else comes."""
        if scope["type"] != "http" or _path_within(scope) != self.path:
            await self.app(scope, receive, send)
            return
        request = Request(scope, receive, send)
        if scope["method"] != "POST":
            response: Response = error_response(request, 405, "method_not_allowed", "post ChatKit requests here")
            response.headers["allow"] = "POST"
        else:
            try:
                response = await self.endpoint(request)
            except HTTPException as error:
                # The project's own `context` function turned the request away.
                response = await http_exception_handler(request, error)
        await response(scope, receive, send)


def _path_within(scope: Scope) -> str:
    """The path below the place where the app is mounted."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


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


def user_of(request: Request) -> User:
    """The user whom the surrounding app has authenticated, or the one local user where no app knows users.

    Raise RequestError (401) for a visitor whom the app has not authenticated.
    """
    user = request.scope.get("user")
    if user is None:
        return LOCAL_USER
    if not getattr(user, "is_authenticated", False):
        raise RequestError(401, "unauthenticated", "log in first")
    name = getattr(user, "display_name", None)
    try:
        identity = user.identity
    except (AttributeError, NotImplementedError):
        identity = name
    if identity in (None, ""):
        raise RequestError(500, "no_identity", "the authenticated user has neither an identity nor a name")
    if str(identity) == LOCAL_USER.id:
        raise RequestError(403, "reserved_identity", f"{LOCAL_USER.id!r} owns what was written without a login")
    return User(str(identity), name)


def locale_of(request: Request) -> str:
    """The first language of the Accept-Language header, `en` where there is none."""
    first = request.headers.get("accept-language", "").split(",")[0].split(";")[0].strip()
    return first if first and first != "*" else "en"


def request_id_of(request: Request) -> str:
    """The id that RequestIds gave the request."""
    return str(request.scope.get("state", {}).get("request_id") or new_id("req"))


def error_response(request: Request, status: int, code: str, message: str) -> JSONResponse:
    """An error as clients get it: `{"error": {"code", "message", "request_id"}}`."""
    return JSONResponse(
        {"error": {"code": code, "message": message, "request_id": request_id_of(request)}}, status_code=status
    )


def _log_unexpected(request: Request, error: Exception) -> JSONResponse:
    request_id = request_id_of(request)
    logger.error("request failed [%s]: %s: %s", request_id, type(error).__name__, error, exc_info=error)
    return error_response(request, 500, "internal_error", f"something went wrong (reference {request_id})")


async def _unexpected(request: Request, error: Exception) -> Response:
    return _log_unexpected(request, error)


async def _http_error(request: Request, error: Any) -> Response:
    # Routes of the project's own keep the shape that FastAPI gives their errors.
    if type(error) is not HTTPException:
        return await http_exception_handler(request, error)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    return error_response(request, error.status_code, code, str(error.detail).lower())
