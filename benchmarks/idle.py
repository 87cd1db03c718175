"""Hold streams open on which nothing happens, and print what each takes of memory and of the processor.

    python -m benchmarks.idle [--quick] [--streams 200,1000] [--seconds 5] [--json FILE]

Each measurement has a process of its own: memory that was used and freed before would hide what a stream takes.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.children import Child, run_server
from benchmarks.client import Connection
from benchmarks.drive import check_turns, connections_to, create_thread
from benchmarks.figures import Figure, Rounds, Sample, counted
from benchmarks.options import add_names, new_parser, positive, sizes
from benchmarks.report import publish, summarise
from benchmarks.rounds import Step, run, take

_SPARE_FILES = 200


@dataclass(frozen=True, slots=True)
class Server:
    """The name of a server that is started for each measurement."""

    name: str


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    return run(_main(_parse(arguments)))


async def _main(options: argparse.Namespace) -> int:
    _allow_files(max(options.streams) * 5 // 4 + _SPARE_FILES)
    rounds: Rounds = {server: [] for server in options.servers}
    servers = [Server(name) for name in options.servers]
    for streams in options.streams:
        await take(_step(streams, options), servers, rounds, Console(stderr=True))
    counts = {"quick": options.quick, "rounds": options.rounds, "seconds": options.seconds}
    publish(summarise(rounds), options.servers, options.json, counts)
    return 0


def _step(streams: int, options: argparse.Namespace) -> Step[Server]:
    async def measure(server: Server) -> Sample:
        with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
            async with run_server(server.name, Path(folder)) as child:
                return await measure_idle(child, streams, options.seconds)

    return Step(f"{streams:,} idle streams", measure, options.rounds)


async def measure_idle(child: Child, streams: int, seconds: float) -> Sample:
    """Hold streams open in the middle of an answer; the first ones also pay for what all share, and are not counted."""
    first = max(streams // 4, 1)
    async with connections_to(child, first + streams) as connections:
        await _hold(connections[:first])
        before = child.resident_bytes
        await _hold(connections[first:])
        grown = child.resident_bytes - before
        cpu_s = child.cpu_s
        await asyncio.sleep(seconds)
        cpu_s = child.cpu_s - cpu_s
        async with connections_to(child, 1) as [releasing]:
            await releasing.post(create_thread("release"))
        check_turns([await connection.answer() for connection in connections])
    case = counted(streams, "idle stream")
    return {
        Figure("memory per open stream", case, "KiB"): grown / streams / 1024,
        Figure("CPU per second while idle", case, "ms"): 1000 * cpu_s / seconds,
    }


async def _hold(connections: Iterable[Connection]) -> None:
    for connection in connections:
        connection.send(create_thread("hold"))
        await connection.text()


def _allow_files(wanted: int) -> None:
    # A stream is an open file on both sides; the servers inherit what is allowed here.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = new_parser("idle", __doc__, "a few streams for a moment", rounds=1)
    add_names(parser, "--servers")
    parser.add_argument("--streams", type=sizes, help="how many streams are open at once (200,1000)")
    parser.add_argument("--seconds", type=positive, help="for how long nothing happens (5)")
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or 1
    options.streams = options.streams or ((8,) if options.quick else (200, 1000))
    options.seconds = options.seconds or (1 if options.quick else 5)
    return options


if __name__ == "__main__":
    sys.exit(main())
