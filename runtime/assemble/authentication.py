"""The `auth` section -> the authenticator that finds the user of each request."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from starlette.requests import HTTPConnection

from runtime.assemble.functions import is_async_function, resolve_function
from runtime.assemble.problems import BuildError, Problems
from runtime.auth.authenticator import Authenticator
from runtime.auth.bearer import BearerAuthenticator
from runtime.auth.proxy import ProxyAuthenticator
from runtime.auth.user import Unauthenticated, User, fault_of_id, logins_unavailable, read_only
from runtime.config.model import Config
from runtime.config.model.auth import (
    SHARED_ALGORITHMS,
    BearerAuth,
    HeaderAuth,
    JwtAuth,
    JwtSettings,
    PythonAuth,
)
from runtime.config.project_files import ProjectFiles
from runtime.diagnostics.diagnostic import Diagnostic
from runtime.errors import RequestError, RuntimeFault
from runtime.project_code.loader import ProjectCode
from runtime.resources.pool import Share
from runtime.resources.threads import ToolThreads

logger = logging.getLogger("runtime.auth")
_LOGIN_THREADS = 40
_EXPECTED = "a function of the request"
_FIELDS = ("id", "name", "roles", "claims")


class InvalidUser(RuntimeFault):
    """The project's function returned something that is no user."""


class PythonAuthenticator:
    """The user by a function of the project, within `timeout_s` seconds; one that is not async runs in `threads`."""

    def __init__(
        self,
        path: str,
        function: Callable[..., Any],
        arguments: Mapping[str, Any],
        threads: ToolThreads,
        timeout_s: float,
    ) -> None:
        self._path, self._threads, self._timeout_s = path, threads, timeout_s
        self._is_async = is_async_function(function)
        self._function = partial(function, **arguments) if arguments else function

    async def identify(self, connection: HTTPConnection) -> User:
        """See `Authenticator`. Raise InvalidUser for a result that is no user, and what the function raises.

        Raise RequestError (503) if the function takes too long.
        """
        try:
            async with asyncio.timeout(self._timeout_s) as limit:
                value = await self._call(connection)
        except TimeoutError:
            # Otherwise it is the function's own, for example of a socket.
            if limit.expired():
                raise self._too_late() from None
            raise
        return self._user(value)

    async def _call(self, connection: HTTPConnection) -> Any:
        if self._is_async:
            return await self._function(connection)
        value = await self._threads.run(self._function, connection)
        return await value if inspect.isawaitable(value) else value

    def _too_late(self) -> RequestError:
        used, size = self._threads.in_use, self._threads.size
        threads = "" if self._is_async else f"; {used} of {size} threads for logins are in use"
        logger.error(
            "the login %s did not return within %g s, and the request is refused with a 503%s "
            "(set a timeout in the function's own calls, or raise auth.timeout)",
            self._path,
            self._timeout_s,
            threads,
        )
        return logins_unavailable()

    def _user(self, value: Any) -> User:
        match value:
            case None:
                raise Unauthenticated(f"{self._path!r} returned None")
            case str():
                return self._checked({"id": value})
            case User():
                return self._checked({name: getattr(value, name) for name in _FIELDS})
            case Mapping():
                if unknown := sorted(str(key) for key in value if key not in _FIELDS):
                    raise self._invalid(f"{unknown[0]!r}, which is none of {', '.join(_FIELDS)}")
                return self._checked(value)
        raise self._invalid(f"{type(value).__name__}, not a User, a mapping with an id, a text, or None")

    def _checked(self, fields: Mapping[str, Any]) -> User:
        name, roles, claims = fields.get("name"), fields.get("roles") or (), fields.get("claims") or {}
        if fault := fault_of_id(fields.get("id", "")):
            raise self._invalid(f"a user whose id {fault}")
        # A text is a sequence of letters: `roles="admin"` would give five roles.
        if (
            isinstance(roles, str)
            or not isinstance(roles, Iterable)
            or not all(isinstance(role, str) for role in roles)
        ):
            raise self._invalid("a user whose roles are no list of texts")
        if not isinstance(claims, Mapping):
            raise self._invalid("a user whose claims are no mapping")
        ordered = tuple(roles) if isinstance(roles, list | tuple) else tuple(sorted(roles))
        return User(fields["id"], None if name is None else str(name), ordered, read_only(claims))

    def _invalid(self, what: str) -> InvalidUser:
        return InvalidUser(f"{self._path!r} returned {what}")


def build_authenticator(
    config: Config, files: ProjectFiles, code: ProjectCode, share: Share, problems: Problems
) -> Authenticator | None:
    """Return the authenticator that `auth` declares; None without one, and for `auth: none`."""
    match config.auth:
        case PythonAuth(python=path, with_=arguments, timeout=timeout_s):
            with problems.record("A317", "auth", "python"):
                function = resolve_function(code, path, _EXPECTED)
                return PythonAuthenticator(path, function, arguments, _login_threads(share, timeout_s), timeout_s)
        case BearerAuth(bearer=users):
            return BearerAuthenticator(
                (User(key, user.name, tuple(user.roles)), user.all_tokens) for key, user in users.items()
            )
        case HeaderAuth(header=headers):
            return ProxyAuthenticator(headers)
        case JwtAuth(jwt=settings):
            with problems.record("A317", "auth", "jwt"):
                return _build_jwt(settings, files, share)
    return None


def _login_threads(share: Share, timeout_s: float) -> ToolThreads:
    """Return the threads of the login, which generations share: each may still have functions that hang."""
    return share.get(
        ("login threads", timeout_s), lambda: ToolThreads(_LOGIN_THREADS, timeout_s, "login"), ToolThreads.close
    )


def _build_jwt(settings: JwtSettings, files: ProjectFiles, share: Share) -> Authenticator:
    # Not at the top: it loads cryptography, which projects without JWTs don't need.
    from runtime.auth.jwks import Jwks, JwksUnavailable
    from runtime.auth.jwt import JwtAuthenticator, Keys, load_key

    keys: Keys
    if settings.jwks_url is not None:
        url = settings.jwks_url
        keys = share.get(("jwks", url), lambda: Jwks(url), Jwks.close)
        return JwtAuthenticator(settings, keys)
    text = settings.key or _read(files, settings.key_file or "")
    where = "key" if settings.key else "key_file"
    try:
        keys = load_key(text, settings.algorithms[0] in SHARED_ALGORITHMS)
    except (ValueError, JwksUnavailable) as error:
        raise BuildError(f"the key of the login can't be used: {error}", inside=(where,)) from error
    return JwtAuthenticator(settings, keys)


def _read(files: ProjectFiles, name: str) -> str:
    text = files.read(name)
    if isinstance(text, Diagnostic):
        raise BuildError(text.message, text.hint, inside=("key_file",))
    return text
