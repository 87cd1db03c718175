"""Write what the running turns have produced so far, a few times a second, so that a crash loses little of it."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Iterable

from runtime.server.settings import ServerSettings
from runtime.server.turns.leases import HeldLease
from runtime.server.turns.recorder import Recorder
from runtime.server.turns.turn_log import TurnLog, to_chunk
from runtime.stores.turns import EventChunk, LastEvents, Signals, TurnLost, TurnStore

logger = logging.getLogger("runtime.server")

_LOOKS = 5
"""How often a turn is looked at while its events may wait."""


class PartialWriter:
    """Writes the events of all turns of this process together: one transaction for each store.

    What a turn has produced is written once it has waited for `partial_every_s`: a short turn costs no write. The
    results of its tools are written with its events, in a transaction of their own.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self.every_s, self.keep_events_s = settings.partial_every_s, settings.keep_events_s
        self.pause_s = self.every_s / _LOOKS
        """The time between two looks."""
        self._turns: set[PartialWrites] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None

    def add(self, turn: PartialWrites) -> None:
        """Write what this turn produces."""
        self._turns.add(turn)
        if self._timer is None and self._writing is None:
            self._wait()

    async def remove(self, turn: PartialWrites) -> None:
        """Write nothing more of this turn."""
        self._turns.discard(turn)
        if self._writing is not None and turn.is_being_written:
            await asyncio.wait({self._writing})

    def _wait(self) -> None:
        # One timer for all turns.
        self._timer = asyncio.get_running_loop().call_later(self.pause_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        due = [turn for turn in self._turns if turn.take_due(now)]
        if due:
            self._writing = asyncio.create_task(_write(due), name="partial writes")
            self._writing.add_done_callback(self._written)
        elif self._turns:
            self._wait()

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writing = None
        if self._turns:
            self._wait()


class PartialWrites:
    """The events of one turn, as far as they are written."""

    def __init__(self, recorder: Recorder, log: TurnLog, lease: HeldLease, writer: PartialWriter) -> None:
        self._recorder, self._log, self.lease, self._writer = recorder, log, lease, writer
        self._whole_at = asyncio.get_running_loop().time()
        """Until when everything is written, or being written."""
        self._last = self._written = 0
        self.is_being_written = False
        writer.add(self)

    @property
    def has_calls(self) -> bool:
        """Whether there are calls or results of tools that are not written yet."""
        return self._recorder.has_calls

    def take_due(self, now: float) -> bool:
        """Return whether something would have waited for too long at the next look, and is to be written now."""
        waits = self._log.last > self._written or self.has_calls
        self.is_being_written = waits and now + self._writer.pause_s > self._whole_at + self._writer.every_s
        if self.is_being_written or not waits:
            self._last, self._whole_at = self._log.last, now
        return self.is_being_written

    def chunk(self) -> EventChunk | None:
        """Return the events that are due, or None."""
        first, entries = self._log.after(self._written)
        entries = entries[: max(self._last - first + 1, 0)]
        return to_chunk(first, entries) if entries else None

    async def save(self) -> Signals | None:
        """Write the calls and results, and the events that are due; return None if the lease was lost."""
        try:
            return await self._recorder.save(self.chunk())
        except TurnLost:
            return None

    def done(self, signals: Signals | None) -> None:
        """Take note of a write that has succeeded, or of a lost lease."""
        if signals is not None:
            self._written = self._last
        self.lease.notify(signals)

    async def end(self, *, resumes: bool) -> LastEvents | None:
        """Stop; return the events for the end of the turn, None if none are written and nobody reads on."""
        await self._writer.remove(self)
        if not (resumes or self._written):
            return None
        self._last = self._log.last
        return LastEvents(self.chunk(), self._writer.keep_events_s, resumes)


async def _write(turns: list[PartialWrites]) -> None:
    together: defaultdict[TurnStore, list[PartialWrites]] = defaultdict(list)
    writes: list[Awaitable[None]] = []
    for turn in turns:
        if turn.has_calls:
            writes.append(_write_alone(turn))
        else:
            together[turn.lease.store].append(turn)
    writes += [_write_together(store, of_store) for store, of_store in together.items()]
    await asyncio.gather(*writes)
    for turn in turns:
        turn.is_being_written = False


async def _write_alone(turn: PartialWrites) -> None:
    try:
        turn.done(await turn.save())
    except Exception as error:
        _warn(error)


async def _write_together(store: TurnStore, turns: Iterable[PartialWrites]) -> None:
    chunks = {turn: chunk for turn in turns if (chunk := turn.chunk()) is not None}
    try:
        signals = await store.write_events({turn.lease.lease: chunk for turn, chunk in chunks.items()})
    except Exception as error:
        _warn(error)
        return
    for turn in chunks:
        turn.done(signals.get(turn.lease.lease))


def _warn(error: Exception) -> None:
    # Tried again with the next events.
    logger.warning("a partial answer could not be stored: %s: %s", type(error).__name__, error)
