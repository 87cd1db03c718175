"""The user of a request, as tools, templates and the project's own routes see it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from starlette.requests import HTTPConnection

from runtime.errors import RequestError

USER = "chatkit.user"
"""The key of the ASGI scope that holds the `User` of a request."""
PEER = "chatkit.peer"
"""The key of the ASGI scope that holds the address that a connection comes from, where the server knows it."""
MAX_ID_LENGTH = 255


class ReadOnlyDict(dict[str, Any]):
    """A dict that can't be changed: the claims of a user are shared by all requests with the same token."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("the claims of a user are read-only")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return ReadOnlyDict, (dict(self),)


NO_CLAIMS = ReadOnlyDict()


@dataclass(frozen=True, slots=True)
class User:
    """The user of a request; `id` is the owner of its threads."""

    id: str
    name: str | None = None
    roles: tuple[str, ...] = ()
    """What the user may use: the `roles` of agents, tools, actions and routes."""
    claims: Mapping[str, Any] = field(default_factory=lambda: NO_CLAIMS, repr=False, hash=False)
    """What else the login says of the user, such as the claims of a JWT; read-only."""

    def may_use(self, roles: Iterable[str]) -> bool:
        """Return whether the user has one of these roles; without any, everybody may use a thing."""
        required = tuple(roles)
        return not required or any(role in self.roles for role in required)


LOCAL_USER = User("local")
"""The only user where nobody logs in."""


def logins_unavailable() -> RequestError:
    """Return the refusal of a request whose login can't be checked at present; the log says why."""
    return RequestError(503, "login_unavailable", "logins can't be checked right now (try again in a moment)")


class Unauthenticated(RequestError):
    """A request without a valid login: 401 for the client, and the reason, without any secret, for the log.

    `challenge` is the value of the header WWW-Authenticate, where the kind of login has a scheme.
    """

    def __init__(self, reason: str, challenge: str = "", message: str = "log in first") -> None:
        super().__init__(401, "unauthenticated", message)
        self.reason, self.challenge = reason, challenge


def current_user(connection: HTTPConnection) -> User:
    """Return the user of a request to a route of the project; also a FastAPI dependency.

    Raise RequestError (401) in a public route, for a request without a user.
    """
    user = connection.scope.get(USER)
    if not isinstance(user, User):
        raise Unauthenticated("the request has no user")
    return user


def authenticated(value: User) -> User:
    """Return the user if its id can own threads. Raise Unauthenticated, or RequestError (403) for the local user's."""
    fault = fault_of_id(value.id)
    if fault:
        raise Unauthenticated(f"the id of the user {fault}")
    if value.id == LOCAL_USER.id:
        message = f"the identity {LOCAL_USER.id!r} is reserved for requests without a login"
        raise RequestError(403, "reserved_identity", message)
    return value


def fault_of_id(user_id: object) -> str:
    """Return why a value can't be the id of a user, or an empty string. Stores compare ids byte by byte."""
    if not isinstance(user_id, str):
        return f"is {type(user_id).__name__}, not a text"
    if not user_id.strip():
        return "is empty"
    if len(user_id) > MAX_ID_LENGTH:
        return f"is longer than {MAX_ID_LENGTH} characters"
    if not user_id.isprintable():
        return "has characters that can't be printed"
    return ""


def read_only(value: Any) -> Any:
    """Return a copy of JSON data that can't be changed: mappings are `ReadOnlyDict`, lists are tuples."""
    if isinstance(value, Mapping):
        return ReadOnlyDict({str(key): read_only(inner) for key, inner in value.items()})
    return tuple(map(read_only, value)) if isinstance(value, list | tuple) else value
