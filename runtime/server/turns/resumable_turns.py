"""Find the turn of a thread whose events a client reads on, or that it stops: in this process or in another one."""

from __future__ import annotations

import asyncio
import time
from itertools import count

from runtime.server.settings import ServerSettings
from runtime.server.turns.followers import EventSource, LogFollower, StoredFollower, read_event_id
from runtime.server.turns.turn import Tasks, Turn
from runtime.server.turns.turn_log import TurnLog
from runtime.stores.store import ThreadStore
from runtime.stores.turns import Signals, TurnStore

_MOST_LOGS = 100


class ResumableTurns:
    """The turns of a server that can be followed; `tasks` are the running ones."""

    def __init__(self, tasks: Tasks, settings: ServerSettings) -> None:
        self._tasks, self._settings = tasks, settings
        # Higher than those of leases, and than those of an earlier process.
        self._numbers = count(int(time.time()))
        self._ended: dict[tuple[str, str, int], TurnLog] = {}
        """The logs of turns, also of those that have ended, where the store keeps none."""

    def next_number(self) -> int:
        """Return a number for a turn that has no lease."""
        return next(self._numbers)

    def keep(self, turn: Turn) -> None:
        """Keep a turn's events for a while after its end."""
        key = *turn.key, turn.number
        self._ended[key] = turn.log
        if len(self._ended) > _MOST_LOGS:
            del self._ended[next(iter(self._ended))]
        loop, keep_s = asyncio.get_running_loop(), self._settings.keep_events_s
        turn.on_end(lambda: loop.call_later(keep_s, self._ended.pop, key, None))

    async def follow(self, store: ThreadStore, owner: str, thread_id: str, event_id: int | None) -> EventSource | None:
        """Return the events of the thread's running turn, or those after an event; None if there are none."""
        turn, number = (None, 0) if event_id is None else read_event_id(event_id)
        log, running = None, self._running(owner, thread_id, turn)
        if running is not None:
            turn, log = running.number, running.log
        elif turn is not None:
            log = self._ended.get((owner, thread_id, turn))
            log = log if log is not None and log.last > number else None
        effects = event_id is not None
        if log is not None and turn is not None:
            return LogFollower(log, turn, self._settings, after=number, effects=effects)
        if not isinstance(store, TurnStore):
            return None
        _, status = await store.load_turn(owner, thread_id)
        if (turn is None and status.state != "running") or turn not in (None, status.number):
            return None
        follower = StoredFollower(store, owner, thread_id, status.number, self._settings, after=number, effects=effects)
        return follower if status.state == "running" or await follower.has_events() else None

    async def stop(self, store: ThreadStore, owner: str, thread_id: str) -> None:
        """Stop the thread's running turn, and wait briefly until what it has produced is stored."""
        running = self._running(owner, thread_id, None)
        if running is not None:
            running.stop()
            await running.wait()
        elif isinstance(store, TurnStore):
            await self._stop_elsewhere(store, owner, thread_id)

    async def _stop_elsewhere(self, store: TurnStore, owner: str, thread_id: str) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.renew_s + self._settings.storing_s
        async with store.watch_turn(thread_id) as wait:
            number = await store.signal_turn(owner, thread_id, Signals.WATCHED | Signals.STOP)
            while number is not None and loop.time() < deadline:
                _, status = await store.load_turn(owner, thread_id)
                if (status.number, status.state) != (number, "running"):
                    return
                await wait(self._settings.poll_s)

    def _running(self, owner: str, thread_id: str, number: int | None) -> Turn | None:
        turns = [turn for turn in set(self._tasks.values()) if turn.key == (owner, thread_id) and turn.is_running]
        if number is not None:
            return next((turn for turn in turns if turn.number == number), None)
        return next((turn for turn in turns if not turn.is_background), None)
