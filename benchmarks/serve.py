"""The server process of a benchmark: `python -m benchmarks.serve MODE FOLDER`.

The modes `handwritten` and `runtime` have the same uvicorn settings; `handwritten-reload` and `runtime-reload` are the
commands that users start. `pages` is `runtime` with plain.html of this folder at /plain. Each prints its address, and
ends when its stdin ends, hence with its parent.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn

from benchmarks.harness import HANDWRITTEN
from benchmarks.projects import PLAN


class _Server(uvicorn.Server):
    prepare: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.prepare is not None:
            # As `chatkit-runtime serve` does once it is ready.
            self.prepare()
        if self.started and sockets:
            print(f"http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)


def main(mode: str, folder: str) -> None:
    """Serve the project in `folder` until stdin ends."""
    end_with_parent()
    # Each mode imports its own side alone.
    if mode == "handwritten-reload":
        from uvicorn.main import main as run_uvicorn

        run_uvicorn(
            ["app:app", "--reload", "--reload-dir", folder, "--app-dir", folder, "--port", "0", "--no-access-log"]
        )
    elif mode == "runtime-reload":
        from runtime.__main__ import main as run_runtime

        sys.argv = ["chatkit-runtime", "serve", folder, "--port", "0"]
        sys.exit(run_runtime())
    else:
        _serve(mode, folder)


def _serve(mode: str, folder: str) -> None:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    # The graceful timeout: a stream that is still open has no reader.
    server = _Server(
        uvicorn.Config(
            _load(mode, folder), access_log=False, log_level="warning", backlog=2048, timeout_graceful_shutdown=1
        )
    )
    if mode != HANDWRITTEN:
        from runtime.resources.gc_policy import prepare_for_serving

        server.prepare = prepare_for_serving
    server.run(sockets=[listener])


def _load(mode: str, folder: str) -> Any:
    has_plan = os.path.isfile(os.path.join(folder, PLAN))
    if mode == HANDWRITTEN:
        from benchmarks.handwritten import app

        if has_plan:
            from benchmarks.prepare import prepare_handwritten

            app = prepare_handwritten(folder)
        return app
    from runtime.server.app import create_app

    app = create_app(os.path.join(folder, "agents.yaml"))
    if has_plan:
        from benchmarks.prepare import prepare_runtime

        prepare_runtime(app, folder)
    return _add_plain_page(app) if mode == "pages" else app


def _add_plain_page(app: Any) -> Any:
    from starlette.applications import Starlette
    from starlette.responses import HTMLResponse
    from starlette.routing import Mount, Route

    html = Path(__file__).with_name("plain.html").read_text()

    async def respond(_request: Any) -> HTMLResponse:
        return HTMLResponse(html)

    return Starlette(routes=[Route("/plain", respond), Mount("/", app)], lifespan=app.router.lifespan_context)


def end_with_parent() -> None:
    """Send this process a SIGTERM when its stdin ends, from a thread of its own."""

    def watch() -> None:
        # Not `sys.stdin`: a thread that waits in it holds a lock that the interpreter needs at exit.
        while os.read(0, 4096):
            continue
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
