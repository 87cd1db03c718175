"""Keep a development server to this machine: a page on the web can't reach it through the developer's browser.

Listening on loopback is not enough. A page of any site may post to 127.0.0.1 (its Origin tells), and a name
that the site controls may be made to resolve to 127.0.0.1 (the Host tells).
"""

from __future__ import annotations

import ipaddress
import json
import re
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_HOST = re.compile(r"(?P<name>[\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d+)?", re.ASCII)


def is_loopback(host: str) -> bool:
    """Tell whether a host as people write it (`localhost`, `127.0.0.1`, `[::1]`) is this machine itself."""
    name = host.strip("[]").removesuffix(".").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class LoopbackOnly:
    """ASGI middleware: answers 403 to a request whose Host, or whose Origin if it has one, is not loopback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or pass it on."""
        problem = refusal(scope["headers"]) if scope["type"] in ("http", "websocket") else None
        if problem is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            # Closing before accepting is how ASGI refuses a handshake: the server answers 403.
            await send({"type": "websocket.close", "code": 1008, "reason": problem})
        else:
            await _refuse(send, problem)


def refusal(headers: list[tuple[bytes, bytes]]) -> str | None:
    """Say why a request is not one of this machine's to itself, by its Host and Origin; None where it is."""
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
    """Tell whether `host` or `host:port` is loopback; anything that a browser would not send is not."""
    found = _HOST.fullmatch(host)
    return found is not None and is_loopback(found["name"])


async def _refuse(send: Send, message: str) -> None:
    request_id = f"req_{uuid4().hex}"
    body = json.dumps({"error": {"code": "forbidden", "message": message, "request_id": request_id}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
