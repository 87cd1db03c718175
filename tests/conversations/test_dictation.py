"""Dictation: speech is transcribed by a model's endpoint or by Python, and other files are refused."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.conversations.conftest import Chat, MakeChat
from tests.examples.serving import serving

ACTS = """
async def hear(audio, context):
    return f"{len(audio.data)} bytes of {audio.media_type}"

def fail(audio, context):
    raise RuntimeError("no ears")
"""


class Ears:
    """The part of OpenAI's API that transcribes, over real HTTP."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, bytes]] = []
        self.app = Starlette(routes=[Route("/v1/audio/transcriptions", self._hear, methods=["POST"])])

    async def _hear(self, request: Request) -> JSONResponse:
        async with request.form() as form:
            file: Any = form["file"]
            self.heard.append((str(form["model"]), file.filename, await file.read()))
        return JSONResponse({"text": "hello there"})


async def _dictate(client: Chat, data: bytes = b"sound", mime_type: str = "audio/webm;codecs=opus") -> Any:
    return await client.call("input.transcribe", audio_base64=base64.b64encode(data).decode(), mime_type=mime_type)


async def test_a_model_hears_what_was_said(chat: MakeChat) -> None:
    ears = Ears()
    with serving(ears.app) as url:
        models = {"default": {"scripted": "script.yaml"}}
        models["ears"] = {"name": "gpt-transcribe", "base_url": f"{url}/v1", "api_key": "none"}
        config = {"models": models, "chat": {"dictation": {"model": "ears"}}}
        client = await chat(config, script_yaml="otherwise: Fine.")
        assert (await _dictate(client)).json == {"text": "hello there"}
        assert ears.heard == [("gpt-transcribe", "speech.webm", b"sound")]
        assert (await client.get("/chatkit/options.json")).json["composer"]["dictation"] == {"enabled": True}


async def test_python_hears_what_was_said(chat: MakeChat) -> None:
    client = await chat({"chat": {"dictation": {"python": "acts:hear"}}}, acts_py=ACTS)
    assert (await _dictate(client)).json == {"text": "5 bytes of audio/webm"}


@pytest.mark.parametrize(
    ("data", "mime_type", "status", "code"),
    [
        (b"", "audio/webm", 400, "invalid_audio"),
        (b"MZ", "application/x-msdownload", 415, "unsupported_type"),
        (b"x" * 2000, "audio/webm", 413, "audio_too_large"),
    ],
)
async def test_what_is_no_recording_is_refused(
    chat: MakeChat, data: bytes, mime_type: str, status: int, code: str
) -> None:
    config = {"chat": {"dictation": {"python": "acts:hear"}}, "limits": {"audio": 1000}}
    refused = await _dictate(await chat(config, acts_py=ACTS), data, mime_type)
    assert (refused.status, refused.error["code"]) == (status, code)


async def test_a_recording_may_be_larger_than_other_requests(chat: MakeChat) -> None:
    config = {"chat": {"dictation": {"python": "acts:hear"}}, "limits": {"body": 1000, "audio": "1MiB"}}
    client = await chat(config, acts_py=ACTS)
    assert (await _dictate(client, b"x" * 5000)).json == {"text": "5000 bytes of audio/webm"}
    assert (await client.say("x" * 2000)).error["code"] == "body_too_large"
    assert (await _dictate(client, b"x" * 3_000_000)).error["code"] == "body_too_large"


async def test_a_failure_is_shown_with_a_reference(chat: MakeChat, caplog: pytest.LogCaptureFixture) -> None:
    client = await chat({"chat": {"dictation": {"python": "acts:fail"}}}, acts_py=ACTS)
    failed = await _dictate(client)
    assert (failed.status, failed.error["code"]) == (502, "dictation_failed")
    assert "no ears" in caplog.text
    assert "no ears" not in failed.body.decode()
