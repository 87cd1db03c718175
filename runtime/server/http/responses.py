"""The shape of error responses, the id of a request, which is their reference to the log, and the app's address."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from runtime.assemble.functions import FunctionTimeout
from runtime.resources.containment import reason_of
from runtime.resources.threads import NoFreeThread
from runtime.stores.ids import new_id
from runtime.stores.store import StoreError, StoreUnavailable

UNAVAILABLE = (StoreUnavailable, FunctionTimeout, NoFreeThread)
"""Exceptions that `unexpected` answers with a 503."""
logger = logging.getLogger("runtime.server")


def request_id_of(connection: HTTPConnection) -> str:
    """Return the id that `RequestIdMiddleware` set."""
    return str(connection.scope.get("state", {}).get("request_id") or new_id("req"))


def error_response(connection: HTTPConnection, status: int, code: str, message: str, /, **more: object) -> JSONResponse:
    """Return `{"error": {"code", "message", "request_id"}, **more}` with this HTTP status."""
    error = {"code": code, "message": message, "request_id": request_id_of(connection)}
    headers = {"retry-after": "1"} if status == 503 else None
    return JSONResponse({"error": error, **more}, status_code=status, headers=headers)


class OwnResponse(JSONResponse):
    """JSON that is a user's own, and may change: no cache gives it to anybody else, or without asking again."""

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Add the headers of the response."""
        super().init_headers({"cache-control": "private, no-cache", **(headers or {})})


async def send_response(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response that refuses a request: also to the handshake of a websocket, before it is accepted."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        # Closing before accepting makes the server answer the handshake with 403.
        await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
    else:
        await response(scope, receive, send)


def names_one_of(if_none_match: str, etags: Sequence[str]) -> bool:
    """Return whether the header has one of the tags, also as a proxy that compresses has weakened it."""
    given = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in given or any(etag in given for etag in etags)


def base_url_of(request: Request, path: str) -> str:
    """Return the absolute URL of the ChatKit endpoint, with the origin of this request, below the app's mounts."""
    # Not `request.base_url`, which is that of the outermost app.
    root = str(request.scope.get("root_path", "")).rstrip("/")
    return str(request.url.replace(path=f"{root}{path.rstrip('/')}", query="", fragment=""))


def shutting_down(connection: HTTPConnection) -> JSONResponse:
    """Return the response (503) of a server that drains."""
    return error_response(connection, 503, "shutting_down", "the server is shutting down")


async def unexpected(connection: HTTPConnection, error: Exception) -> JSONResponse:
    """Log an unexpected error; respond 500 with the request id as the reference.

    Respond 503 if the store is unavailable, or a function of the project took too long.
    """
    request_id = request_id_of(connection)
    if isinstance(error, FunctionTimeout | NoFreeThread):
        logger.error("request failed [%s]: %s", request_id, error)
        message = f"the server took too long (try again in a moment; reference {request_id})"
        return error_response(connection, 503, "timeout", message)
    if isinstance(error, StoreUnavailable | StoreError):
        logger.warning("request failed [%s]: the store is not available: %s", request_id, error)
        message = "conversations can't be read or stored right now (try again in a moment)"
        response = error_response(connection, 503, "store_unavailable", message)
        response.headers["retry-after"] = "5"
        return response
    logger.error("request failed [%s]: %s", request_id, reason_of(error), exc_info=error)
    return error_response(connection, 500, "internal_error", f"something went wrong (reference {request_id})")
