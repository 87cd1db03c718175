"""An app that ends in one of several ways, served in a process of its own: `python -m tests.cli.draining_app WAY`.

It prints its address, and then a line for each thing that happens to it.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

from runtime.cli import uvicorn_server


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class App:
    """`/stream` says `one`, and `two` once the app drains; what then comes depends on the way."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.draining, self.said = asyncio.Event(), asyncio.Event()
        self.hanging: asyncio.Task[None] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            say("closed")
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/stream":
            await self._stream(send)
        elif scope["path"] == "/hang":
            self.hanging = asyncio.create_task(asyncio.to_thread(hang))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _stream(self, send: Any) -> None:
        await send({"type": "http.response.body", "body": b"one ", "more_body": True})
        await self.draining.wait()
        await send({"type": "http.response.body", "body": b"two", "more_body": True})
        if self.way == "endless":
            await asyncio.Event().wait()
        self.said.set()

    async def drain(self) -> None:
        say("draining")
        if self.way == "broken":
            raise OSError("the disk is full")
        # The rest of the test says when: by a line on standard input.
        await asyncio.to_thread(sys.stdin.readline)
        self.draining.set()
        if self.way == "ends":
            await self.said.wait()
        elif self.way == "never drained":
            await asyncio.Event().wait()


def hang() -> None:
    say("hanging")
    threading.Event().wait()


def main(way: str) -> None:
    uvicorn_server._CLOSING_S, uvicorn_server._PATIENCE_S = 1 if way == "endless" else 180, 0.0
    app = App(way)
    with uvicorn_server.bind("127.0.0.1", 0) as listener:
        url = uvicorn_server.url_of(listener)
        uvicorn_server.run_app(app, listener, ready=lambda: say(url), drain=app.drain, grace_s=0)
    say("left")


if __name__ == "__main__":
    main(sys.argv[1])
