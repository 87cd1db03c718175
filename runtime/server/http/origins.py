"""What a page of another site can make a browser send with its user's login, without asking by CORS.

The browser adds cookies, and the login of a proxy, to such a request; its Origin shows whose page sent it.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from runtime.errors import RequestError
from runtime.server.http.loopback import is_loopback

# A page may post these types, and a request without a type, to any site (the Fetch standard's safelisted types).
_UNASKED = ("", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain")


def refuse_other_sites(connection: HTTPConnection, origins: Sequence[str]) -> None:
    """Raise RequestError (403) for a form, or the handshake of a websocket, that a page of another site sent.

    `origins` are the sites whose pages may; `*` is any.
    """
    origin = connection.headers.get("origin")
    if origin is None or origin in origins or "*" in origins or not _is_unasked(connection):
        return
    site = _site(origin)
    # A page can't set these headers; a proxy may replace the first one.
    hosts = [connection.headers.get(name, "") for name in ("host", "x-forwarded-host")]
    if site is not None and (site in hosts or (_is_local(origin) and _is_local(f"//{hosts[0]}"))):
        return
    what = "form" if connection.scope["type"] == "http" else "websocket"
    hint = "declare its origin in server.cors"
    raise RequestError(403, "forbidden", f"a {what} of another site's page is refused ({hint})")


def _is_unasked(connection: HTTPConnection) -> bool:
    if connection.scope["type"] == "websocket":
        return True
    media_type = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    return connection.scope["method"] == "POST" and media_type in _UNASKED


def _site(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


def _is_local(url: str) -> bool:
    """Return whether a URL names this machine: its ports are one site, also for the browser's cookies."""
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False
