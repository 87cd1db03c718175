"""The files of the built web client (runtime/server/web), which a page loads without a login: they hold no data.

Names of assets contain a hash of their content; all other files are asked for again, with their ETag.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from runtime.server.http.responses import names_one_of

ELEMENT, FRAME, PAGE = "element.js", "frame.html", "page.html"
ASSETS = "assets"
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9_.:\[\]-]+")
_MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "ttf": "font/ttf",
    "txt": "text/plain; charset=utf-8",
    "woff": "font/woff",
    "woff2": "font/woff2",
}
_COMPRESSED = ("png", "woff", "woff2")
_UNCHANGED_FOR_A_YEAR = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
# Pages of any origin load the client, without cookies: it is the same for everybody. The last two let a page that is
# isolated from other origins (COEP) embed it.
_SHARED = {
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
    "cross-origin-embedder-policy": "require-corp",
    "x-content-type-options": "nosniff",
}
_FRAME_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob: https:; "
    "font-src 'self' data: https:; media-src blob:; frame-src {frames}; connect-src 'none'; form-action 'none'; "
    "base-uri 'none'; object-src 'none'; frame-ancestors {ancestors}; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


@dataclass(frozen=True)
class ClientFile:
    """A file with its headers: as it is, and compressed where that makes it smaller."""

    content: bytes
    kind: str
    """The suffix of its name."""
    headers: Mapping[str, str]

    @cached_property
    def _zipped(self) -> bytes | None:
        zipped = None if self.kind in _COMPRESSED else gzip.compress(self.content, mtime=0)
        return zipped if zipped is not None and len(zipped) < len(self.content) else None

    @cached_property
    def _hash(self) -> str:
        return hashlib.sha256(self.content).hexdigest()[:32]

    def respond(self, scope: Scope) -> Response:
        """Return the response to a `GET` or `HEAD`: 304 if the client has this content."""
        asked = Headers(scope=scope)
        zipped = self._zipped if _accepts_gzip(asked.get("accept-encoding", "")) else None
        etags = [f'"{self._hash}"', f'"{self._hash}-gzip"']
        headers = {
            **self.headers,
            "content-type": _MEDIA_TYPES.get(self.kind, "application/octet-stream"),
            "etag": etags[zipped is not None],
            "vary": "accept-encoding",
        }
        if names_one_of(asked.get("if-none-match", ""), etags):
            headers.pop("content-type")
            return Response(status_code=304, headers=headers)
        body = self.content if zipped is None else zipped
        headers["content-length"] = str(len(body))
        if zipped is not None:
            headers["content-encoding"] = "gzip"
        return Response(b"" if scope["method"] == "HEAD" else body, headers=headers)


def policy_header(policy: str) -> dict[str, str]:
    """Return the header of a Content-Security-Policy."""
    return {"content-security-policy": policy}


@cache
def built_files() -> Mapping[str, bytes]:
    """Return the files of the build by their names, such as `assets/frame-x1y2.js`; without a build, nothing."""
    return dict(_walk(files("runtime.server") / "web", ""))


def _walk(folder: Traversable, prefix: str) -> Sequence[tuple[str, bytes]]:
    if not folder.is_dir():
        return []
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        found += _walk(entry, f"{name}/") if entry.is_dir() else [(name, entry.read_bytes())]
    return found


def client_files(cors: Sequence[str], components: Iterable[str] = ()) -> Mapping[str, ClientFile]:
    """Return the files below the chat's path.

    The pages of the origins `cors` may show the frame; the frame may show pages of the server and of the origins of
    the addresses `components`.
    """
    frames = dict.fromkeys(match[0] for address in components if (match := _ORIGIN.match(address)))
    policy = _FRAME_POLICY.format(
        ancestors=" ".join(["'self'", *_ancestors(cors)]), frames=" ".join(["'self'", *frames])
    )
    found = {
        ELEMENT: _shared_file(ELEMENT, _ASK_AGAIN, {}),
        FRAME: _shared_file(FRAME, _ASK_AGAIN, policy_header(policy)),
    }
    for name in built_files():
        if name.startswith(f"{ASSETS}/"):
            found[name] = _asset(name)
    return {name: file for name, file in found.items() if file is not None}


def _ancestors(cors: Sequence[str]) -> list[str]:
    # `null` names no page that may be allowed, and a browser sends no other letters in an origin.
    return [origin for origin in cors if origin == "*" or _ORIGIN.fullmatch(origin)]


@cache
def _asset(name: str) -> ClientFile | None:
    # Shared by all generations: each is compressed once.
    return _shared_file(name, _UNCHANGED_FOR_A_YEAR, {})


def _shared_file(name: str, caching: str, more: Mapping[str, str]) -> ClientFile | None:
    content = built_files().get(name)
    headers = {"cache-control": caching, **_SHARED, **more}
    return None if content is None else ClientFile(content, name.rpartition(".")[2], headers)


def _accepts_gzip(header: str) -> bool:
    for part in header.lower().split(","):
        coding, _, parameters = part.partition(";")
        if coding.strip() in ("gzip", "*"):
            return parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
