"""Run an ASGI app on a port of this machine: in the foreground until a signal comes, or in a thread beside a client."""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

from runtime.cli.workers import Workers
from runtime.errors import RuntimeFault, UsageError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("runtime.server")

Drain = Callable[[], Awaitable[None]]

_GRACE_S = 10.0
"""How long answers that run may take to end, in seconds, once the server was told to stop."""
_CLOSING_S = 5
"""How long connections may take to close, in seconds, after what ran on them was ended."""
_PATIENCE_S = 2.0
"""How long functions that run in threads may take to return, in seconds, once everything else is closed."""
_TICK_S = 0.1
_INTERRUPTED = 128 + signal.SIGINT


def bind(host: str, port: int) -> socket.socket:
    """Take `port` on `host` (0: a free one); a `UsageError` says why it can't be had."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Listening now, not when the app is up: a second server on the same port must fail here.
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise UsageError(_why_not(error, host, port)) from error
    return listener


def url_of(listener: socket.socket, path: str = "") -> str:
    """The address of a listening socket, as a client writes it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}{path}" if ":" in host else f"http://{host}:{port}{path}"


def run_app(
    app: ASGIApp,
    listener: socket.socket,
    *,
    ready: Callable[[], None],
    access_log: bool = False,
    drain: Drain | None = None,
    grace_s: float = _GRACE_S,
) -> None:
    """Serve `app` until a signal: returns after SIGTERM, raises KeyboardInterrupt after Ctrl-C.

    `ready` is called once requests are welcome. An exception of the app's start-up is raised here as it is.

    After a signal no connection is accepted any more, and `drain` is awaited: it lets the answers that run end, and
    ends those that take too long while their clients still read. Other responses have `grace_s` seconds. A second
    Ctrl-C waits for nothing. Functions that hang in a thread are named in the log, and end with the process.
    """
    starter, workers = _Starter(app), Workers()
    settings = _settings(starter, access_log=access_log, log_level="info" if access_log else "warning")
    server = _Server(settings, ready, drain, grace_s, workers)
    # uvicorn raises a signal it has handled once more; SIGTERM would then kill the process and hide the clean end.
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        server.run([listener])
    except SystemExit:
        raise starter.failure() from starter.error
    except KeyboardInterrupt:
        _leave_behind(workers.still_running(0 if server.force_exit else _PATIENCE_S), _INTERRUPTED)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    _leave_behind(workers.still_running(_PATIENCE_S), 0)


def _leave_behind(functions: list[str], code: int) -> None:
    """End the process now if functions still run: Python would wait for their threads, and for ever if they hang."""
    if not functions:
        return
    for name in functions:
        logger.warning("%s still runs in a thread: the server ends without it", name)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


@contextmanager
def app_in_background(app: ASGIApp) -> Iterator[str]:
    """Serve `app` on a free loopback port, in a thread, as long as the block runs; gives the address without a path."""
    starter = _Starter(app)
    done = threading.Event()
    with bind("127.0.0.1", 0) as listener:
        url = url_of(listener)
        server = _Server(_settings(starter, access_log=False, log_level="error"), done.set)
        thread = threading.Thread(
            target=_run_quietly, args=(server, listener, done), name="chatkit-server", daemon=True
        )
        thread.start()
        try:
            done.wait()
            if not server.started:
                raise starter.failure() from starter.error
            yield url
        finally:
            server.should_exit = True
            thread.join()


def _run_quietly(server: uvicorn.Server, listener: socket.socket, done: threading.Event) -> None:
    try:
        server.run([listener])
    except SystemExit:
        # The app did not start; whoever waits for `done` finds that out from `server.started`.
        return
    finally:
        done.set()


def _settings(app: Any, *, access_log: bool, log_level: str) -> uvicorn.Config:
    return uvicorn.Config(
        app, lifespan="on", access_log=access_log, log_level=log_level, timeout_graceful_shutdown=math.ceil(_GRACE_S)
    )


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host!r} is in use (choose another with --port, or --port 0 for a free one)"
    if error.errno == errno.EACCES:
        return f"port {port} of {host!r} needs privileges (choose one above 1023 with --port)"
    return f"can't listen on {host!r}, port {port}: {error.strerror or error}"


class _Server(uvicorn.Server):
    def __init__(
        self,
        config: uvicorn.Config,
        ready: Callable[[], None],
        drain: Drain | None = None,
        grace_s: float = _GRACE_S,
        workers: Workers | None = None,
    ) -> None:
        super().__init__(config)
        self._ready, self._drain, self._grace_s, self._workers = ready, drain, grace_s, workers

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._workers is not None:
            asyncio.get_running_loop().set_default_executor(self._workers)
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._drain is not None and not self.force_exit:
            self._stop_accepting(sockets)
            began = asyncio.get_running_loop().time()
            await self._drained(self._drain)
            # uvicorn counts from here, and cancels what then still runs: a cut for whoever reads it.
            left_s = self._grace_s - (asyncio.get_running_loop().time() - began)
            self.config.timeout_graceful_shutdown = math.ceil(max(left_s, 0.0)) + _CLOSING_S
        await super().shutdown(sockets)

    def _stop_accepting(self, sockets: list[socket.socket] | None) -> None:
        """Take no connection and no further request on those there are; uvicorn does the same, but only later."""
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()

    async def _drained(self, drain: Drain) -> None:
        task = asyncio.ensure_future(drain())
        while not task.done() and not self.force_exit:
            await asyncio.wait({task}, timeout=_TICK_S)
        if not task.done():
            task.cancel()
        elif (error := task.exception()) is not None:
            logger.error("the answers that run could not be ended: %s: %s", type(error).__name__, error, exc_info=error)


class _Starter:
    """Passes everything to the app, and keeps the exception that stopped its start-up: uvicorn only logs it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.error: BaseException | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_without_traceback(message: Message) -> None:
            await send({**message, "message": ""} if message["type"] == "lifespan.startup.failed" else message)

        try:
            await self._app(scope, receive, send_without_traceback)
        except BaseException as error:
            self.error = error
            raise

    def failure(self) -> BaseException:
        """What to raise for a start-up that failed."""
        return self.error or RuntimeFault("the server did not start")
