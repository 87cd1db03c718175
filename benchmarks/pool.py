"""How many connections a PostgreSQL store needs: what turns do in it, with pools of several sizes.

    python -m benchmarks.pool --store postgresql://… [--quick] [--json FILE]

A turn here is nothing but its statements: the thread, the history, the user's message, the answer and the tokens.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from chatkit.types import AssistantMessageContent, AssistantMessageItem, ThreadMetadata
from rich.console import Console

from benchmarks.figures import Figure, Rounds, Sample
from benchmarks.options import new_parser, positive
from benchmarks.report import publish, summarise
from benchmarks.rounds import Step, run, take
from runtime.resources.token_usage import TokenUsage
from runtime.stores.ids import new_id
from runtime.stores.sql import SqlStore
from runtime.stores.store import ALL_KINDS

SIZES = (1, 2, 5, 10, 20, 40)
SHIPPED = "10"
"""The size that `SqlStore` has by default."""
_OWNER = "benchmark"


@dataclass(frozen=True, slots=True)
class Pool:
    """A store with so many connections, and a thread for each turn that runs at once."""

    name: str
    store: SqlStore
    threads: tuple[str, ...]


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    return run(_main(_parse(arguments)))


async def _main(options: argparse.Namespace) -> int:
    quick = options.quick
    streams, sizes = ((4,), (1, 10)) if quick else ((16, 64), SIZES)
    rounds_count, turns = options.rounds or (1 if quick else 3), options.turns or (8 if quick else 512)
    progress = Console(stderr=True)
    async with AsyncExitStack() as stack:
        pools = [await _open(options.store, size, max(streams), stack) for size in sizes]
        rounds: Rounds = {pool.name: [] for pool in pools}
        for step in _steps(streams, turns, rounds_count):
            await take(step, pools, rounds, progress)
    counts = {"quick": quick, "turns": turns, "rounds": rounds_count}
    note = "columns: how many connections the pool may have"
    publish(summarise(rounds, SHIPPED), tuple(rounds), options.json, counts, note, baseline=SHIPPED)
    return 0


async def _open(url: str, size: int, threads: int, stack: AsyncExitStack) -> Pool:
    store = SqlStore(url, pool_size=size)
    await store.open()
    stack.push_async_callback(store.close)
    made = []
    for _ in range(threads):
        thread = ThreadMetadata(id=new_id("thread"), created_at=datetime.now(UTC))
        await store.create_thread(_OWNER, thread, [_message(thread.id)])
        stack.push_async_callback(store.delete_thread, _OWNER, thread.id)
        made.append(thread.id)
    return Pool(str(size), store, tuple(made))


def _steps(streams: tuple[int, ...], turns: int, rounds: int) -> Iterator[Step[Pool]]:
    for count in streams:
        yield Step(f"{count} turns at once", lambda pool, count=count: _measure(pool, count, max(turns, count)), rounds)


async def _measure(pool: Pool, at_once: int, turns: int) -> Sample:
    numbers = iter(range(turns))

    async def go_on(thread_id: str) -> None:
        for _ in numbers:
            await _turn(pool.store, thread_id)

    cpu_s, began_s = time.process_time(), time.perf_counter()
    await asyncio.gather(*map(go_on, pool.threads[:at_once]))
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
    used = {"zero": TokenUsage(requests=1, input_tokens=10, output_tokens=50)}
    await store.add_usage(_OWNER, thread_id, datetime.now(UTC).date(), used)


def _message(thread_id: str) -> AssistantMessageItem:
    content = [AssistantMessageContent(text="word " * 50)]
    return AssistantMessageItem(
        id=new_id("message"), thread_id=thread_id, created_at=datetime.now(UTC), content=content
    )


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = new_parser("pool", __doc__, "a few turns", rounds=3)
    parser.add_argument(
        "--store", required=True, metavar="URL", help="postgresql://…, a database that may be written to"
    )
    parser.add_argument("--turns", type=positive, help="turns per figure, round and pool (512)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
