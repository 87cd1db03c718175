"""Streams that can be resumed: the events of a turn with ids, from its log in this process or from the store.

An event's id is the number of its turn in the thread, times a million, plus its number in the turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from itertools import chain
from typing import Protocol

from chatkit.types import ErrorEvent

from runtime.server.settings import ServerSettings
from runtime.server.turns.errors import LOST
from runtime.server.turns.sse import MERGE_S, PING, TextDelta, frame
from runtime.server.turns.turn_log import Entry, TurnLog, read_chunk
from runtime.stores.turns import Signals, TurnStore

_EVENTS_PER_TURN = 1_000_000
_EFFECT = b'data: {"type":"client_effect"'


class EventSource(Protocol):
    """What a response sends."""

    async def take(self) -> bytes | None:
        """Return the next bytes of the response, or None at its end."""

    def client_left(self) -> None:
        """Take note that the client has disconnected."""

    async def close(self) -> None:
        """Release what the source holds; nothing is taken any more."""


def read_event_id(event_id: int) -> tuple[int, int]:
    """Return the number of the turn, and that of the event in it."""
    return divmod(event_id, _EVENTS_PER_TURN)


class LogFollower:
    """Sends the events of a turn of this process after the `after`th, then those to come.

    Without `effects`, the effects so far are left out: the client has had them already, or is a new page.
    """

    def __init__(
        self, log: TurnLog, turn: int, settings: ServerSettings, *, after: int = 0, effects: bool = True
    ) -> None:
        self._log, self._turn, self._settings = log, turn, settings
        self._after, self._without_effects_to = after, 0 if effects else log.last
        self._taken = 0.0
        self._left = False

    async def take(self) -> bytes | None:
        """Return the next frames, a ping if there are none for a while, or None at the end."""
        loop = asyncio.get_running_loop()
        while True:
            first, entries = self._log.after(self._after)
            self._after = first + len(entries) - 1
            frames = _with_ids(self._turn, first, entries, self._without_effects_to)
            if frames:
                self._taken = loop.time()
                return frames
            if entries:
                continue
            if self._log.closed or self._left:
                return None
            await self._log.wait(self._settings.ping_s)
            if self._is_silent():
                return PING
            # Text deltas that follow each other share one write.
            await asyncio.sleep(max(self._taken + MERGE_S - loop.time(), 0))

    def _is_silent(self) -> bool:
        return self._log.last == self._after and not self._log.closed and not self._left

    def client_left(self) -> None:
        """End the response; the turn goes on, because the client may come back."""
        self._left = True
        self._log.wake()

    async def close(self) -> None:
        """Do nothing."""


class StoredFollower:
    """Sends the events that a turn of another process has stored after the `after`th, then those that it stores."""

    def __init__(
        self,
        store: TurnStore,
        owner: str,
        thread_id: str,
        turn: int,
        settings: ServerSettings,
        *,
        after: int = 0,
        effects: bool = True,
    ) -> None:
        self._store, self._owner, self._thread_id, self._turn = store, owner, thread_id, turn
        self._settings, self._after, self._effects = settings, after, effects
        self._left = False
        self._frames = self._follow()

    async def take(self) -> bytes | None:
        """Return the next frames, a ping if there are none for a while, or None at the end."""
        return await anext(self._frames, None)

    async def has_events(self) -> bool:
        """Return whether the store has events of the turn after the `after`th."""
        chunks = await self._store.load_events(self._owner, self._thread_id, self._turn)
        return bool(chunks) and chunks[-1].first + sum(1 for _ in read_chunk(chunks[-1])) - 1 > self._after

    def client_left(self) -> None:
        """End the response soon."""
        self._left = True

    async def close(self) -> None:
        """Stop watching the turn."""
        await self._frames.aclose()

    async def _follow(self) -> AsyncGenerator[bytes, None]:
        loop, read = asyncio.get_running_loop(), 0
        sent_at = loop.time()
        async with self._store.watch_turn(self._thread_id) as wait:
            while not self._left:
                # The status first: the events of a turn that has ended are complete.
                _, status = await self._store.load_turn(self._owner, self._thread_id)
                runs = status.number == self._turn and status.state == "running"
                chunks = await self._store.load_events(self._owner, self._thread_id, self._turn, after=read)
                read = chunks[-1].first if chunks else read
                frames = self._frames_of(chain.from_iterable(map(read_chunk, chunks)), chunks[0].first if chunks else 1)
                if runs and not status.signals & Signals.WATCHED:
                    await self._store.signal_turn(self._owner, self._thread_id, Signals.WATCHED)
                if frames:
                    yield frames
                    sent_at = loop.time()
                if not runs:
                    if status.number == self._turn and status.state == "expired":
                        yield frame(ErrorEvent(code="custom", message=LOST, allow_retry=True))
                    return
                await wait(self._settings.poll_s)
                if loop.time() - sent_at >= self._settings.ping_s:
                    yield PING
                    sent_at = loop.time()

    def _frames_of(self, entries: Iterable[Entry], first: int) -> bytes:
        listed = list(entries)
        skipped = max(self._after - first + 1, 0)
        new, first = listed[skipped:], first + skipped
        frames = _with_ids(self._turn, first, new, 0 if self._effects else first + len(new))
        if new:
            self._after, self._effects = first + len(new) - 1, True
        return frames


def _with_ids(turn: int, first: int, entries: Sequence[Entry], without_effects_to: int) -> bytes:
    frames: list[bytes] = []
    for number, entry in enumerate(entries, first):
        data = frame(entry) if isinstance(entry, TextDelta) else entry
        if number > without_effects_to or not data.startswith(_EFFECT):
            frames.append(b"id: %d\n%b" % (turn * _EVENTS_PER_TURN + number, data))
    return b"".join(frames)
