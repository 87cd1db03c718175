"""Measure many streams that one process sends at once for a while: the wait for the first event, memory and CPU.

    python -m benchmarks.streams [--quick] [--streams 300] [--seconds 60] [--json FILE]

Each client streams one slow answer after another, so the number of open streams stays the same.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import quantiles

from benchmarks.client import Answer, Connection, check_turns, connect, create_thread
from benchmarks.harness import Figure, Options, Sample, Session, count_noun, run
from benchmarks.idle import allow_files
from benchmarks.project.instant_model import DELTAS, PACES_S
from benchmarks.servers import SERVERS, Server, serve_project


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    parser = Options("streams", __doc__, "a few streams for a moment")
    parser.add_size("--rounds", 1, 1, "rounds per figure")
    parser.add_size("--streams", 300, 8, "streams that are open at once")
    parser.add_size("--seconds", 60, 1, "seconds during which turns begin")
    parser.add_names("--servers", SERVERS)
    return run(_main(parser.parse(arguments)))


async def _main(options: argparse.Namespace) -> int:
    allow_files(options.streams)
    session, servers = Session(options.servers), {name: name for name in options.servers}
    take = partial(_measure_new_server, options)
    await session.measure(f"{options.streams:,} streams", servers, take, options.rounds)
    session.publish(options, "streams", "seconds")
    return 0


async def _measure_new_server(options: argparse.Namespace, name: str) -> Sample:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        async with serve_project(name, Path(folder), fork=options.quick) as server:
            command = "paced" if options.quick else "slow"
            return await measure_streams(server, command, options.streams, options.seconds)


async def measure_streams(server: Server, command: str, streams: int, seconds: float) -> Sample:
    """Stream answers on `streams` connections; new ones begin for `seconds`, and all are read to their end."""
    turn_s = len(DELTAS) * PACES_S[command]
    async with connect(server, streams) as connections:
        check_turns([await connections[0].post(create_thread("plain"))])
        before, cpu_s, began = server.resident_bytes, server.cpu_s, time.perf_counter()
        clients = [
            asyncio.create_task(_stream(connection, command, turn_s * number / streams, began + seconds))
            for number, connection in enumerate(connections)
        ]
        await asyncio.sleep(seconds)
        elapsed_s, cpu_s = time.perf_counter() - began, server.cpu_s - cpu_s
        grown = server.resident_bytes - before
        answers = [answer for answers in await asyncio.gather(*clients) for answer in answers]
    check_turns(answers)
    case = count_noun(streams, "slow stream")
    return {
        Figure("median time to first event", case, "ms"): _percentile(answers, "first_event_s", 50),
        Figure("99th percentile of the time to first event", case, "ms"): _percentile(answers, "first_event_s", 99),
        Figure("99th percentile of an answer's longest silence", case, "ms"): _percentile(answers, "longest_gap_s", 99),
        Figure("memory per slow stream", case, "KiB"): grown / streams / 1024,
        Figure("CPU per second of slow streams", case, "ms"): 1000 * cpu_s / elapsed_s,
    }


async def _stream(connection: Connection, command: str, delay_s: float, until: float) -> list[Answer]:
    """Stream one answer after another; `delay_s` spreads the clients over the length of an answer."""
    await asyncio.sleep(delay_s)
    answers = [await connection.post(create_thread(command))]
    while time.perf_counter() < until:
        answers.append(await connection.post(create_thread(command)))
    return answers


def _percentile(answers: list[Answer], moment: str, percent: int) -> float:
    """Return a percentile of a time of the answers, in milliseconds."""
    return 1000 * quantiles([getattr(answer, moment) for answer in answers], n=100, method="inclusive")[percent - 1]


if __name__ == "__main__":
    sys.exit(main())
