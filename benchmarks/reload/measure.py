"""The measurements: each saves versions of one server's project, and watches what its clients see."""

from __future__ import annotations

import asyncio
import time
from statistics import median

from benchmarks.client import BenchmarkError
from benchmarks.figures import Figure, Sample
from benchmarks.project.zero import PACE_S, TEXT
from benchmarks.reload.clients import Client, Tally, stream, wait_for
from benchmarks.reload.servers import Reloading

BROKEN_S = 2.0
_BROKEN_EVERY_S = 0.1
_BROKEN_HANG_S = 2.0
_CALM_S = 1.0
_AT_REST = 9
_WORDS = len(TEXT.split())


async def check_saves(server: Reloading) -> None:
    """Wait until the first version answers, and then a saved one; raise BenchmarkError when none does."""
    # Not sooner: Python takes a module of the same size and the same second for the one that it has compiled.
    await wait_for(server.port, server.first, Tally())
    await wait_for(server.port, server.project.save(), Tally())


async def measure_save(server: Reloading, case: str) -> Sample:
    """Save once while nobody else is there; then take turns without a save, to compare."""
    tally = Tally()
    took_s = await wait_for(server.port, server.project.save(), tally)
    client, rest_s = Client(server.port, tally), []
    try:
        for _ in range(_AT_REST):
            if (answer := await client.ask("stamp")) is None:
                raise BenchmarkError(f"the server {server.name!r} does not answer after a reload")
            rest_s.append(answer.total_s)
    finally:
        client.close()
    return {
        Figure("save to first new answer", case, "ms"): 1000 * took_s,
        Figure("a turn without a save", case, "ms"): 1000 * median(rest_s),
    }


async def measure_load(server: Reloading, case: str, streams: int, saves: int) -> Sample:
    """Save `saves` times while `streams` clients take one turn after the other."""
    streamed, asked, done, took_s = Tally(), Tally(), asyncio.Event(), []
    began, turn_s = time.perf_counter(), _WORDS * PACE_S
    # Spread over a turn, so that a save meets answers that just began and answers that are nearly over.
    starts_s = [turn_s * number / streams for number in range(streams)]
    clients = [asyncio.create_task(stream(server.port, streamed, done, start_s)) for start_s in starts_s]
    try:
        for _ in range(saves):
            await asyncio.sleep(turn_s + _CALM_S)
            took_s.append(await wait_for(server.port, server.project.save(), asked))
        await asyncio.sleep(_CALM_S)
        done.set()
        await asyncio.gather(*clients)
    finally:
        for client in clients:
            client.cancel()
    elapsed_s = time.perf_counter() - began
    longest_stall_s = max(streamed.longest_stall_s, asked.longest_stall_s)
    return {
        Figure("save to first new answer", case, "ms"): 1000 * median(took_s),
        Figure("streams cut", case, "", keep="sum"): streamed.cut + asked.cut,
        Figure("requests failed", case, "", keep="sum"): streamed.failed + asked.failed,
        Figure("longest stall of a request", case, "ms", keep="worst"): 1000 * longest_stall_s,
        Figure("longest gap in a stream", case, "ms", keep="worst"): 1000 * streamed.longest_gap_s,
        Figure("turns per second", case, "1/s", "higher"): streamed.turns / elapsed_s,
    }


async def measure_broken(server: Reloading, case: str) -> Sample:
    """Save a syntax error, ask for two seconds, repair it."""
    tally = Tally()
    server.project.break_off()
    async with asyncio.TaskGroup() as group:
        for number in range(round(BROKEN_S / _BROKEN_EVERY_S)):
            group.create_task(_ask_once(server.port, tally, number * _BROKEN_EVERY_S))
    repaired_s = await wait_for(server.port, server.project.save(), Tally())
    share = 100 * (tally.failed + tally.cut) / (tally.failed + tally.cut + tally.turns)
    return {
        Figure("requests lost after a broken save", case, "%"): share,
        Figure("repair to first new answer", case, "ms"): 1000 * repaired_s,
    }


async def _ask_once(port: int, tally: Tally, after_s: float) -> None:
    client = Client(port, tally, hang_s=_BROKEN_HANG_S)
    await asyncio.sleep(after_s)
    try:
        await client.ask("stamp")
    finally:
        client.close()
