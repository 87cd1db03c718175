"""JSON Web Tokens: which ones are accepted, and the user whom their claims name."""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate
from starlette.requests import HTTPConnection

from runtime.auth.bearer import INVALID_TOKEN, bearer_token
from runtime.auth.jwks import KeySet, parse_keys
from runtime.auth.user import Unauthenticated, User, fault_of_id, read_only
from runtime.config.model.auth import JwtSettings

MAX_CACHED = 10_000
SHORTEST_SHARED_KEY = 32
# Short keys are refused, rather than warned of. The claim of the id is checked here, whichever it is.
_DECODER = jwt.PyJWT({"require": ["exp", "iss", "aud"], "verify_sub": False, "enforce_minimum_key_length": True})
# A token is any text: the decoder raises more than its own errors for some.
_REFUSED = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)


class Keys(Protocol):
    """Where the keys come from."""

    def current(self) -> KeySet:
        """Return the keys that are known now; a new version of them invalidates tokens that were verified before."""

    async def key(self, key_id: str | None) -> Any:
        """Return the key of that id, or None. Raise RequestError (503) if that can't be known now."""


class FixedKeys:
    """Keys that agents.yaml or a file of the project declares."""

    def __init__(self, keys: Mapping[str | None, Any]) -> None:
        self._keys = KeySet(keys)

    def current(self) -> KeySet:
        """See `Keys`."""
        return self._keys

    async def key(self, key_id: str | None) -> Any:
        """See `Keys`. A single key without an id verifies every token."""
        only = self._keys.keys.get(None) if len(self._keys.keys) == 1 else None
        return only if only is not None else self._keys.find(key_id)


class JwtAuthenticator:
    """`auth: {jwt: …}`. A verified token is cached by its hash until it expires, or the keys change."""

    def __init__(self, declared: JwtSettings, keys: Keys, clock: Callable[[], float] = time.time) -> None:
        self._declared, self._keys, self._clock = declared, keys, clock
        self._cache: OrderedDict[bytes, tuple[User, float]] = OrderedDict()
        self._version = 0

    async def identify(self, connection: HTTPConnection) -> User:
        """See `Authenticator`."""
        token = bearer_token(connection)
        digest = hashlib.sha256(token).digest()
        cached = self._cached(digest)
        if cached is not None:
            return cached
        key = await self._keys.key(_key_id(token))
        if key is None:
            raise Unauthenticated("its token is signed with an unknown key", INVALID_TOKEN)
        user, expires = self._verify(token, key)
        self._store(digest, user, expires + self._declared.leeway)
        return user

    def _cached(self, digest: bytes) -> User | None:
        version = self._keys.current().version
        if version != self._version:
            self._cache.clear()
            self._version = version
        found = self._cache.get(digest)
        if found is None or self._clock() >= found[1]:
            self._cache.pop(digest, None)
            return None
        self._cache.move_to_end(digest)
        return found[0]

    def _store(self, digest: bytes, user: User, expires: float) -> None:
        self._cache[digest] = (user, expires)
        if len(self._cache) > MAX_CACHED:
            self._cache.popitem(last=False)

    def _verify(self, token: bytes, key: Any) -> tuple[User, float]:
        declared = self._declared
        try:
            claims: dict[str, Any] = _DECODER.decode(
                token,
                key,
                algorithms=list(declared.algorithms),
                audience=declared.audiences,
                issuer=declared.issuer,
                leeway=declared.leeway,
            )
            # Inside: a number may be too large, and a claim nested too deep.
            return self._user(claims), float(claims["exp"])
        except _REFUSED as error:
            raise Unauthenticated(f"its token is refused: {error}", INVALID_TOKEN) from None

    def _user(self, claims: Mapping[str, Any]) -> User:
        names = self._declared.claims
        user_id = find_claim(claims, names.id)
        if isinstance(user_id, int) and not isinstance(user_id, bool):
            user_id = str(user_id)
        if fault := fault_of_id(user_id):
            raise Unauthenticated(f"the claim {names.id!r} of its token {fault}", INVALID_TOKEN)
        name = find_claim(claims, names.name)
        roles = find_claim(claims, names.roles) if names.roles is not None else None
        return User(str(user_id), name if isinstance(name, str) else None, _roles(roles), read_only(claims))


def load_key(text: str, is_shared: bool) -> Keys:
    """Return the key that `text` is: a shared key, a public key (PEM), a certificate, or a JWKS. Raise ValueError."""
    if is_shared:
        if len(text.encode()) < SHORTEST_SHARED_KEY:
            raise ValueError(f"the shared key has less than {SHORTEST_SHARED_KEY} bytes")
        if "-----BEGIN" in text:
            raise ValueError("the key is no shared one")
        return FixedKeys({None: text.encode()})
    if text.lstrip().startswith("{"):
        return FixedKeys(parse_keys(json.loads(text)))
    # Variables often hold a PEM in one line.
    pem = text.replace("\\n", "\n").strip().encode()
    if b"PRIVATE KEY-----" in pem:
        raise ValueError("it is a private key, which only the issuer may have: give the public one")
    if pem.startswith(b"-----BEGIN CERTIFICATE-----"):
        return FixedKeys({None: load_pem_x509_certificate(pem).public_key()})
    return FixedKeys({None: load_pem_public_key(pem)})


def find_claim(claims: Mapping[str, Any], path: str) -> Any:
    """Return the claim of that name, or at that dotted path; None if there is none.

    A name with dots comes first: claims such as `https://example.com/roles` are common.
    """
    if path in claims:
        return claims[path]
    head, dot, rest = path.partition(".")
    while dot:
        inner = claims.get(head)
        if isinstance(inner, Mapping) and (found := find_claim(inner, rest)) is not None:
            return found
        step, dot, rest = rest.partition(".")
        head = f"{head}.{step}"
    return None


def _roles(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(value.split())
    return tuple(role for role in value if isinstance(role, str)) if isinstance(value, list) else ()


def _key_id(token: bytes) -> str | None:
    """Return the id of the key that a token names; its other headers are never used."""
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
    except _REFUSED as error:
        raise Unauthenticated(f"its token is no JSON Web Token: {error}", INVALID_TOKEN) from None
    return key_id if isinstance(key_id, str) else None
