"""Who sends a request, as far as the request and the app around us say."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse

from runtime.assemble.context import User
from runtime.config.model import Config
from runtime.config.model.mcp import HttpMcpServer
from runtime.errors import RequestError
from runtime.server.turns.request import LOCAL_USER
from runtime.stores.ids import new_id


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


def forwarded_headers(request: Request, config: Config) -> dict[str, str]:
    """The headers that some MCP server is to be given, by their names in lower case; no others are kept."""
    servers = (server for server in config.mcp.values() if isinstance(server, HttpMcpServer))
    names = {name.lower() for server in servers for name in server.forward_headers}
    # A header that came twice is passed on as both: no one but the server can say which is meant.
    return {name: ", ".join(request.headers.getlist(name)) for name in names if name in request.headers}


def request_id_of(request: Request) -> str:
    """The id that the request was given when it came in."""
    return str(request.scope.get("state", {}).get("request_id") or new_id("req"))


def error_response(request: Request, status: int, code: str, message: str, /, **more: object) -> JSONResponse:
    """An error as clients get it: `{"error": {"code", "message", "request_id"}}`; `more` stands beside `error`."""
    error = {"code": code, "message": message, "request_id": request_id_of(request)}
    headers = {"retry-after": "1"} if status == 503 else None
    return JSONResponse({"error": error, **more}, status_code=status, headers=headers)
