"""Serve an ASGI app with uvicorn: in the foreground until a signal, or in a background thread."""

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
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from runtime.auth.user import PEER
from runtime.cli.http_protocol import ConnectionGuard
from runtime.errors import RuntimeFault, UsageError
from runtime.resources.containment import described
from runtime.resources.interrupts import is_interrupt
from runtime.resources.threads import DetachableExecutor, wait_for_running

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("runtime.server")

Drain = Callable[[], Awaitable[None]]

_GRACE_S = 10.0
"""How many seconds running answers may take to end after the stop signal."""
_CLOSING_S = 5
"""How many seconds connections may take to close after their responses have ended."""
_PATIENCE_S = 2.0
"""How many seconds functions in threads may take to return after everything else is closed."""
_TICK_S = 0.1
_INTERRUPTED = 128 + signal.SIGINT


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket on `host` and `port` (0: any free port); raise UsageError if that fails."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Listen before the app starts: a second server on the same port must fail here.
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise UsageError(_bind_failure(error, host, port)) from error
    return listener


def url_of(listener: socket.socket, path: str = "") -> str:
    """Return the URL of a listening socket."""
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
    guard: ConnectionGuard | None = None,
) -> None:
    """Serve `app` until a signal: returns after SIGTERM, raises KeyboardInterrupt after Ctrl-C.

    `ready` is called once the server accepts requests. An exception of the app's start-up is raised unchanged. `guard`
    limits slow clients; the default has the default limits.

    After a signal no connection is accepted, and `drain` is awaited: it waits for running answers, and ends those that
    take too long while their clients still read. Other responses have `grace_s` seconds. A second Ctrl-C stops at once.
    Functions that are still running in threads are logged, and end with the process.
    """
    recorder, executor = _StartupRecorder(app), DetachableExecutor()
    log_level = "info" if access_log else "warning"
    settings = _settings(recorder, guard, access_log=access_log, log_level=log_level)
    server = _Server(settings, ready, drain, grace_s, executor)
    # uvicorn raises a handled signal again; without a handler SIGTERM would then kill the process.
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        server.run([listener])
    except SystemExit:
        raise recorder.failure() from recorder.error
    except KeyboardInterrupt:
        _exit_if_running(wait_for_running(0 if server.force_exit else _PATIENCE_S), _INTERRUPTED)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    _exit_if_running(wait_for_running(_PATIENCE_S), 0)


def _exit_if_running(functions: list[str], code: int) -> None:
    """Exit at once if functions are still running: Python waits for their threads, forever if they hang."""
    if not functions:
        return
    for name in functions:
        logger.warning("%s is still running in a thread: the server exits without waiting for it", name)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


@contextmanager
def app_in_background(app: ASGIApp) -> Iterator[str]:
    """Serve `app` on a free loopback port in a thread while the block runs; yield the URL without a path."""
    recorder = _StartupRecorder(app)
    done = threading.Event()
    with bind("127.0.0.1", 0) as listener:
        url = url_of(listener)
        server = _Server(_settings(recorder, None, access_log=False, log_level="error"), done.set)

        def serve() -> None:
            try:
                with suppress(SystemExit):  # the app did not start; the waiting thread sees `server.started`
                    server.run([listener])
            finally:
                done.set()

        thread = threading.Thread(target=serve, name="chatkit-server", daemon=True)
        thread.start()
        try:
            done.wait()
            if not server.started:
                raise recorder.failure() from recorder.error
            yield url
        finally:
            server.should_exit = True
            thread.join()


def _settings(app: Any, guard: ConnectionGuard | None, *, access_log: bool, log_level: str) -> uvicorn.Config:
    trusted = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")
    return uvicorn.Config(
        _PeerRecorder(ProxyHeadersMiddleware(app, trusted)),
        # The same middleware as uvicorn's own, which would replace the address of the proxy before it is recorded.
        proxy_headers=False,
        http=(guard or ConnectionGuard()).protocol,  # type: ignore[arg-type]  # uvicorn only calls it
        lifespan="on",
        access_log=access_log,
        log_level=log_level,
        timeout_graceful_shutdown=math.ceil(_GRACE_S),
    )


def _bind_failure(error: OSError, host: str, port: int) -> str:
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
        executor: DetachableExecutor | None = None,
    ) -> None:
        super().__init__(config)
        self._ready, self._drain, self._grace_s, self._executor = ready, drain, grace_s, executor

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal.

        asyncio ends the event loop for a SystemExit or KeyboardInterrupt of any task, such as one that a tool has
        started: unless it is the server's own, it is logged, and the loop continues.
        """
        with asyncio.Runner(loop_factory=self.config.get_loop_factory()) as runner:
            loop = runner.get_loop()
            asyncio.set_event_loop(loop)
            serving = loop.create_task(self.serve(sockets))
            while not serving.done():
                try:
                    loop.run_until_complete(serving)
                except (SystemExit, KeyboardInterrupt) as error:
                    if serving.done() or is_interrupt(error):
                        raise
                    logger.error("a task %s, which ended that task only", described(error), exc_info=error)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._executor is not None:
            asyncio.get_running_loop().set_default_executor(self._executor)
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._drain is not None and not self.force_exit:
            self._stop_accepting(sockets)
            began = asyncio.get_running_loop().time()
            await self._run_drain(self._drain)
            # uvicorn's timeout starts here; then it cancels what is running, which truncates the responses.
            left_s = self._grace_s - (asyncio.get_running_loop().time() - began)
            self.config.timeout_graceful_shutdown = math.ceil(max(left_s, 0.0)) + _CLOSING_S
        await super().shutdown(sockets)

    def _stop_accepting(self, sockets: list[socket.socket] | None) -> None:
        """Accept no connection, and no further request on open ones; uvicorn itself only does so after the drain."""
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()

    async def _run_drain(self, drain: Drain) -> None:
        task = asyncio.ensure_future(drain())
        while not task.done() and not self.force_exit:
            await asyncio.wait({task}, timeout=_TICK_S)
        if not task.done():
            task.cancel()
        elif (error := task.exception()) is not None:
            logger.error("running answers could not be ended: %s: %s", type(error).__name__, error, exc_info=error)


class _PeerRecorder:
    """Records the address that a connection comes from, before X-Forwarded-For may replace it."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            scope[PEER] = scope.get("client")
        await self._app(scope, receive, send)


class _StartupRecorder:
    """Forwards to the app, and stores the exception of its start-up, which uvicorn only logs."""

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
        """Return the exception to raise for a failed start-up."""
        return self.error or RuntimeFault("the server did not start")
