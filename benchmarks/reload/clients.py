"""Clients that don't stop at a failure: what a reload does to them is what is measured."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from benchmarks.client import Answer, BenchmarkError, Connection
from benchmarks.drive import create_thread
from benchmarks.project.zero import TEXT
from benchmarks.reload.projects import Save

HANG_S = 20.0
"""A request whose answer does not begin or go on for so long has failed, in seconds."""

_LOOK_S = 0.01
_LIMIT_S = 60.0
_PAUSE_S = 0.05
_TEXT = TEXT.encode()
_ERROR = b'"type":"error"'


@dataclass(slots=True)
class Tally:
    """What clients lived through; times in seconds."""

    turns: int = 0
    cut: int = 0
    failed: int = 0
    longest_stall_s: float = 0.0
    longest_gap_s: float = 0.0


class GapConnection(Connection):
    """A connection that remembers the longest silence in its answer, from the first text to the end."""

    _last = 0.0
    longest_gap_s = 0.0

    def data_received(self, data: bytes) -> None:
        """Note how long nothing came."""
        now = time.perf_counter()
        if self._first_text_s:
            self.longest_gap_s = max(self.longest_gap_s, now - self._last)
        self._last = now
        super().data_received(data)


class Client:
    """Keeps one connection, as a browser does, and opens another one when the server has hung up."""

    def __init__(self, port: int, tally: Tally, hang_s: float = HANG_S) -> None:
        self._port = port
        self._tally = tally
        self._hang_s = hang_s
        self._connection: GapConnection | None = None

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def ask(self, command: str) -> Answer | None:
        """Say `command` in a new thread; None for an answer that failed or was cut, which the tally then knows."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._hang_s):
                answer = await self._send(command)
        except (OSError, BenchmarkError, TimeoutError):
            self._lost(began)
            return None
        self._tally.longest_stall_s = max(self._tally.longest_stall_s, _stall_s(answer, began))
        if answer.status != 200:
            self._tally.failed += 1
            return None
        assert self._connection
        self._tally.longest_gap_s = max(self._tally.longest_gap_s, self._connection.longest_gap_s)
        if _ERROR in answer.content:
            self._tally.cut += 1
            return None
        self._tally.turns += 1
        return answer

    async def _send(self, command: str) -> Answer:
        kept = self._connection
        if kept is not None and kept.is_open:
            try:
                return await self._post(kept, command)
            except BenchmarkError:
                # Browsers send again what they wrote into a kept connection that was closed before any answer.
                if kept.has_begun:
                    raise
        self._connection = await GapConnection.open(self._port)
        return await self._post(self._connection, command)

    async def _post(self, connection: GapConnection, command: str) -> Answer:
        connection.longest_gap_s = 0.0
        return await connection.post(create_thread(command))

    def _lost(self, began: float) -> None:
        if self._connection is not None and self._connection.has_begun:
            self._tally.cut += 1
        else:
            self._tally.failed += 1
            self._tally.longest_stall_s = max(self._tally.longest_stall_s, time.perf_counter() - began)
        self.close()


async def stream(port: int, tally: Tally, done: asyncio.Event, after_s: float) -> None:
    """Take one turn after the other, from `after_s` seconds on until `done`; an open turn is brought to its end."""
    client = Client(port, tally)
    await asyncio.sleep(after_s)
    try:
        while not done.is_set():
            answer = await client.ask("paced")
            if answer is None:
                # Somebody who tries again takes a moment.
                await asyncio.sleep(_PAUSE_S)
            elif _TEXT not in answer.content:
                raise BenchmarkError(f"an answer lacks its text: {answer.content[-500:]!r}")
    finally:
        client.close()


async def wait_for(port: int, save: Save, tally: Tally) -> float:
    """Ask until a saved version answers; return how long that took from its last byte, in seconds."""
    deadline = save.at + _LIMIT_S
    while time.perf_counter() < deadline:
        client = Client(port, tally)
        try:
            answer = await client.ask("stamp")
        finally:
            client.close()
        if answer is not None and save.stamp in answer.content:
            return time.perf_counter() - save.at
        await asyncio.sleep(_LOOK_S)
    raise BenchmarkError(f"a saved version did not answer within {_LIMIT_S:.0f} s")


def _stall_s(answer: Answer, began: float) -> float:
    # The answer's own clock starts when it is sent for the last time; a client waits from the first.
    return time.perf_counter() - began - answer.total_s + (answer.first_event_s or answer.total_s)
