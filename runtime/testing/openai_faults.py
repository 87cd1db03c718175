"""Faults that a test configures in the stub: error responses, held responses and cut streams. Thread-safe."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

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


class Faults:
    """The faults of later responses, in the order in which they were configured."""

    def __init__(self) -> None:
        self._failures: deque[Failure] = deque()
        self._cuts: deque[int] = deque()
        self._holds: list[StubHold] = []

    def fail(self, failure: Failure, times: int) -> None:
        """Answer the next `times` requests with this error."""
        self._failures.extend([failure] * times)

    def cut(self, after: int, times: int) -> None:
        """Cut the next `times` responses after this many deltas."""
        self._cuts.extend([after] * times)

    def hold(self, after: int) -> StubHold:
        """Hold every response after this many deltas, until `release()` of the returned hold."""
        hold = StubHold(after)
        self._holds.append(hold)
        return hold

    def next_failure(self) -> Failure | None:
        """Remove and return the error for this request, or None."""
        return self._failures.popleft() if self._failures else None

    def next_cut(self) -> int | None:
        """Remove and return the number of deltas after which this response is cut, or None."""
        return self._cuts.popleft() if self._cuts else None

    async def pause(self, deltas: int) -> None:
        """Wait for the holds after this many deltas."""
        for hold in list(self._holds):
            if hold.after == deltas:
                await hold.wait()

    def release_all(self) -> None:
        """Let all held responses continue."""
        for hold in self._holds:
            hold.release()
