"""The measurements of `benchmarks.turns`: each drives one server for a moment and returns what it saw.

Everything is checked after the clock stopped: an answer that lacks its text or holds an error ends the benchmark, so
a server can't be fast by being wrong.
"""

from __future__ import annotations

import time
from statistics import median

from benchmarks.children import Child
from benchmarks.drive import (
    add_message,
    check_reads,
    check_turns,
    connections_to,
    create_thread,
    drive,
    read_requests,
    thread_id_of,
)
from benchmarks.figures import Figure, Sample, counted


async def measure_turns(child: Child, command: str, streams: int, turns: int) -> Sample:
    """Create `turns` threads with a message each, `streams` at a time."""
    async with connections_to(child, streams) as connections:
        cpu_s, began = child.cpu_s, time.perf_counter()
        answers = await drive(connections, [create_thread(command)] * turns)
        elapsed_s, cpu_s = time.perf_counter() - began, child.cpu_s - cpu_s
    check_turns(answers)
    case = counted(streams, "stream") + (", tool and widget" if command == "tool" else "")
    return {
        Figure("turns per second", case, "1/s", "higher"): turns / elapsed_s,
        Figure("time to first event", case, "ms"): 1000 * median(answer.first_event_s for answer in answers),
        Figure("time to first text", case, "ms"): 1000 * median(answer.first_text_s for answer in answers),
        Figure("CPU per turn", case, "ms"): 1000 * cpu_s / turns,
    }


async def measure_reads(child: Child, requests: int) -> Sample:
    """Ask for the list of threads, one thread, and its items, in turn."""
    sample: Sample = {}
    async with connections_to(child, 1) as [connection]:
        thread_id = thread_id_of(await connection.post(create_thread("short")))
        await drive([connection], [add_message(thread_id, "short")] * 4)
        for case, message in read_requests(thread_id).items():
            cpu_s = child.cpu_s
            answers = await drive([connection], [message] * requests)
            cpu_s = child.cpu_s - cpu_s
            check_reads(child, case, thread_id, answers)
            sample[Figure("CPU per request", case, "ms")] = 1000 * cpu_s / requests
            sample[Figure("time of a request", case, "ms")] = 1000 * median(answer.total_s for answer in answers)
    return sample
