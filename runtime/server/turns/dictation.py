"""Dictation: a recording becomes text, and is not stored.

A recording is far larger than any other request. It is cut out of the body before the rest is parsed as JSON, and
decoded in slices, so that no other request waits for it.
"""

from __future__ import annotations

import asyncio
import binascii
import logging
import re

from chatkit import types

from runtime.assemble.functions import FunctionTimeout
from runtime.assemble.project import Snapshot
from runtime.config.model.limits import Limits
from runtime.errors import RequestError
from runtime.resources.containment import reason_of
from runtime.resources.threads import NoFreeThread
from runtime.server.turns.request_parsing import RequestInfo, parse_request

logger = logging.getLogger("runtime.server")

AUDIO_KEY = b'"audio_base64"'
_AUDIO_START = re.compile(AUDIO_KEY + rb'\s*:\s*"')
_AUDIO_TYPES = ("audio/", "video/webm", "video/mp4")
_CUT = "cut"
_SLICE = 256 * 1024  # a multiple of 4: base64 has 4 characters for 3 bytes


def largest_body(snapshot: Snapshot) -> int:
    """Return the most bytes that the body of any request may have, dictated audio in base64 included."""
    limits = snapshot.config.limits
    return max(limits.body, limits.audio * 4 // 3 + 4096) if snapshot.transcribe is not None else limits.body


def too_large(most: int) -> RequestError:
    """Return the error for a body of more than `most` bytes."""
    return RequestError(413, "body_too_large", f"the request's body is larger than {most} bytes")


def split_recording(body: bytes | bytearray, limits: Limits) -> tuple[types.InputTranscribeReq, bytes]:
    """Parse a body that is larger than `limits.body`: return the request, and the recording in base64.

    Raise RequestError (413) if it would be too large without its recording, or is no dictation.
    """
    start = _AUDIO_START.search(body, 0, limits.body)
    end = -1 if start is None else body.find(b'"', start.end())
    if start is None or end < 0 or start.end() + len(body) - end > limits.body:
        raise too_large(limits.body)
    request = parse_request(b"".join((body[: start.end()], _CUT.encode(), body[end:])))
    if not isinstance(request, types.InputTranscribeReq) or request.params.audio_base64 != _CUT:
        raise too_large(limits.body)
    # Some JSON libraries escape each slash; base64 contains no other character that JSON may escape.
    return request, bytes(body[start.end() : end]).replace(b"\\/", b"/")


async def transcribe(
    snapshot: Snapshot, info: RequestInfo, params: types.InputTranscribeParams, recording: bytes | None
) -> types.TranscriptionResult:
    """Turn a recording into text: `recording`, in base64, or the one in the parameters. Raise RequestError."""
    encoded = params.audio_base64.encode() if recording is None else recording
    limit = snapshot.config.limits.audio
    if len(encoded) * 3 // 4 - encoded.endswith(b"=") - encoded.endswith(b"==") > limit:
        size = len(encoded) * 3 // 4
        raise RequestError(413, "audio_too_large", f"the recording has {size} bytes; at most {limit} are allowed")
    data = await _decode(encoded)
    if snapshot.transcribe is None:
        raise RequestError(501, "not_supported", "dictation is not offered here")
    audio = types.AudioInput(data=data, mime_type=params.mime_type)
    if not audio.media_type.startswith(_AUDIO_TYPES):
        raise RequestError(415, "unsupported_type", f"{params.mime_type!r} is not a type of audio")
    if not data:
        raise RequestError(400, "invalid_audio", "the recording is empty")
    try:
        return types.TranscriptionResult(text=await snapshot.transcribe(audio, info.request_context))
    except (FunctionTimeout, NoFreeThread):
        raise
    except Exception as error:
        logger.error("dictation failed [%s]: %s", info.request_id, reason_of(error))
        message = f"the recording could not be transcribed (reference {info.request_id})"
        raise RequestError(502, "dictation_failed", message) from error


async def _decode(encoded: bytes) -> bytes:
    """Decode base64, and let other tasks run after each slice. Raise RequestError (400)."""
    parts: list[bytes] = []
    try:
        for start in range(0, len(encoded), _SLICE):
            slice_ = encoded[start : start + _SLICE]
            if start + _SLICE < len(encoded) and b"=" in slice_:
                raise binascii.Error("padding before the end")
            parts.append(binascii.a2b_base64(slice_, strict_mode=True))
            await asyncio.sleep(0)
    except ValueError:
        raise RequestError(400, "invalid_audio", "params.audio_base64 is not valid base64") from None
    return b"".join(parts)
