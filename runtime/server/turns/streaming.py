"""The response side of a running turn."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from runtime.server.turns.turn import Turn


class Streaming:
    """A turn that has been started. `buffer` gives its bytes; a silent stream sends a ping every `ping_s` seconds."""

    def __init__(self, turn: Turn, ping_s: float) -> None:
        self.turn, self.buffer, self.ping_s = turn, turn.buffer, ping_s

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of the stream; closing the generator early means that the client has disconnected."""
        complete = False
        try:
            while (chunk := await self.buffer.take(self.ping_s)) is not None:
                yield chunk
            complete = True
        finally:
            if not complete:
                self.client_left()

    def client_left(self) -> None:
        """Cancel the turn or let it finish, as `chat.on_disconnect` says; what it has produced is stored either way."""
        if self.turn.snapshot.config.chat.on_disconnect == "cancel":
            self.turn.cancel()
