"""Who sent a request, its language, headers and id, and the shape of error responses."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse

from runtime.assemble.context import User
from runtime.config.model import Config
from runtime.config.model.mcp import HttpMcpServer
from runtime.errors import RequestError
from runtime.server.turns.request_parsing import LOCAL_USER
from runtime.stores.ids import new_id


def user_of(request: Request) -> User:
    """Return the user whom the surrounding app authenticated, or the local user if no app does.

    Raise RequestError: 401 for a request that is not authenticated, 403 for the id of the local user, 500 for a user
    without an identity.
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
        message = f"the identity {LOCAL_USER.id!r} is reserved for requests without a login"
        raise RequestError(403, "reserved_identity", message)
    return User(str(identity), name)


def locale_of(request: Request) -> str:
    """Return the first language of the Accept-Language header, or `en`."""
    first = request.headers.get("accept-language", "").split(",")[0].split(";")[0].strip()
    return first if first and first != "*" else "en"


def forwarded_headers(request: Request, config: Config) -> dict[str, str]:
    """Return the headers that some MCP server declares in `forward_headers`, by their lower-case names."""
    servers = (server for server in config.mcp.values() if isinstance(server, HttpMcpServer))
    names = {name.lower() for server in servers for name in server.forward_headers}
    # Repeated headers are joined: only the receiving server knows which one counts.
    return {name: ", ".join(request.headers.getlist(name)) for name in names if name in request.headers}


def request_id_of(request: Request) -> str:
    """Return the id that `RequestIdMiddleware` set."""
    return str(request.scope.get("state", {}).get("request_id") or new_id("req"))


def shutting_down(request: Request) -> JSONResponse:
    """Return the response (503) of a server that drains."""
    return error_response(request, 503, "shutting_down", "the server is shutting down")


def error_response(request: Request, status: int, code: str, message: str, /, **more: object) -> JSONResponse:
    """Return `{"error": {"code", "message", "request_id"}, **more}` with this HTTP status."""
    error = {"code": code, "message": message, "request_id": request_id_of(request)}
    headers = {"retry-after": "1"} if status == 503 else None
    return JSONResponse({"error": error, **more}, status_code=status, headers=headers)
