"""A client of the ChatKit protocol over HTTP: sends a request type and its params, returns events or one answer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from runtime.errors import RuntimeFault, UsageError
from runtime.server.http.loopback import is_loopback

Event = dict[str, Any]
_TIMEOUT = httpx.Timeout(30, read=300)


class ChatFault(RuntimeFault):
    """The server refused a request, or could not be reached; `status` is the HTTP status, 0 without a response."""

    exit_code = 1

    def __init__(self, message: str, *, status: int = 0, code: str = "", request_id: str = "") -> None:
        self.status, self.code, self.request_id = status, code, request_id
        details = ", ".join(part for part in (code, f"HTTP {status}" if status else "", request_id) if part)
        super().__init__(f"{message} ({details})" if details else message)


class ChatClient:
    """A client of one ChatKit endpoint; `headers` are sent with every request."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{url!r} is not a URL of a ChatKit server (such as http://127.0.0.1:8000/chatkit)")
        self.url = url if parts.path else urlunsplit(parts._replace(path="/chatkit"))
        # A proxy that the environment configures can't reach the loopback interface of this machine.
        self._http = httpx.Client(headers=headers, timeout=_TIMEOUT, trust_env=not is_loopback(parts.hostname))

    def __enter__(self) -> ChatClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self._http.close()

    def call(self, type_: str, params: Mapping[str, Any]) -> Any:
        """Send a request that has one JSON answer, and return it. Raise ChatFault."""
        try:
            response = self._http.post(self.url, json={"type": type_, "params": params})
        except httpx.HTTPError as error:
            raise ChatFault(_unreachable(self.url, error)) from error
        _check(response)
        return _parse(response.content, "the server's answer is not JSON", response.status_code)

    def stream(self, type_: str, params: Mapping[str, Any]) -> Iterator[Event]:
        """Send a request that has an event stream, and yield its events as they arrive. Raise ChatFault."""
        try:
            with self._http.stream("POST", self.url, json={"type": type_, "params": params}) as response:
                kind = response.headers.get("content-type", "")
                if response.status_code != httpx.codes.OK or not kind.startswith("text/event-stream"):
                    response.read()
                    _check(response)
                    raise ChatFault("the server sent no event stream", status=response.status_code)
                yield from read_events(response.iter_bytes())
        except httpx.HTTPError as error:
            raise ChatFault(_unreachable(self.url, error)) from error

    def start_screen(self) -> dict[str, Any]:
        """Return the start screen, `{greeting, prompts: [{label, prompt}]}`; empty if the server does not serve it."""
        try:
            response = self._http.get(f"{self.url.rstrip('/')}/options.json")
            screen = response.json().get("startScreen") if response.status_code == httpx.codes.OK else None
        except (httpx.HTTPError, ValueError, AttributeError):
            return {}
        return screen if isinstance(screen, dict) else {}


def user_input(text: str) -> dict[str, Any]:
    """Return a user message in the form of the protocol."""
    return {"content": [{"type": "input_text", "text": text}], "attachments": [], "inference_options": {}}


def read_events(chunks: Iterable[bytes]) -> Iterator[Event]:
    """Parse server-sent events; comments, such as keep-alive pings, are skipped."""
    # Split at newlines only: text readers also split at U+2028, which JSON may contain unescaped.
    pending = b""
    for chunk in chunks:
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                event = _parse(line[5:], "the server sent an event that is not JSON")
                yield event if isinstance(event, dict) else {}


def _check(response: httpx.Response) -> None:
    if response.status_code < 400:
        return
    try:
        error = response.json()["error"]
        message, code, request_id = error["message"], error.get("code", ""), error.get("request_id", "")
    except (ValueError, KeyError, TypeError, AttributeError):
        message, code, request_id = response.text.strip()[:200] or response.reason_phrase, "", ""
    raise ChatFault(message, status=response.status_code, code=code, request_id=request_id)


def _parse(data: bytes, problem: str, status: int = 0) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise ChatFault(problem, status=status) from error


def _unreachable(url: str, error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.ConnectError):
        return f"no server answers at {url} (`chatkit-runtime dev` starts one)"
    if isinstance(error, httpx.TimeoutException):
        return f"{url} did not answer in time"
    return f"the connection to {url} was lost: {str(error) or type(error).__name__}"
