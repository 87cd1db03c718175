"""Signed URLs of files: a URL contains a grant with the use, owner, id, type and size of the file, and its expiry.

So the page needs no login to use it, and nobody can forge one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from runtime.errors import RequestError
from runtime.stores.blobs import FileStore

UPLOAD_S = 3600.0
"""How long an upload URL is valid, in seconds."""
READ_WINDOW_S = 12 * 3600.0
"""Read URLs of a file that are signed in one window, in seconds, are equal, so that browsers find it in their cache.

Each is valid until the end of the next window.
"""
_KEY = "signing-key"
_OF_A_FILE = re.compile(r"/files/([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+$")

Use = Literal["upload", "read"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a URL allows: one `use` of one file until a time, in seconds since the epoch."""

    use: Use
    owner: str
    id: str
    type: str
    size: int | None
    """The size in bytes; None for a file of an earlier version of the runtime."""
    until: float


class SignedUrls:
    """Makes and checks the URLs of files. `secret` signs them; by default it is created once, beside the files.

    `clock` returns the time, in seconds since the epoch, by which URLs expire.
    """

    def __init__(self, files: FileStore, secret: str | None, clock: Callable[[], float]) -> None:
        self._files, self._clock = files, clock
        self._secret = secret.encode() if secret else None

    async def for_upload(self, base_url: str, owner: str, file_id: str, mime_type: str, size: int) -> str:
        """Return the URL that takes the content of a file. Raise RequestError if `base_url` is empty."""
        until = self._clock() + UPLOAD_S
        return await self._url(
            base_url, Grant(use="upload", owner=owner, id=file_id, type=mime_type, size=size, until=until)
        )

    async def for_reading(self, base_url: str, owner: str, file_id: str, mime_type: str, size: int | None) -> str:
        """Return the URL that returns the content of a file. Raise RequestError if `base_url` is empty."""
        until = (self._clock() // READ_WINDOW_S + 2) * READ_WINDOW_S
        return await self._url(
            base_url, Grant(use="read", owner=owner, id=file_id, type=mime_type, size=size, until=until)
        )

    async def check(self, token: str, use: Use) -> Grant:
        """Return the grant of a URL for this use. Raise RequestError (403)."""
        payload, _, signature = token.partition(".")
        if not hmac.compare_digest(signature.encode(), (await self._sign(payload)).encode()):
            raise _invalid("the signature of this URL is invalid")
        grant = _read_grant(payload)
        if grant is None:
            # Signed by an earlier version, whose URLs had no expiry.
            raise _invalid("this URL is out of date (load the thread again)")
        if grant.use != use:
            raise _invalid("this URL is for reading" if use == "upload" else "this URL is for uploading")
        if self._clock() > grant.until:
            again = "attach the file again" if use == "upload" else "load the thread again"
            raise RequestError(403, "expired", f"this URL has expired ({again})")
        return grant

    async def _url(self, base_url: str, grant: Grant) -> str:
        if not base_url:
            raise RequestError(501, "not_supported", "attachments need a request over HTTP")
        text = json.dumps(asdict(grant), separators=(",", ":"))
        payload = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
        return f"{base_url}/files/{payload}.{await self._sign(payload)}"

    async def _sign(self, payload: str) -> str:
        if self._secret is None:
            self._secret = await self._files.create(_KEY, secrets.token_hex(32).encode())
        digest = hmac.new(self._secret, payload.encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def grant_of(url: str) -> Grant | None:
    """Return what the URL of a file grants, whether or not it is valid; None for any other URL."""
    match = _OF_A_FILE.search(url)
    return None if match is None else _read_grant(match[1])


def _read_grant(payload: str) -> Grant | None:
    try:
        return Grant(**json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))))
    except (binascii.Error, ValueError, TypeError):
        return None


def _invalid(message: str) -> RequestError:
    return RequestError(403, "invalid_url", message)
