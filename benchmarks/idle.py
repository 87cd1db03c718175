"""Measure the memory and CPU of open streams on which nothing happens.

    python -m benchmarks.idle [--quick] [--streams 200,1000] [--seconds 5] [--json FILE]

Each measurement has a new server: memory that was used and freed before would hide the memory of a stream.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from benchmarks.client import Connection, check_turns, connect, create_thread
from benchmarks.harness import Figure, Options, Sample, Session, count_noun, run
from benchmarks.servers import SERVERS, Server, serve_project

_SPARE_FILES = 200


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    parser = Options("idle", __doc__, "a few streams for a moment")
    parser.add_size("--rounds", 1, 1, "rounds per figure")
    parser.add_size("--streams", (200, 1000), (8,), "streams that are open at once")
    parser.add_size("--seconds", 5, 1, "seconds during which nothing happens")
    parser.add_names("--servers", SERVERS)
    return run(_main(parser.parse(arguments)))


async def _main(options: argparse.Namespace) -> int:
    allow_files(max(options.streams) * 5 // 4)
    session, servers = Session(options.servers), {name: name for name in options.servers}
    for streams in options.streams:
        take = partial(_measure_new_server, streams, options)
        await session.measure(f"{streams:,} idle streams", servers, take, options.rounds)
    session.publish(options, "seconds")
    return 0


async def _measure_new_server(streams: int, options: argparse.Namespace, name: str) -> Sample:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        async with serve_project(name, Path(folder), fork=options.quick) as server:
            return await measure_idle(server, streams, options.seconds)


async def measure_idle(server: Server, streams: int, seconds: float) -> Sample:
    """Hold streams open in the middle of an answer; the first quarter pays for what all share, and is not counted."""
    first = max(streams // 4, 1)
    async with connect(server, first + streams) as connections:
        await _hold(connections[:first])
        before = server.resident_bytes
        await _hold(connections[first:])
        grown = server.resident_bytes - before
        cpu_s = server.cpu_s
        await asyncio.sleep(seconds)
        cpu_s = server.cpu_s - cpu_s
        async with connect(server) as [releasing]:
            await releasing.post(create_thread("release"))
        check_turns([await connection.answer() for connection in connections])
    case = count_noun(streams, "idle stream")
    return {
        Figure("memory per open stream", case, "KiB", wanted=0.7): grown / streams / 1024,
        Figure("CPU per second while idle", case, "ms"): 1000 * cpu_s / seconds,
    }


async def _hold(connections: Iterable[Connection]) -> None:
    for connection in connections:
        connection.send(create_thread("hold"))
        await connection.text()


def allow_files(streams: int) -> None:
    """Let this process, and the servers that it starts, open a file for each stream, and some more."""
    # A stream is an open file on both sides; the servers inherit this limit.
    wanted = streams + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


if __name__ == "__main__":
    sys.exit(main())
