"""Run an ASGI app on a port of this machine: in the foreground until a signal comes, or in a thread beside a client."""

from __future__ import annotations

import errno
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import uvicorn

from runtime.errors import RuntimeFault, UsageError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_GRACE_S = 10
"""How long answers that run may take to end once the server was told to stop."""


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


def run_app(app: ASGIApp, listener: socket.socket, *, ready: Callable[[], None], access_log: bool = False) -> None:
    """Serve `app` until a signal: returns after SIGTERM, raises KeyboardInterrupt after Ctrl-C.

    `ready` is called once requests are welcome. An exception of the app's start-up is raised here as it is.
    """
    starter = _Starter(app)
    server = _Server(_settings(starter, access_log=access_log, log_level="info" if access_log else "warning"), ready)
    # uvicorn raises a signal it has handled once more; SIGTERM would then kill the process and hide the clean end.
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)
    try:
        server.run([listener])
    except SystemExit:
        raise starter.failure() from starter.error
    finally:
        signal.signal(signal.SIGTERM, before)


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
        app, lifespan="on", access_log=access_log, log_level=log_level, timeout_graceful_shutdown=_GRACE_S
    )


def _why_not(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} of {host!r} is in use (choose another with --port, or --port 0 for a free one)"
    if error.errno == errno.EACCES:
        return f"port {port} of {host!r} needs privileges (choose one above 1023 with --port)"
    return f"can't listen on {host!r}, port {port}: {error.strerror or error}"


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


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
