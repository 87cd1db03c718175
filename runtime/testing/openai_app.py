"""The ASGI app of the OpenAI stub: it validates a request, and answers from the script or with a configured fault.

The faults are error responses, held responses and cut streams; tests configure them from any thread.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from agents.items import TResponseStreamEvent
from openai.types.responses import Response, ResponseCompletedEvent
from starlette.types import Receive, Scope, Send

from runtime.assemble.scripted_events import ScriptedFailure, estimate_tokens, new_id, play
from runtime.assemble.scripted_model import ScriptedConversation
from runtime.scripts.player import ScriptError
from runtime.testing.openai_rules import Refusal, check_chat, check_responses
from runtime.testing.openai_wire import (
    Frame,
    chat_completion,
    chat_error,
    chat_frames,
    chat_situation,
    responses_error,
    responses_frames,
    responses_situation,
)
from runtime.testing.provider_cases import ProviderCase, RawReply
from runtime.testing.provider_rules import Provider, check_provider
from runtime.testing.provider_style import Style, style_of

_ERRORS = {
    400: ("invalid_request_error", None, "The request is invalid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", None, "You are not allowed to use this model."),
    404: ("invalid_request_error", "model_not_found", "The model does not exist or you do not have access to it."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests. Please try again later."),
    500: ("server_error", None, "The server had an error while processing your request. Sorry about that!"),
    503: ("server_error", None, "The engine is currently overloaded, please try again later."),
}


@dataclass(slots=True)
class StubRequest:
    """A request that the stub received; header names are lower-case.

    `body` is the parsed JSON. `done` is set when the stub has finished with the request; `outcome` is then `answered`,
    `refused` (an error response), `cut` (by `cut_next`) or `gone` (the client disconnected before the last byte).
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    outcome: Literal["open", "answered", "refused", "cut", "gone"] = "open"
    done: threading.Event = field(default_factory=threading.Event, repr=False)


