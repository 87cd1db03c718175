"""Bearer tokens: the header that carries one, and the users whose tokens are declared."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from starlette.requests import HTTPConnection

from runtime.auth.user import Unauthenticated, User
from runtime.config.model.auth import BearerToken

HASH_PREFIX = "sha256:"
CHALLENGE = 'Bearer realm="chatkit"'
INVALID_TOKEN = f'{CHALLENGE}, error="invalid_token"'
MAX_TOKEN_LENGTH = 16 * 1024


def bearer_token(connection: HTTPConnection) -> bytes:
    """Return the token of the header Authorization. Raise Unauthenticated without exactly one."""
    given = connection.headers.getlist("authorization")
    if not given:
        raise Unauthenticated("it has no Authorization header", CHALLENGE)
    if len(given) > 1:
        raise Unauthenticated("it has several Authorization headers", CHALLENGE)
    scheme, _, token = given[0].partition(" ")
    # Starlette decodes headers as Latin-1; the bytes on the wire are UTF-8.
    found = token.strip().encode("latin-1")
    if scheme.lower() != "bearer" or not found:
        raise Unauthenticated("its Authorization header has no bearer token", CHALLENGE)
    if len(found) > MAX_TOKEN_LENGTH:
        raise Unauthenticated(f"its token is longer than {MAX_TOKEN_LENGTH} bytes", CHALLENGE)
    return found


def token_hash(token: str) -> bytes:
    """Return the SHA-256 of a declared token, which may be that hash itself, as `sha256:…`."""
    if token.startswith(HASH_PREFIX):
        return bytes.fromhex(token.removeprefix(HASH_PREFIX))
    return hashlib.sha256(token.encode()).digest()


def expiry(expires: str | None) -> float:
    """Return the moment of a declared expiry, in seconds since 1970; never is infinite. Raise ValueError."""
    if expires is None:
        return float("inf")
    moment = datetime.fromisoformat(expires)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


class BearerAuthenticator:
    """`auth: {bearer: …}`: the user whose token has the hash of the given one."""

    def __init__(
        self, users: Iterable[tuple[User, Iterable[BearerToken]]], clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        # Hashes are looked up under a key of this process: how long that takes says nothing about a token.
        self._key = secrets.token_bytes(32)
        self._users = {
            self._blind(token_hash(token.token)): (user, expiry(token.expires))
            for user, tokens in users
            for token in tokens
        }

    def _blind(self, digest: bytes) -> bytes:
        return hmac.digest(self._key, digest, "sha256")

    async def identify(self, connection: HTTPConnection) -> User:
        """See `Authenticator`."""
        found = self._users.get(self._blind(hashlib.sha256(bearer_token(connection)).digest()))
        if found is None:
            raise Unauthenticated("its token is unknown", INVALID_TOKEN)
        user, expires = found
        if self._clock() >= expires:
            raise Unauthenticated(f"the token of {user.id!r} has expired", INVALID_TOKEN)
        return user
