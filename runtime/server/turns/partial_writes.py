"""Write what a running turn has produced so far, a few times a second, so that a crash loses little of it."""

from __future__ import annotations

import asyncio
import logging

from runtime.server.settings import ServerSettings
from runtime.server.turns.leases import HeldLease
from runtime.server.turns.recorder import Recorder
from runtime.server.turns.turn_log import TurnLog, to_chunk
from runtime.stores.turns import TurnLost

logger = logging.getLogger("runtime.server")


class PartialWrites:
    """Writes the events of a turn, once it has run for `partial_after_s`, and the results of its tools.

    A short turn costs a timer, and no write.
    """

    def __init__(self, recorder: Recorder, log: TurnLog, lease: HeldLease, settings: ServerSettings) -> None:
        self._recorder, self._log, self._lease, self._settings = recorder, log, lease, settings
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._written = 0
        self._stopped = False

    @property
    def has_written(self) -> bool:
        """Whether events have been written."""
        return self._written > 0

    def start(self) -> None:
        """Begin to write from time to time."""
        self._began = asyncio.get_running_loop().time()
        self._wait()

    async def stop(self, *, complete: bool) -> None:
        """Stop; with `complete`, write the remaining events."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self._writing is not None:
            await asyncio.wait({self._writing})
        if complete:
            await self._write(self._log.last)

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._settings.partial_every_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        is_old = asyncio.get_running_loop().time() - self._began >= self._settings.partial_after_s
        last = self._log.last if is_old else self._written
        if last == self._written and not self._recorder.has_calls:
            self._wait()
            return
        self._writing = asyncio.create_task(self._write(last), name="partial writes")
        self._writing.add_done_callback(self._written_once)

    def _written_once(self, task: asyncio.Task[None]) -> None:
        self._writing = None
        if not self._stopped:
            self._wait()

    async def _write(self, last: int) -> None:
        """Write the events up to this number, and the results of tools."""
        first, entries = self._log.after(self._written)
        entries = entries[: max(last - first + 1, 0)]
        chunk = to_chunk(first, entries) if entries else None
        try:
            signals = await self._recorder.save(chunk)
        except TurnLost:
            self._lease.hear(None)
        except Exception as error:
            # Tried again with the next ones.
            logger.warning("a partial answer could not be stored: %s: %s", type(error).__name__, error)
        else:
            self._written = last
            self._lease.hear(signals)
