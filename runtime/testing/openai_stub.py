"""A stub of the OpenAI API over real HTTP: what a script says, on /v1/responses and /v1/chat/completions.

```python
async with OpenAIStub({"otherwise": "Hello there"}) as stub:
    client = AsyncOpenAI(base_url=stub.base_url, api_key="any")
```

It refuses what OpenAI refuses, in OpenAI's words; it fails, hangs and cuts streams when asked to; it records every
request.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn

from runtime.assemble.scripted_model import ScriptedConversation, load_script
from runtime.testing.openai_app import StubApp
from runtime.testing.openai_faults import Failure, StubHold, StubRequest

__all__ = ["OpenAIStub", "StubHold", "StubRequest"]

_SERVER_LOG = logging.getLogger("uvicorn.error")


class OpenAIStub:
    """Serves a script from a thread of its own on a free loopback port; a context manager, plain or async.

    `script` is a model, the content of a script, or the path of a script file. With `api_key`, other keys get a 401.
    """

    def __init__(
        self, script: ScriptedConversation | Mapping[str, Any] | str | Path, *, api_key: str | None = None
    ) -> None:
        if isinstance(script, str | Path):
            model = load_script(Path(script))
        elif isinstance(script, ScriptedConversation):
            model = script
        else:
            model = ScriptedConversation.from_data(script, "the stub's script")
        self._app = StubApp(model, api_key)
        self._serving: _Serving | None = None

    @property
    def base_url(self) -> str:
        """The address for a client, up to and with `/v1`."""
        if self._serving is None:
            raise RuntimeError("the stub is not running (use it in a `with` or `async with` block)")
        return f"http://127.0.0.1:{self._serving.port}/v1"

    @property
    def requests(self) -> list[StubRequest]:
        """Every request received so far, in the order of arrival."""
        return self._app.requests

    def fail_next(self, status: int, times: int = 1, *, message: str | None = None, code: str | None = None) -> None:
        """Answer the next `times` model requests with this HTTP status and OpenAI's body for it."""
        self._app.faults.fail(Failure.of_status(status, message, code), times)

    def cut_next(self, after: int = 1, times: int = 1) -> None:
        """Drop the connection of the next `times` responses after so many deltas; one without a stream at its half."""
        self._app.faults.cut(after, times)

    def hold(self, after: int = 0) -> StubHold:
        """Let responses wait after so many deltas, 0 before their first byte, until `release()` of what is returned."""
        return self._app.faults.hold(after)

    def start(self) -> None:
        """Serve; returns when clients can connect."""
        if self._serving is not None:
            raise RuntimeError("the stub is running already")
        self._serving = _Serving(self._app)

    def stop(self) -> None:
        """Let held responses go, close every connection, and wait for the thread to end."""
        self._app.faults.release_all()
        serving, self._serving = self._serving, None
        if serving is not None:
            serving.stop()

    def __enter__(self) -> OpenAIStub:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    async def __aenter__(self) -> OpenAIStub:
        """Start."""
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop, while tasks of this event loop go on."""
        await asyncio.to_thread(self.stop)


class _Serving:
    """A uvicorn server in a thread."""

    def __init__(self, app: StubApp) -> None:
        # Clients can connect from here on: the kernel queues them until the server accepts.
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
            ws="none",
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name=f"openai-stub-{self.port}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        thread = threading.get_ident()

        def worth_telling(record: logging.LogRecord) -> bool:
            # Starting and stopping is no news, and a cut response, which uvicorn calls an error, is on purpose.
            told = record.levelno >= logging.WARNING and "without completing response" not in str(record.msg)
            return told or record.thread != thread

        _SERVER_LOG.addFilter(worth_telling)
        try:
            self._server.run(sockets=[self._socket])
        finally:
            _SERVER_LOG.removeFilter(worth_telling)
            self._socket.close()
