"""The child process: one of the servers on a free loopback port, with the same uvicorn settings for each.

It writes its port to stdout once it answers, and ends when its stdin does: a parent that dies takes it along.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

import uvicorn

HANDWRITTEN = "handwritten"
PLAN = "plan.json"
"""What a server is to hold before it starts; see prepare.py."""


class _Server(uvicorn.Server):
    settle: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.settle is not None:
            # As `chatkit-runtime serve` does once it is ready.
            self.settle()
        if self.started and sockets:
            print(sockets[0].getsockname()[1], flush=True)


def main(kind: str, project: str) -> None:
    """Serve `handwritten`, or what the folder `project` declares, until stdin ends."""
    end_with_parent()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    # An open stream would hold up the end; nobody reads it any more.
    config = uvicorn.Config(
        _load(kind, project), access_log=False, log_level="warning", backlog=2048, timeout_graceful_shutdown=1
    )
    server = _Server(config)
    if kind != HANDWRITTEN:
        from runtime.resources.gc_policy import prepare_for_serving

        server.settle = prepare_for_serving
    server.run(sockets=[listener])


def _load(kind: str, project: str) -> Any:
    # Each process imports its own side alone, and before all else: the memory and CPU of one must not hold the other.
    if kind == HANDWRITTEN:
        from benchmarks.handwritten import app
    else:
        from runtime.server.runtime import create_app

        app = create_app(os.path.join(project, "agents.yaml"))
    if os.path.isfile(os.path.join(project, PLAN)):
        from benchmarks.prepare import prepare_runtime, prepared_handwritten

        if kind == HANDWRITTEN:
            return prepared_handwritten(project)
        prepare_runtime(app, project)
    return app


def end_with_parent() -> None:
    """Send this process a SIGTERM when its stdin ends, from a thread of its own."""

    def watch() -> None:
        # Not `sys.stdin`: a thread that waits in it holds a lock that the interpreter wants at its end.
        while os.read(0, 4096):
            continue
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
