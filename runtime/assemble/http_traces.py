"""What an endpoint has sent over HTTP, for the log of an answer that is none: its content type and its first bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from openai import DefaultAsyncHttpxClient

from runtime.config.secrets.detect import is_worth_hiding
from runtime.config.secrets.mask import mask

_MOST_BYTES = 2_000
_LOGGED_CHARACTERS = 200

_TRACE: ContextVar[HttpTrace | None] = ContextVar("_TRACE", default=None)


class HttpTrace:
    """The last response of one request to a model."""

    def __init__(self) -> None:
        self.content_type = ""
        self._first = bytearray()
        self._last: list[bytes] = [b"", b""]
        self._secrets: frozenset[str] = frozenset()

    def __str__(self) -> str:
        if not self.content_type:
            return "no response is known"
        text = mask(self._first.decode("utf-8", "replace"), self._secrets)[:_LOGGED_CHARACTERS]
        return f"content type {self.content_type!r}, first bytes {text!r}"

    @property
    def is_done(self) -> bool:
        """Whether the response was a stream that said `[DONE]`."""
        return b"".join(self._last).rstrip().endswith(b"[DONE]")

    def error(self) -> object:
        """Return the error that the response describes in place of an answer, or None."""
        return next(filter(None, map(_error_in, _values_of(self._first))), None)

    def follow(self, response: Any) -> None:
        """Keep the first bytes of a response that is about to be read."""
        self.content_type = str(response.headers.get("content-type", "none"))
        self._first = first = bytearray()
        self._last = last = [b"", b""]
        # Some endpoints repeat the key in what they say of it.
        key = str(response.request.headers.get("authorization", "")).partition(" ")[2]
        self._secrets = frozenset({key} if is_worth_hiding(key) else ())
        read = response.aiter_bytes

        async def aiter_bytes(*args: Any) -> Any:
            async for chunk in read(*args):
                if len(first) < _MOST_BYTES:
                    first.extend(chunk[:_MOST_BYTES])
                last[0], last[1] = last[1], chunk
                yield chunk

        response.aiter_bytes = aiter_bytes


def _values_of(body: bytearray) -> Iterator[object]:
    """Yield the JSON value of a body, or those of the events of a stream."""
    lines = (line.removeprefix(b"data:") for line in body.splitlines() if line.startswith(b"data:"))
    for text in [body, *lines]:
        with suppress(ValueError):
            yield json.loads(text)


def _error_in(value: object) -> object:
    """Return the error that a JSON value describes in one of the forms in use, or None."""
    if isinstance(value, list):
        return _error_in(value[0]) if value else None
    if not isinstance(value, Mapping) or value.get("choices"):
        return None
    for key in ("error", "errors", "detail"):
        if told := value.get(key):
            return told[0] if isinstance(told, list) else told
    message = value.get("message") or value.get("msg")
    return {**value, "message": message} if isinstance(message, str) else None


def current_trace() -> HttpTrace | None:
    """Return the trace of the request that this task makes, or None."""
    return _TRACE.get()


def new_trace() -> HttpTrace:
    """Begin a trace of the responses that this task gets from now on."""
    trace = HttpTrace()
    # Not reset: an event generator may be closed in another context.
    _TRACE.set(trace)
    return trace


async def _follow(response: Any) -> None:
    trace = _TRACE.get()
    if trace is not None:
        trace.follow(response)


def traced_client() -> DefaultAsyncHttpxClient:
    """Return an HTTP client for the provider's client, which reports its responses to the trace of the request."""
    return DefaultAsyncHttpxClient(event_hooks={"response": [_follow]})
