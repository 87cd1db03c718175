"""What an endpoint has sent over HTTP, for the log of an answer that is none: its content type and its first bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
        self._secrets: frozenset[str] = frozenset()

    def __str__(self) -> str:
        if not self.content_type:
            return "no response is known"
        text = mask(self._first.decode("utf-8", "replace"), self._secrets)[:_LOGGED_CHARACTERS]
        return f"content type {self.content_type!r}, first bytes {text!r}"

    def error(self) -> object:
        """Return the error that the response describes in place of an answer, or None."""
        try:
            body = json.loads(self._first)
        except ValueError:
            return None
        return body.get("error") if isinstance(body, Mapping) else None

    def follow(self, response: Any) -> None:
        """Keep the first bytes of a response that is about to be read."""
        self.content_type = str(response.headers.get("content-type", "none"))
        self._first = first = bytearray()
        # Some endpoints repeat the key in what they say of it.
        key = str(response.request.headers.get("authorization", "")).partition(" ")[2]
        self._secrets = frozenset({key} if is_worth_hiding(key) else ())
        read = response.aiter_bytes

        async def aiter_bytes(*args: Any) -> Any:
            async for chunk in read(*args):
                if len(first) < _MOST_BYTES:
                    first.extend(chunk[:_MOST_BYTES])
                yield chunk

        response.aiter_bytes = aiter_bytes


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
