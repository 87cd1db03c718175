"""The public keys of an identity provider (JWKS, RFC 7517): fetched over HTTP, cached, and fetched again."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import jwt

from runtime.auth.user import logins_unavailable
from runtime.errors import RuntimeFault

logger = logging.getLogger("runtime.auth")
_MAX_SIZE = 1024 * 1024


class JwksUnavailable(RuntimeFault):
    """The keys can't be fetched, or are no JWKS; the message has no secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JwksTimes:
    """Durations in seconds."""

    refresh_s: float = 600.0
    """Age from which the keys are fetched again, while the old ones are used."""
    retry_s: float = 10.0
    """Least time between two fetches, for unknown keys and after failures."""
    keep_s: float = 86400.0
    """How long the last keys are used while the provider can't be reached."""
    answer_s: float = 5.0
    """How long the provider may take to answer."""


class KeySet:
    """Public keys by their id; `version` changes with the keys. Only keys for signatures are in it."""

    def __init__(self, keys: Mapping[str | None, Any], version: int = 0) -> None:
        self.keys, self.version = keys, version

    def find(self, key_id: str | None) -> Any:
        """Return the key of that id, or the only key for a token that names none; None if it is unknown."""
        if key_id is None:
            return next(iter(self.keys.values())) if len(self.keys) == 1 else None
        return self.keys.get(key_id)


def parse_keys(data: Any) -> dict[str | None, Any]:
    """Return the keys for signatures by their id; those of unknown kinds are skipped. Raise JwksUnavailable."""
    entries = data.get("keys") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        raise JwksUnavailable("the text is no JWKS: a JSON object with a list 'keys'")
    keys: dict[str | None, Any] = {}
    for entry in entries:
        # A shared key is no public one: with it, whoever reads the JWKS could sign tokens.
        if not isinstance(entry, dict) or entry.get("kty") == "oct" or entry.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(entry)
            # Where the provider names no algorithm for the key, those that are declared decide.
            keys[entry.get("kid")] = key if "alg" in entry else key.key
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            logger.debug("a key of the JWKS is skipped: %s", error)
    if not keys:
        raise JwksUnavailable("the JWKS has no key for signatures")
    return keys


class Jwks:
    """The keys at a URL. A fetch is shared by all requests that wait for it, and never blocks the event loop."""

    def __init__(self, url: str, times: JwksTimes | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.url = url
        self._times, self._clock = times or JwksTimes(), clock
        self._keys, self._text = KeySet({}), b""
        self._fetched_at = self._tried_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    def current(self) -> KeySet:
        """Return the keys that are known now; old ones are fetched again in the background."""
        if self._clock() - self._fetched_at > self._times.refresh_s and self._keys.keys:
            self._start()
        return self._keys

    async def key(self, key_id: str | None) -> Any:
        """Return a key; None if the provider has none of that id. Raise RequestError (503) without usable keys."""
        if self._is_too_old():
            await self._fetch_again()
        if self._is_too_old():
            raise logins_unavailable()
        found = self._keys.find(key_id)
        if found is None:
            await self._fetch_again()
            found = self._keys.find(key_id)
        return found

    def _is_too_old(self) -> bool:
        return self._clock() - self._fetched_at > self._times.keep_s

    async def _fetch_again(self) -> None:
        """Fetch the keys and wait for them, unless that was tried a moment ago."""
        task = self._start()
        if task is not None:
            # Shielded: the fetch is for all requests that wait, and this one's client may leave.
            await asyncio.shield(task)

    def _start(self) -> asyncio.Task[None] | None:
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        if self._clock() - self._tried_at < self._times.retry_s:
            return None
        self._tried_at = self._clock()
        self._fetching = asyncio.create_task(self._update(), name="fetch the keys of logins")
        return self._fetching

    async def _update(self) -> None:
        try:
            text, keys = await self.fetch()
        except JwksUnavailable as error:
            logger.warning("the keys of logins can't be fetched: %s", error)
            return
        self._fetched_at = self._clock()
        changed, self._text = text != self._text, text
        self._keys = KeySet(keys, self._keys.version + changed)

    async def fetch(self) -> tuple[bytes, dict[str | None, Any]]:
        """Fetch the keys; return the answer, and the keys in it. Raise JwksUnavailable."""
        try:
            text = await self._get()
            return text, parse_keys(json.loads(text))
        except JwksUnavailable as error:
            raise JwksUnavailable(f"{self.url}: {error}") from error
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
            raise JwksUnavailable(f"{self.url}: {type(error).__name__}: {error}".rstrip(": ")) from error

    async def _get(self) -> bytes:
        async with (
            asyncio.timeout(self._times.answer_s),
            httpx.AsyncClient(timeout=self._times.answer_s) as client,
            client.stream("GET", self.url, headers={"accept": "application/json"}) as response,
        ):
            if response.status_code != 200:
                raise JwksUnavailable(f"it answered with status {response.status_code}")
            text = b""
            async for part in response.aiter_bytes():
                text += part
                if len(text) > _MAX_SIZE:
                    raise JwksUnavailable(f"its answer is larger than {_MAX_SIZE} bytes")
        return text

    async def close(self) -> None:
        """Stop a fetch that is running."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
