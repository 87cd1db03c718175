"""Measure a turn and a request of the runtime against a handwritten ChatKit backend.

python -m benchmarks.turns [--quick] [--only FIGURES] [--json FILE]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from benchmarks.client import (
    add_message,
    check_reads,
    check_server,
    connect,
    create_thread,
    read_requests,
    send_load,
    send_turns,
    thread_id_of,
)
from benchmarks.harness import Figure, Line, Options, Sample, Session, count_noun, run
from benchmarks.servers import ENCRYPTED, SECURED, SERVERS, Server, serve_project

FIGURES = ("turns", "tool", "reads")


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    parser = Options("turns", __doc__, "a few turns of everything")
    parser.add_size("--rounds", 5, 1, "rounds per figure")
    parser.add_size("--turns", 128, 8, "turns per figure, round and server")
    parser.add_names("--only", FIGURES)
    parser.add_names("--servers", (*SERVERS, SECURED, ENCRYPTED), SERVERS)
    parser.add_argument("--gate", type=float, metavar="RATIO", help="exit with 1 if the CPU of a turn is above RATIO")
    return run(_main(parser.parse(arguments)))


async def _main(options: argparse.Namespace) -> int:
    session = Session(options.servers)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        servers = {
            name: await stack.enter_async_context(serve_project(name, folder, fork=options.quick))
            for name in options.servers
        }
        for server in servers.values():
            session.log(f"{server.name} is process {server.pid}")
        events = {name: await check_server(server) for name, server in servers.items()}
        for server in servers.values():
            await measure_turns("plain", 4, min(options.turns, 32), server)
        for command, streams in _loads(options):
            turns = max(options.turns, streams) if command == "plain" else options.turns
            label = f"{command} turns, {streams} at once"
            await session.measure(label, servers, partial(measure_turns, command, streams, turns), options.rounds)
        if "reads" in options.only:
            await session.measure("reads", servers, partial(measure_reads, options.turns), options.rounds)
    lines = session.publish(options, "turns", events_per_turn=events)
    return 0 if options.gate is None else _check_gate(lines, options.gate)


def _loads(options: argparse.Namespace) -> list[tuple[str, int]]:
    """Return commands of the model, and how many turns run at once."""
    plain = [("plain", streams) for streams in ((1, 4) if options.quick else (1, 16, 64))]
    tool = [("tool", 4 if options.quick else 16)]
    return ("turns" in options.only) * plain + ("tool" in options.only) * tool


def _check_gate(lines: list[Line], most: float) -> int:
    """Return 1, and print why, if the CPU of a turn is above this share of the handwritten server's."""
    too_high = [
        f"{line.figure.case}, {server}: {ratio:.2f}"
        for line in lines
        if line.figure.name == "CPU per turn"
        for server, ratio in line.ratios.items()
        if ratio > most
    ]
    for text in too_high:
        print(f"error: the CPU of a turn is more than {most} of the handwritten server's: {text}", file=sys.stderr)
    return 1 if too_high else 0


async def measure_turns(command: str, streams: int, turns: int, server: Server) -> Sample:
    """Take `turns` turns, each in a new thread, `streams` at a time."""
    load = await send_turns(server, [create_thread(command)] * turns, streams)
    case = count_noun(streams, "stream") + (", tool and widget" if command == "tool" else "")
    return {
        Figure("turns per second", case, "1/s", "higher", wanted=1.5): turns / load.elapsed_s,
        Figure("time to first event", case, "ms", wanted=0.15): load.median_ms("first_event_s"),
        Figure("time to first text", case, "ms", wanted=0.4): load.median_ms("first_text_s"),
        Figure("CPU per turn", case, "ms", wanted=0.5): load.cpu_ms,
    }


async def measure_reads(requests: int, server: Server) -> Sample:
    """Read the list of threads, one thread, and its items."""
    sample: Sample = {}
    async with connect(server) as connections:
        thread_id = thread_id_of(await connections[0].post(create_thread("short")))
        await send_load(server, connections, [add_message(thread_id, "short")] * 4)
        for case, message in read_requests(thread_id).items():
            load = await send_load(server, connections, [message] * requests)
            check_reads(server, case, thread_id, load.answers)
            sample[Figure("CPU per request", case, "ms", wanted=0.15)] = load.cpu_ms
            sample[Figure("time of a request", case, "ms")] = load.median_ms("total_s")
    return sample


if __name__ == "__main__":
    sys.exit(main())
