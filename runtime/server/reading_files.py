"""What the model is told of an attached file: the picture, the file, or the text in it."""

from __future__ import annotations

import asyncio
import base64
import io
import logging

from chatkit.types import Attachment
from openai.types.responses import (
    ResponseInputContentParam,
    ResponseInputFileParam,
    ResponseInputImageParam,
    ResponseInputTextParam,
)

logger = logging.getLogger("runtime.server")
MOST_CHARACTERS = 100_000


async def tell_file(attachment: Attachment, content: bytes, reads_files: bool) -> ResponseInputContentParam:
    """The part of a message that stands for an attachment; `reads_files`: the model takes files as they are."""
    mime_type = attachment.mime_type
    if mime_type.startswith("image/"):
        return ResponseInputImageParam(type="input_image", detail="auto", image_url=_data_url(mime_type, content))
    if mime_type.startswith("text/") or mime_type in ("application/json", "application/xml"):
        return _text(attachment, content.decode("utf-8", "replace"))
    if reads_files:
        return ResponseInputFileParam(
            type="input_file", filename=attachment.name, file_data=_data_url(mime_type, content)
        )
    if mime_type == "application/pdf":
        try:
            return _text(attachment, await asyncio.to_thread(_text_of_pdf, content))
        except Exception as error:
            logger.warning("no text in %s: %s: %s", attachment.id, type(error).__name__, error)
    return ResponseInputTextParam(
        type="input_text", text=f"[The user attached {attachment.name!r} ({mime_type}), which can't be read here.]"
    )


def unreadable(attachment: Attachment) -> ResponseInputContentParam:
    """What the model is told of a file that is gone."""
    return ResponseInputTextParam(
        type="input_text", text=f"[The user attached {attachment.name!r}, which is no longer there.]"
    )


def _data_url(mime_type: str, content: bytes) -> str:
    return f"data:{mime_type};base64,{base64.b64encode(content).decode()}"


def _text(attachment: Attachment, text: str) -> ResponseInputTextParam:
    if len(text) > MOST_CHARACTERS:
        text = f"{text[:MOST_CHARACTERS]}\n[… cut off after {MOST_CHARACTERS} characters]"
    return ResponseInputTextParam(type="input_text", text=f"<FILE name={attachment.name!r}>\n{text}\n</FILE>")


def _text_of_pdf(content: bytes) -> str:
    from pypdf import PdfReader

    return "\n\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
