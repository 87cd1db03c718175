"""The child process: one of the servers on a free loopback port, with the same uvicorn settings for each.

It writes its port to stdout once it answers, and ends when its stdin does: a parent that dies takes it along.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from typing import Any

import uvicorn

HANDWRITTEN = "handwritten"


class _Server(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            print(sockets[0].getsockname()[1], flush=True)


def main(kind: str, project: str) -> None:
    """Serve `handwritten`, or what the folder `project` declares, until stdin ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    # An open stream would hold up the end; nobody reads it any more.
    config = uvicorn.Config(
        _load(kind, project), access_log=False, log_level="warning", backlog=2048, timeout_graceful_shutdown=1
    )
    _Server(config).run(sockets=[listener])


def _load(kind: str, project: str) -> Any:
    # Each process imports its own side alone: the memory of one must not hold the other.
    if kind == HANDWRITTEN:
        from benchmarks.handwritten import app

        return app
    from runtime.server.app import create_app

    return create_app(os.path.join(project, "agents.yaml"))


def _end_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(*sys.argv[1:])
