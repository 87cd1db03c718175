"""Who sent a request: the user is put into the ASGI scope before the body is read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from runtime.assemble.project import Snapshot
from runtime.assemble.roles import require_role
from runtime.auth.authenticator import Authenticator
from runtime.auth.user import LOCAL_USER, USER, Unauthenticated, User, authenticated
from runtime.errors import RequestError
from runtime.resources.containment import contained
from runtime.server.http.loopback import is_loopback, refusal
from runtime.server.http.origins import refuse_other_sites
from runtime.server.http.responses import error_response, request_id_of, send_response, unexpected
from runtime.server.settings import ServerSettings

logger = logging.getLogger("runtime.server")

# A proxy on this machine connects from loopback, too; these headers show that it forwards another client's request,
# or that of the network before it.
_FORWARDED = (
    *("forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "x-original-forwarded-for"),
    *("cf-connecting-ip", "cf-ray", "true-client-ip", "fastly-client-ip", "fly-client-ip", "x-envoy-external-address"),
)
_FORWARDED_PREFIX = "x-forwarded"
_LONGEST_REASON = 300
_NO_LOGIN = (
    "requests are refused, because nobody authenticates them: agents.yaml has no `auth:`, and the application around "
    "this one has no AuthenticationMiddleware. Declare who the users are (docs/guide/login.md); "
    "`auth: none` serves this machine alone%s"
)
_OWN_MIDDLEWARE = (
    ". The application sets `request.state.user`, which this function passes on:\n"
    "    auth: {python: app.login:user}\n"
    "    # app/login.py\n"
    "    def user(request):\n"
    "        return str(request.state.user.id)"
)


class LocalMachine:
    """`auth: none`: everybody on this machine is the local user, and nobody else is answered.

    Pages of other sites are refused, unless `origins` has theirs.
    """

    def __init__(self, origins: Sequence[str] = ()) -> None:
        self._origins = [origin.encode("latin-1", "replace") for origin in origins]

    async def identify(self, connection: HTTPConnection) -> User:
        """See `Authenticator`. Raise RequestError (403) for a request from elsewhere."""
        reason = not_from_this_machine(connection, self._origins)
        if reason:
            message = f"without a login, this server answers its own machine only: {reason}"
            raise RequestError(403, "forbidden", message)
        return LOCAL_USER


class SurroundingApp:
    """No `auth`: the user whom Starlette's AuthenticationMiddleware around the app authenticated, or nobody."""

    def __init__(self) -> None:
        self._warned = False

    async def identify(self, connection: HTTPConnection) -> User:
        """See `Authenticator`. Raise RequestError: 500 for a user without an identity."""
        user = connection.scope.get("user")
        if user is None:
            if not self._warned:
                self._warned = True
                own = _OWN_MIDDLEWARE if "user" in connection.scope.get("state", {}) else ""
                logger.warning(_NO_LOGIN, own)
            message = "this server has no login, and refuses everybody (its log says what to declare)"
            raise Unauthenticated("nobody authenticates requests", message=message)
        if not getattr(user, "is_authenticated", False):
            raise Unauthenticated("the application around this one did not authenticate the request")
        name = getattr(user, "display_name", None)
        try:
            identity = user.identity
        except (AttributeError, NotImplementedError):
            identity = name
        if identity in (None, ""):
            raise RequestError(500, "no_identity", "the authenticated user has neither an identity nor a name")
        roles = getattr(connection.scope.get("auth"), "scopes", ())
        return User(str(identity), name, tuple(str(role) for role in roles))


def authenticator_of(snapshot: Snapshot, settings: ServerSettings) -> Authenticator:
    """Return what finds the users of a project's requests."""
    if settings.has_local_user(snapshot.config):
        return LocalMachine(snapshot.config.server.cors)
    return snapshot.authenticator or SurroundingApp()


async def identify(authenticator: Authenticator, connection: HTTPConnection) -> User:
    """Return the user of a request. Raise RequestError: 401 without a valid login, 403, or 500."""
    user = await authenticator.identify(connection)
    return user if user is LOCAL_USER else authenticated(user)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use a route: everybody if it is `public`, else every user, or those with one of the `roles`."""

    public: bool = False
    roles: Sequence[str] = ()


USERS, PUBLIC = Access(), Access(public=True)


class IdentityMiddleware:
    """ASGI middleware: put the user of each request into its scope, or refuse the request before its body is read.

    `access` returns who may use the route of a request. A public route gets no user. A form or a websocket of another
    site's page is refused, unless it is one of `origins`: a browser sends them with its user's cookies.
    """

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        access: Callable[[Scope], Access],
        origins: Sequence[str] = (),
    ) -> None:
        self._app, self._authenticator, self._access, self._origins = app, authenticator, access, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward or refuse the request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        access = self._access(scope)
        # An application that mounts two projects may pass on the scope of the other one's request.
        scope.pop(USER, None)
        if not access.public:
            refused = await self.admit(scope, access)
            if refused is not None:
                await send_response(refused, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def admit(self, scope: Scope, access: Access) -> Response | None:
        """Set the user; return the response to a request that is refused."""
        # Without `receive`: a login that needs the body would let everybody send one.
        connection = Request(scope) if scope["type"] == "http" else HTTPConnection(scope)
        try:
            with contained():
                user = await identify(self._authenticator, connection)
            refuse_other_sites(connection, self._origins)
            require_role(user, access.roles, "this route")
            scope[USER] = user
        except RequestError as error:
            return refusal_response(connection, error)
        except HTTPException as error:
            # Raised by the project's function.
            return await http_exception_handler(cast(Request, connection), error)
        except Exception as error:
            return await unexpected(connection, error)
        return None


def refusal_response(connection: HTTPConnection, error: RequestError) -> Response:
    """Return the response to a request that is refused; the log has the reason, which the client does not get."""
    if isinstance(error, Unauthenticated):
        client = connection.client.host if connection.client else "an unknown address"
        logger.info(
            "request [%s] from %s is not authenticated: %s", request_id_of(connection), client, _one_line(error.reason)
        )
    response = error_response(connection, error.status, error.code, error.message)
    if isinstance(error, Unauthenticated) and error.challenge:
        response.headers["www-authenticate"] = error.challenge
    if error.status == 408:
        # The rest of the request may still arrive: it must not be read as the next one.
        response.headers["connection"] = "close"
    if error.retry_after_s is not None:
        response.headers["retry-after"] = str(error.retry_after_s)
    return response


def _one_line(reason: str) -> str:
    """Return a reason, which may quote what a client sent, as a line of the log."""
    return "".join(letter if letter.isprintable() else "?" for letter in reason[:_LONGEST_REASON])


def not_from_this_machine(connection: HTTPConnection, origins: Sequence[bytes] = ()) -> str:
    """Return why a request is not this machine's own, or an empty string: not a proxy's, nor of another site's page.

    `origins` are sites whose pages may call this machine.
    """
    client = connection.client
    if client is None or not is_loopback(client.host):
        return "the request comes from another address"
    headers = connection.scope["headers"]
    names = [name.decode("latin-1") for name, _ in headers]
    if forwarded := [name for name in names if name in _FORWARDED or name.startswith(_FORWARDED_PREFIX)]:
        return f"a proxy has forwarded the request (header {forwarded[0]!r})"
    # nginx with its defaults: no such header, and a Host of its own.
    if connection.scope.get("http_version") == "1.0":
        return "it is HTTP/1.0, as a proxy forwards requests without a header that says so (send HTTP/1.1)"
    return refusal([(name, value) for name, value in headers if name != b"origin" or value not in origins]) or ""
