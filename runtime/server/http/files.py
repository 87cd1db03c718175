"""The routes for attachments: upload to a signed URL or in a form, and read a file by its signed URL."""

from __future__ import annotations

from collections.abc import AsyncIterator

from chatkit.store import NotFoundError
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from runtime.errors import RequestError
from runtime.server.attachments import Uploads
from runtime.server.http.identity import error_response, user_of

_CHUNK = 64 * 1024
_MAX_FORM_OVERHEAD = 64 * 1024
"""Bytes that a form may have in addition to the file."""


class FileRoutes:
    """`PUT` and `GET /chatkit/files/{token}`, and `POST /chatkit/files` with a form that has the field `file`."""

    def __init__(self, uploads: Uploads, path: str) -> None:
        self.uploads, self.path = uploads, path

    async def upload(self, request: Request) -> Response:
        """Store the body of an upload to a signed URL: 204."""
        try:
            self._refuse_large(request, 0)
            await self.uploads.receive(request.path_params["token"], request.stream())
        except (RequestError, NotFoundError) as error:
            return _refused(request, error)
        return Response(status_code=204)

    async def show(self, request: Request) -> Response:
        """Return the file of a signed URL. Browsers display images and download everything else."""
        try:
            content, mime_type = await self.uploads.read_granted(request.path_params["token"])
        except (RequestError, NotFoundError) as error:
            return _refused(request, error)
        headers = {
            "cache-control": "private, max-age=3600",
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'; sandbox",
        }
        if not mime_type.startswith("image/") or mime_type == "image/svg+xml":
            headers["content-disposition"] = "attachment"
        return Response(content, media_type=mime_type, headers=headers)

    async def direct(self, request: Request) -> Response:
        """Store the file of a form, and return its attachment as JSON."""
        try:
            owner = user_of(request).id
            self._refuse_large(request, _MAX_FORM_OVERHEAD)
            async with request.form(max_files=1, max_fields=5) as form:
                file = form.get("file")
                if not isinstance(file, UploadFile):
                    raise RequestError(400, "no_file", "the form has no file in its field 'file'")
                base_url = base_url_of(request, self.path)
                mime_type = file.content_type or "application/octet-stream"
                name = file.filename or "file"
                attachment = await self.uploads.take(owner, name, mime_type, _chunks(file), base_url)
        except (RequestError, NotFoundError) as error:
            return _refused(request, error)
        body = attachment.model_dump_json(exclude_none=True, context={"exclude_metadata": True})
        return Response(body, media_type="application/json")

    def _refuse_large(self, request: Request, overhead: int) -> None:
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self.uploads.declared.max_size + overhead:
            most = self.uploads.declared.max_size
            raise RequestError(413, "file_too_large", f"the file is too large; at most {most} bytes are allowed")


def base_url_of(request: Request, path: str) -> str:
    """Return the absolute URL of the ChatKit endpoint, with the origin of this request."""
    return f"{str(request.base_url).rstrip('/')}{path.rstrip('/')}"


async def _chunks(file: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await file.read(_CHUNK):
        yield chunk


def _refused(request: Request, error: RequestError | NotFoundError) -> Response:
    if isinstance(error, RequestError):
        return error_response(request, error.status, error.code, error.message)
    return error_response(request, 404, "not_found", "file not found")
