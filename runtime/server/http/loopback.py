"""Restrict a development server to this machine, also against web pages in the developer's browser.

Listening on loopback is not enough: a page of any site may post to 127.0.0.1 (its Origin shows that), and the site's
own name may be made to resolve to 127.0.0.1 (the Host shows that).
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_HOST = re.compile(r"(?P<name>[\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d+)?", re.ASCII)


def is_loopback(host: str) -> bool:
    """Return whether a host such as `localhost`, `127.0.0.1` or `[::1]` is this machine."""
    name = host.strip("[]").removesuffix(".").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class LoopbackOnly:
    """ASGI middleware: respond 403 unless the Host, and the Origin if there is one, are loopback.

    `is_open` returns whether a page of any origin may have the response, also the web client's own frame, whose origin
    is `null`.
    """

    def __init__(self, app: ASGIApp, is_open: Callable[[Scope], bool] = lambda scope: False) -> None:
        self._app, self._is_open = app, is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward or refuse the request."""
        reason = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        if reason is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            # Closing before accepting makes the server answer the handshake with 403.
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            await _send_forbidden(send, reason)

    def _refusal(self, scope: Scope) -> str | None:
        headers = scope["headers"]
        if self._is_open(scope):
            headers = [(name, value) for name, value in headers if name != b"origin"]
        return refusal(headers)


def refusal(headers: list[tuple[bytes, bytes]]) -> str | None:
    """Return why these headers are not those of a request from this machine to itself; None if they are."""
    hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if len(hosts) != 1 or not _names_loopback(hosts[0]):
        return "this server answers requests to localhost only; the Host header names another machine"
    origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
    for origin in origins:
        scheme, _, host = origin.partition("://")
        if scheme not in ("http", "https") or not _names_loopback(host):
            return "this server answers pages of localhost only; the Origin header names another site"
    return None


def _names_loopback(host: str) -> bool:
    """Return whether `host` or `host:port` is loopback; a text that no browser sends is not."""
    match = _HOST.fullmatch(host)
    return match is not None and is_loopback(match["name"])


async def _send_forbidden(send: Send, message: str) -> None:
    request_id = f"req_{uuid4().hex}"
    body = json.dumps({"error": {"code": "forbidden", "message": message, "request_id": request_id}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
