"""Measure the statements of turns in a PostgreSQL store, with connection pools of several sizes.

    python -m benchmarks.pool --store postgresql://… [--quick] [--json FILE]

A turn here is only its statements: the thread, the history, the user's message, the answer and the token usage.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from chatkit.types import AssistantMessageContent, AssistantMessageItem, ThreadMetadata

from benchmarks.harness import Figure, Options, Sample, Session, run
from runtime.resources.token_usage import TokenUsage
from runtime.stores.ids import new_id
from runtime.stores.sql import SqlStore
from runtime.stores.store import ALL_KINDS

SIZES = (1, 2, 5, 10, 20, 40)
SHIPPED = "10"
"""The default size of `SqlStore`."""
_OWNER = "benchmark"


@dataclass(frozen=True, slots=True)
class Pool:
    """A store with a pool of one size, and a thread for each turn that runs at once."""

    store: SqlStore
    threads: tuple[str, ...]


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    parser = Options("pool", __doc__, "a few turns")
    parser.add_argument("--store", required=True, metavar="URL", help="postgresql://…, a database to write to")
    parser.add_size("--rounds", 3, 1, "rounds per figure")
    parser.add_size("--turns", 512, 8, "turns per figure, round and pool")
    return run(_main(parser.parse(arguments)))


async def _main(options: argparse.Namespace) -> int:
    streams, sizes = ((4,), (1, 10)) if options.quick else ((16, 64), SIZES)
    session = Session(map(str, sizes), SHIPPED)
    async with AsyncExitStack() as stack:
        pools = {str(size): await _open(options.store, size, max(streams), stack) for size in sizes}
        for count in streams:
            take = partial(_measure, count, max(options.turns, count))
            await session.measure(f"{count} turns at once", pools, take, options.rounds)
    session.publish(options, "turns", notes=["columns: how many connections the pool may have"])
    return 0


async def _open(url: str, size: int, threads: int, stack: AsyncExitStack) -> Pool:
    store = SqlStore(url, connections=size)
    await store.open()
    stack.push_async_callback(store.close)
    ids = []
    for _ in range(threads):
        thread = ThreadMetadata(id=new_id("thread"), created_at=datetime.now(UTC))
        await store.create_thread(_OWNER, thread, [_message(thread.id)])
        stack.push_async_callback(store.delete_thread, _OWNER, thread.id)
        ids.append(thread.id)
    return Pool(store, tuple(ids))


async def _measure(at_once: int, turns: int, pool: Pool) -> Sample:
    numbers = iter(range(turns))

    async def take_turns(thread_id: str) -> None:
        for _ in numbers:
            await _turn(pool.store, thread_id)

    cpu_s, began_s = time.process_time(), time.perf_counter()
    await asyncio.gather(*map(take_turns, pool.threads[:at_once]))
    took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    case = f"{at_once} at once"
    return {
        Figure("turns' statements", case, "1/s", better="higher"): turns / took_s,
        Figure("CPU of a turn's statements", case, "ms"): cpu_s / turns * 1000,
    }


async def _turn(store: SqlStore, thread_id: str) -> None:
    await store.load_thread(_OWNER, thread_id)
    await store.load_items(_OWNER, thread_id, limit=20, kinds=ALL_KINDS)
    await store.write_items(_OWNER, thread_id, [_message(thread_id)])
    await store.write_items(_OWNER, thread_id, [_message(thread_id)])
    used = {"instant": TokenUsage(requests=1, input_tokens=10, output_tokens=50)}
    await store.add_usage(_OWNER, thread_id, datetime.now(UTC).date(), used)


def _message(thread_id: str) -> AssistantMessageItem:
    content = [AssistantMessageContent(text="word " * 50)]
    return AssistantMessageItem(
        id=new_id("message"), thread_id=thread_id, created_at=datetime.now(UTC), content=content
    )


if __name__ == "__main__":
    sys.exit(main())