class StubHold:
    """Holds responses after `after` deltas: `reached` is set when one waits, `release()` lets all continue."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.reached = threading.Event()
        self._released = False
        self._wakers: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._lock = threading.Lock()

    def release(self) -> None:
        """Let held responses continue; later ones are not held."""
        with self._lock:
            self._released = True
            wakers, self._wakers = self._wakers, []
        for loop, waker in wakers:
            loop.call_soon_threadsafe(waker.set)

    async def until_reached(self, timeout_s: float = 30.0) -> None:
        """Wait until a response is held. Raise TimeoutError after `timeout_s` seconds."""
        if not await asyncio.to_thread(self.reached.wait, timeout_s):
            raise TimeoutError(f"no response was held within {timeout_s:g} s")

    async def wait(self) -> None:
        """Hold the calling response, in the event loop of the stub."""
        waker = asyncio.Event()
        with self._lock:
            if self._released:
                return
            self._wakers.append((asyncio.get_running_loop(), waker))
        self.reached.set()
        await waker.wait()


@dataclass(frozen=True, slots=True)
class Failure:
    """An error response of the OpenAI API: the HTTP `status`, and the fields of the body."""

    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None

    @classmethod
    def of_status(cls, status: int, message: str | None = None, code: str | None = None) -> Failure:
        """Return OpenAI's error for this status, with another message or code if given."""
        known = _ERRORS.get(status) or _ERRORS[500 if status >= 500 else 400]
        return cls(status, message or known[2], known[0], code or known[1])

    def body(self) -> dict[str, Any]:
        """Return the body: `{"error": {"message", "type", "param", "code"}}`."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class StubApp:
    """Answers from a script. `requests` has every request, in the order of arrival.

    `failures` answer the next requests. `cuts` are the numbers of deltas after which the next responses are cut. `raw`
    has the replies that are sent as they are to the next requests, by the path of the request.
    """

    def __init__(
        self, model: ScriptedConversation, api_key: str | None = None, provider: Provider | None = None
    ) -> None:
        self.requests: list[StubRequest] = []
        self.failures: deque[Failure] = deque()
        self.cuts: deque[int] = deque()
        self.holds: list[StubHold] = []
        self.raw: dict[str, deque[RawReply]] = {_CHAT: deque(), _RESPONSES: deque()}
        self._model = model
        self._api_key, self._provider, self._style = api_key, provider, style_of(provider)

    def replay(self, case: ProviderCase) -> None:
        """Send the replies of a case to the next requests of each API."""
        self.raw[_CHAT] += case.chat
        self.raw[_RESPONSES] += case.responses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        content = await _read(receive)
        request, failure = _request(scope, content)
        self.requests.append(request)
        answer = asyncio.create_task(self._answer(request, failure, send))
        disconnect = asyncio.create_task(_wait_for_disconnect(receive))
        try:
            await asyncio.wait({answer, disconnect}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                request.outcome = "gone"
        finally:
            disconnect.cancel()
            answer.cancel()
            results = await asyncio.gather(answer, disconnect, return_exceptions=True)
            request.done.set()
        if isinstance(results[0], Exception):
            raise results[0]

    async def _answer(self, request: StubRequest, failure: Failure | None, send: Send) -> None:
        try:
            failure = failure or self._refusal(request)
            if failure is None:
                await self._play(request, send)
                return
        except ScriptedFailure as error:
            failure = Failure.of_status(error.status_code, error.message)
        except ScriptError as error:
            # Not a 5xx status, which clients retry: the script does not change.
            failure = Failure(400, str(error), "script_error")
        except Refusal as error:
            failure = Failure(400, error.message, code=error.code, param=error.param)
        except (KeyError, TypeError, AttributeError) as error:
            failure = Failure(400, f"The request is malformed: {type(error).__name__}: {error}")
        request.outcome = "refused"
        await _send_json(send, failure.status, failure.body())

    def _refusal(self, request: StubRequest) -> Failure | None:
        if (request.method, request.path) not in _ROUTES:
            return Failure(404, f"Unknown request URL: {request.method} {request.path}.", code="unknown_url")
        if self._api_key and request.headers.get("authorization") != f"Bearer {self._api_key}":
            return Failure.of_status(401)
        return self.failures.popleft() if self.failures and request.method == "POST" else None

    async def _play(self, request: StubRequest, send: Send) -> None:
        if request.method == "GET":
            model = {"id": "scripted", "object": "model", "created": 0, "owned_by": "stub"}
            await _send_json(send, 200, {"object": "list", "data": [model]})
        elif (raw := self.raw[request.path]) and raw[0].whole is not bool(request.body.get("stream")):
            self._check(request)
            await _send_raw(send, raw.popleft())
        else:
            events = self._events(request)
            cut = self.cuts.popleft() if self.cuts else None
            if request.body.get("stream"):
                await self._stream(request, events, cut, send)
            else:
                await self._whole(request, events, cut, send)
        if request.outcome == "open":
            request.outcome = "answered"

    async def _pause(self, deltas: int) -> None:
        for hold in list(self.holds):
            if hold.after == deltas:
                await hold.wait()

    def _check(self, request: StubRequest) -> None:
        check = check_chat if _is_chat(request) else check_responses
        check(request.body)
        if self._provider is not None:
            check_provider(self._provider, request.body)

    def _events(self, request: StubRequest) -> AsyncIterator[TResponseStreamEvent]:
        self._check(request)
        situation = chat_situation(request.body) if _is_chat(request) else responses_situation(request.body)
        size = len(json.dumps(request.body.get("input") or request.body.get("messages")))
        return play(
            self._model.steps(replace(situation, agent=self._model.agent)),
            input_tokens=estimate_tokens(size),
            model=str(request.body["model"]),
        )

    async def _whole(
        self, request: StubRequest, events: AsyncIterator[TResponseStreamEvent], cut: int | None, send: Send
    ) -> None:
        await self._pause(0)
        response: Response | None = None
        async for event in events:
            if isinstance(event, ResponseCompletedEvent):
                response = event.response
        assert response is not None, "play() ends with response.completed"
        chat = _is_chat(request)
        body = chat_completion(response, request.body, self._style) if chat else response.model_dump(mode="json")
        await _send_json(send, 200, body, cut=cut is not None)
        if cut is not None:
            request.outcome = "cut"

    async def _stream(
        self, request: StubRequest, events: AsyncIterator[TResponseStreamEvent], cut: int | None, send: Send
    ) -> None:
        await self._pause(0)
        deltas = 0
        started = False
        async with aclosing(_frames(request, events, self._style)) as frames:
            async for frame in frames:
                if not started:
                    await _start(send, 200, b"text/event-stream; charset=utf-8")
                    started = True
                if deltas == cut:
                    request.outcome = "cut"
                    return
                await send({"type": "http.response.body", "body": frame.data, "more_body": True})
                if frame.is_delta:
                    deltas += 1
                    await self._pause(deltas)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


_CHAT, _RESPONSES = "/v1/chat/completions", "/v1/responses"
_ROUTES = frozenset({("GET", "/v1/models"), ("POST", _RESPONSES), ("POST", _CHAT)})


def _is_chat(request: StubRequest) -> bool:
    return request.path == _CHAT


async def _frames(
    request: StubRequest, events: AsyncIterator[TResponseStreamEvent], style: Style
) -> AsyncGenerator[Frame, None]:
    """Yield the frames of the events. A failure before the first one is raised, a later one becomes the last frame."""
    sent = 0
    try:
        is_chat = _is_chat(request)
        async for frame in chat_frames(events, request.body, style) if is_chat else responses_frames(events, style):
            yield frame
            sent += 1
    except ScriptedFailure as error:
        if not sent:
            raise
        yield chat_error(error.message) if _is_chat(request) else responses_error(error.message, sent)


def _request(scope: Scope, content: bytes) -> tuple[StubRequest, Failure | None]:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    request = StubRequest(scope["method"], scope["path"], headers, {})
    if not content:
        return request, None
    try:
        body = json.loads(content)
    except ValueError:
        return request, Failure(400, "We could not parse the JSON body of your request.")
    if not isinstance(body, Mapping):
        return request, Failure(400, "The body of the request is not a JSON object.")
    return replace(request, body=body), None


async def _read(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


async def _start(send: Send, status: int, content_type: bytes, length: int | None = None) -> None:
    headers = [(b"content-type", content_type), (b"x-request-id", new_id("req").encode())]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    if status == 429 or status >= 500:
        # Clients retry at once, so that tests don't wait.
        headers.append((b"retry-after-ms", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _send_raw(send: Send, reply: RawReply) -> None:
    await _start(send, reply.status, reply.content_type.encode(), len(reply.body))
    await send({"type": "http.response.body", "body": reply.body})


async def _send_json(send: Send, status: int, body: Mapping[str, Any], *, cut: bool = False) -> None:
    content = json.dumps(body, ensure_ascii=False).encode()
    await _start(send, status, b"application/json", len(content))
    sent = content[: len(content) // 2] if cut else content
    await send({"type": "http.response.body", "body": sent, "more_body": cut})
