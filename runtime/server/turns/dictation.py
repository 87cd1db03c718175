"""Speech that was sent as base64: checked, turned into text, and not kept."""

from __future__ import annotations

import base64
import binascii
import logging

from chatkit.types import AudioInput, InputTranscribeParams, TranscriptionResult

from runtime.assemble.project import Snapshot
from runtime.errors import RequestError
from runtime.server.turns.request import Caller

logger = logging.getLogger("runtime.server")
_TYPES = ("audio/", "video/webm", "video/mp4")


def largest_body(snapshot: Snapshot) -> int:
    """The most bytes that the body of any request may have: base64 takes four for three."""
    limits = snapshot.config.limits
    return max(limits.body, limits.audio * 4 // 3 + 4096) if snapshot.transcribe is not None else limits.body


async def take_dictation(snapshot: Snapshot, caller: Caller, params: InputTranscribeParams) -> TranscriptionResult:
    """Turn speech into text. Raise RequestError."""
    try:
        data = base64.b64decode(params.audio_base64, validate=True)
    except (binascii.Error, ValueError):
        raise RequestError(400, "invalid_audio", "params.audio_base64 is not valid base64") from None
    if snapshot.transcribe is None:
        raise RequestError(501, "not_supported", "dictation is not offered here")
    audio = AudioInput(data=data, mime_type=params.mime_type)
    if not audio.media_type.startswith(_TYPES):
        raise RequestError(415, "unsupported_type", f"{params.mime_type!r} is no type of audio")
    if not data:
        raise RequestError(400, "invalid_audio", "the recording is empty")
    if len(data) > snapshot.config.limits.audio:
        most = snapshot.config.limits.audio
        raise RequestError(413, "audio_too_large", f"the recording has {len(data)} bytes; at most {most} are allowed")
    try:
        return TranscriptionResult(text=await snapshot.transcribe(audio, caller.request_context))
    except Exception as error:
        logger.error("dictation failed [%s]: %s: %s", caller.request_id, type(error).__name__, error)
        told = f"the recording could not be understood (reference {caller.request_id})"
        raise RequestError(502, "dictation_failed", told) from error
