"""The routes of attached files: upload to a signed URL or with a form, and read through a signed URL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from typing import Any
from urllib.parse import quote

from chatkit.store import NotFoundError
from chatkit.types import Attachment
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Router
from starlette.types import Message, Receive, Scope, Send

from runtime.auth.user import current_user
from runtime.errors import RequestError
from runtime.server.attachments.content import CHECKED_IMAGES, normal_mime_type
from runtime.server.attachments.uploads import Uploads
from runtime.server.http.identity import refusal_response
from runtime.server.http.receiving import announced_size
from runtime.server.http.responses import base_url_of, error_response, names_one_of, unexpected
from runtime.stores.blobs import FileStoreError, StoredFile
from runtime.stores.store import StoreUnavailable

_CHUNK = 64 * 1024
_MAX_FORM_OVERHEAD = 64 * 1024
"""Bytes that a form may have in addition to the file."""
_CACHE_S = 12 * 3600
"""How long a browser may keep a file, in seconds: no longer than its URL is valid at least."""


class FileRoutes:
    """`PUT` and `GET /chatkit/files/{token}`, and `POST /chatkit/files` with a form that has the field `file`."""

    def __init__(self, uploads: Uploads, path: str) -> None:
        self.uploads, self.path = uploads, path

    def add_to(self, app: Router, open_routes: Router) -> None:
        """Add the routes: those with a token in their address, which is the permission, to `open_routes`."""
        app.add_route(f"{self.path}/files", _refusing(self._take_form), methods=["POST"])
        open_routes.add_route(f"{self.path}/files/{{token}}", _refusing(self._receive), methods=["PUT"])
        open_routes.add_route(f"{self.path}/files/{{token}}", _refusing(self._show), methods=["GET"])

    async def _receive(self, request: Request) -> Response:
        self._refuse_large(request, 0)
        await self.uploads.receive(request.path_params["token"], request.stream())
        return Response(status_code=204)

    async def _show(self, request: Request) -> Response:
        file, attachment = await self.uploads.open_granted(request.path_params["token"])
        etag = f'"{attachment.id}"'
        headers = {
            "cache-control": f"private, max-age={_CACHE_S}, immutable",
            "content-disposition": _disposition(attachment),
            "content-security-policy": "default-src 'none'; sandbox",
            "etag": etag,
            "x-content-type-options": "nosniff",
        }
        # A file never changes.
        if names_one_of(request.headers.get("if-none-match", ""), [etag]):
            file.close()
            return Response(status_code=304, headers=headers)
        headers["content-length"] = str(file.size)
        # An attachment of an earlier version of the runtime may have any text for its type.
        media_type = normal_mime_type(attachment.mime_type) or "application/octet-stream"
        return _FileResponse(file, headers=headers, media_type=media_type)

    async def _take_form(self, request: Request) -> Response:
        owner = current_user(request).id
        self._refuse_large(request, _MAX_FORM_OVERHEAD)
        # Before the form is read: its file is written to disk on arrival.
        with self.uploads.place(owner):
            attachment = await self._read_form(request, owner)
        body = attachment.model_dump_json(exclude_none=True, context={"exclude_metadata": True})
        return Response(body, media_type="application/json")

    async def _read_form(self, request: Request, owner: str) -> Attachment:
        most = self.uploads.declared.max_size + _MAX_FORM_OVERHEAD
        limited = Request(request.scope, _limited(request.receive, most, self._too_large))
        async with limited.form(max_files=1, max_fields=5) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise RequestError(400, "no_file", "the form has no file in its field 'file'")
            base_url = base_url_of(request, self.path)
            mime_type = file.content_type or "application/octet-stream"
            return await self.uploads.take(owner, file.filename or "file", mime_type, _chunks(file), base_url)

    def _refuse_large(self, request: Request, overhead: int) -> None:
        if announced_size(request) > self.uploads.declared.max_size + overhead:
            raise self._too_large()

    def _too_large(self) -> RequestError:
        most = self.uploads.declared.max_size
        return RequestError(413, "file_too_large", f"the file is too large; at most {most} bytes are allowed")


class _FileResponse(StreamingResponse):
    """Sends a file in parts, and closes it also where the client has gone."""

    def __init__(self, file: StoredFile, **options: Any) -> None:
        super().__init__(file.chunks, **options)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with closing(self._file):
            await super().__call__(scope, receive, send)


def _disposition(attachment: Attachment) -> str:
    """Let browsers display the images that were checked, and download everything else."""
    kind = "inline" if attachment.mime_type in CHECKED_IMAGES else "attachment"
    return f"{kind}; filename*=UTF-8''{quote(attachment.name, safe='')}"


def _limited(receive: Receive, most: int, too_large: Callable[[], RequestError]) -> Receive:
    """Return a `receive` that raises once the body has more than `most` bytes: a form is written to disk on arrival."""
    size = 0

    async def limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            raise too_large()
        return message

    return limited


def _refusing(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        try:
            return await handler(request)
        except RequestError as error:
            return refusal_response(request, error)
        except NotFoundError:
            return error_response(request, 404, "not_found", "file not found")
        except FileStoreError:
            return error_response(request, 503, "storage_unavailable", "the file can't be read at present")
        except StoreUnavailable as error:
            return await unexpected(request, error)
        except ClientDisconnect:
            return Response(status_code=499)  # never sent: the client is gone

    return handle


async def _chunks(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(_CHUNK):
        yield chunk
