"""A stub server of the OpenAI API: it answers /v1/responses and /v1/chat/completions from a script.

```python
async with OpenAIStub({"otherwise": "Hello there"}) as stub:
    client = AsyncOpenAI(base_url=stub.base_url, api_key="any")
```

It rejects invalid requests with the messages of OpenAI, records every request, and can be told to fail, to hold
responses, to cut streams, to send the quirks of other providers, and to reject what one of them rejects.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvicorn

from runtime.assemble.scripted_model import ScriptedConversation, load_script
from runtime.testing.openai_app import Failure, StubApp, StubHold, StubRequest
from runtime.testing.provider_cases import PROVIDER_CASES, ProviderCase
from runtime.testing.provider_rules import Provider

__all__ = ["OpenAIStub", "StubHold", "StubRequest"]

_SERVER_LOG = logging.getLogger("uvicorn.error")


class OpenAIStub:
    """Serves a script in its own thread on a free loopback port. A context manager, sync or async.

    `script` is a model, the content of a script, or the path of a script file. Raise ScriptError for an invalid one,
    and for turns with `agent:`, because requests do not name it; a model `for_agent(name)` plays those of one agent.
    With `api_key`, requests with another key get a 401. With `provider`, requests are rejected that this provider
    rejects, besides those that OpenAI rejects.
    """

    def __init__(
        self,
        script: ScriptedConversation | Mapping[str, Any] | str | Path,
        *,
        api_key: str | None = None,
        provider: Provider | None = None,
    ) -> None:
        if isinstance(script, str | Path):
            model = load_script(Path(script))
        elif isinstance(script, ScriptedConversation):
            model = script
        else:
            model = ScriptedConversation.from_data(script, "the stub's script")
        model.refuse_unknown_agent()
        self._app = StubApp(model, api_key, provider)
        self._serving: _ServerThread | None = None

    @property
    def base_url(self) -> str:
        """The base URL for clients, such as `http://127.0.0.1:8000/v1`. Raise RuntimeError if it is not running."""
        if self._serving is None:
            raise RuntimeError("the stub is not running (use it in a `with` or `async with` block)")
        return f"http://127.0.0.1:{self._serving.port}/v1"

    @property
    def requests(self) -> list[StubRequest]:
        """The requests received so far, in the order of arrival."""
        return self._app.requests

    def fail_next(self, status: int, times: int = 1, *, message: str | None = None, code: str | None = None) -> None:
        """Answer the next `times` model requests with this HTTP status and OpenAI's error body for it."""
        self._app.failures.extend([Failure.of_status(status, message, code)] * times)

    def cut_next(self, after: int = 1, times: int = 1) -> None:
        """Drop the connection of the next `times` responses after `after` deltas, or half-way if they don't stream."""
        self._app.cuts.extend([after] * times)

    def replay(self, case: str | ProviderCase) -> None:
        """Answer the next streaming requests with the bytes of a case: a name of `PROVIDER_CASES`, or your own case.

        Raise KeyError if no case has that name.
        """
        self._app.replay(PROVIDER_CASES[case] if isinstance(case, str) else case)

    def hold(self, after: int = 0) -> StubHold:
        """Hold responses after `after` deltas (0: before the first byte) until `release()` of the returned hold."""
        hold = StubHold(after)
        self._app.holds.append(hold)
        return hold

    def start(self) -> None:
        """Start serving; clients can connect when it returns. Raise RuntimeError if the stub is running."""
        if self._serving is not None:
            raise RuntimeError("the stub is running already")
        self._serving = _ServerThread(self._app)

    def stop(self) -> None:
        """Release held responses, close all connections, and wait for the thread to end."""
        for hold in self._app.holds:
            hold.release()
        serving, self._serving = self._serving, None
        if serving is not None:
            serving.stop()

    def __enter__(self) -> OpenAIStub:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    async def __aenter__(self) -> OpenAIStub:
        self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        # In a thread, so that the event loop is not blocked.
        await asyncio.to_thread(self.stop)


class _ServerThread:
    def __init__(self, app: StubApp) -> None:
        # Clients can connect from now on: the kernel queues connections until the server accepts.
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name=f"openai-stub-{self.port}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        thread = threading.get_ident()

        def is_relevant(record: logging.LogRecord) -> bool:
            # Not the start and stop of the stub, and not cut responses, which uvicorn logs as errors.
            relevant = record.levelno >= logging.WARNING and "without completing response" not in str(record.msg)
            return relevant or record.thread != thread

        _SERVER_LOG.addFilter(is_relevant)
        try:
            self._server.run(sockets=[self._socket])
        finally:
            _SERVER_LOG.removeFilter(is_relevant)
            self._socket.close()
