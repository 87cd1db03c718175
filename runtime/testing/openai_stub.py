"""A stub of the OpenAI API over real HTTP: what a script says, on /v1/responses and /v1/chat/completions.

```python
async with OpenAIStub({"otherwise": "Hello there"}) as stub:
    client = AsyncOpenAI(base_url=stub.base_url, api_key="any")
```

It refuses what OpenAI refuses, fails on demand, and records every request.
"""

from __future__ import annotations

import asyncio
import threading

_START_TIMEOUT_S = 30.0


class StubHold:
    """A response that waits: `reached` is set when it does, and `release()` lets it go on."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.reached = threading.Event()
        self._released = threading.Event()
        self._wakers: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._lock = threading.Lock()

    def release(self) -> None:
        """Let the response go on; one that comes later is not held at all."""
        with self._lock:
            self._released.set()
            wakers, self._wakers = self._wakers, []
        for loop, event in wakers:
            loop.call_soon_threadsafe(event.set)

    async def until_reached(self, timeout_s: float = 30.0) -> None:
        """Wait until a response is held; raises TimeoutError."""
        if not await asyncio.to_thread(self.reached.wait, timeout_s):
            raise TimeoutError(f"no response was held within {timeout_s:g} s")

    async def wait(self) -> None:
        """Hold the response that calls this, on the stub's own event loop."""
        waker = asyncio.Event()
        with self._lock:
            if self._released.is_set():
                return
            self._wakers.append((asyncio.get_running_loop(), waker))
        self.reached.set()
        await waker.wait()
