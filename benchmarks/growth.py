"""Measure how the cost of turns and requests grows with long threads, many threads and many agents.

    python -m benchmarks.growth [--quick] [--only FIGURES] [--json FILE]

Each round measures every size on one server after another, and each ratio is taken within a round.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.client import (
    Answer,
    Load,
    add_message,
    check_reads,
    check_server,
    connect,
    create_thread,
    read_requests,
    send_load,
    send_turns,
    thread_id_of,
    widgets_of,
)
from benchmarks.harness import HANDWRITTEN, BenchmarkError, Figure, Options, Sample, Session, count_noun, run
from benchmarks.pages import POSTGRES, fill_stores, measure_pages
from benchmarks.projects import Plan, thread_name
from benchmarks.servers import SERVERS, Server, serve_project

FIGURES = ("items", "threads", "agents", "approvals", "pages")
READ_ITEMS = 10
"""The number of items in the thread that is read, the newest of its store."""
_PAGE = 10
_WARM_UP = 4


@dataclass(frozen=True, slots=True)
class Stage:
    """One of FIGURES: what a server holds for each size, the measurement (size, count, server), and the servers."""

    plans: dict[int, Plan]
    measure: Callable[[int, int, Server], Awaitable[Sample]]
    servers: tuple[str, ...]


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    parser = Options("growth", __doc__, "a few turns in small numbers")
    parser.add_size("--rounds", 5, 1, "rounds per figure")
    parser.add_names("--only", FIGURES)
    parser.add_names("--servers", SERVERS)
    parser.add_size("--items", (10, 1000, 5000), (10, 40), "items in a thread")
    parser.add_size("--threads", (10, 1000, 10000), (10, 40), "threads in the store")
    parser.add_size("--agents", (1, 100, 1000), (1, 12), "agents that handoffs reach")
    parser.add_size(
        "--pages", (100, 1_000_000), (100, 4000), "threads in a store, and a tenth as many items, at least 100"
    )
    parser.add_argument("--postgres", metavar="URL", help="postgresql://…, where `pages` may create databases")
    parser.add_size("--turns", 32, 2, "turns per figure, size, round and server")
    return run(_main(parser.parse(arguments)))


async def _main(options: argparse.Namespace) -> int:
    with_postgres = options.postgres is not None and "pages" in options.only
    session = Session((*options.servers, *([POSTGRES] * with_postgres)))
    for figure in options.only:
        if figure == "pages":
            await _measure_pages(options, session)
            continue
        stage = _stage(figure, options)
        if stage.servers:
            await _measure_stage(figure, stage, options, session)
    session.publish(options, "turns")
    return 0


async def _measure_stage(figure: str, stage: Stage, options: argparse.Namespace, session: Session) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        started: dict[Plan, dict[str, Server]] = {}
        for number, plan in enumerate(dict.fromkeys(stage.plans.values())):
            session.log(f"{figure}: filling servers")
            started[plan] = {
                name: await stack.enter_async_context(
                    serve_project(name, folder / str(number), plan, fork=options.quick)
                )
                for name in stage.servers
            }
            for server in started[plan].values():
                await check_server(server)
        for size, plan in stage.plans.items():
            for server in started[plan].values():
                await stage.measure(size, _WARM_UP, server)
        for number in range(options.rounds):
            for size, plan in stage.plans.items():
                label = f"{figure} with {size:,}: round {number + 1} of {options.rounds}"
                take = partial(stage.measure, size, options.turns)
                await session.measure_round(label, started[plan], take, number)


async def _measure_pages(options: argparse.Namespace, session: Session) -> None:
    """Measure stores without a server: what a server adds does not depend on their size."""
    if "sqlite" not in options.servers:
        return
    sizes = [(max(threads // 10, 100), threads) for threads in options.pages]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        async with fill_stores(Path(folder), options.postgres, sizes, session.log) as stores:
            for number in range(options.rounds):
                for (items, threads), databases in stores.items():
                    label = f"pages with {threads:,}: round {number + 1} of {options.rounds}"
                    take = partial(measure_pages, items, threads, options.turns * 4)
                    await session.measure_round(label, databases, take, number)


def _stage(figure: str, options: argparse.Namespace) -> Stage:
    if figure == "items":
        turns = options.rounds * options.turns + _WARM_UP
        # One store holds the threads of every length, enough of each that none grows by more than a tenth.
        plan = Plan(tuple((items, -(-turns // turns_per_thread(items))) for items in options.items))
        return Stage(dict.fromkeys(options.items, plan), partial(measure_items, Counter()), options.servers)
    if figure == "threads":
        plans = {threads: Plan(((2, threads - 1), (READ_ITEMS, 1))) for threads in options.threads}
        return Stage(plans, measure_threads, options.servers)
    plans = {agents: Plan(agents=agents) for agents in options.agents}
    if figure == "agents":
        return Stage(plans, measure_agents, options.servers)
    # The handwritten server has no approvals.
    return Stage(plans, measure_approvals, tuple(name for name in options.servers if name != HANDWRITTEN))


def turns_per_thread(items: int) -> int:
    """Return the number of turns in a thread: each adds two items, and a thread may grow by a tenth."""
    return max(items // 20, 1)


async def measure_items(taken: Counter[tuple[str, int]], items: int, turns: int, server: Server) -> Sample:
    """Take turns in threads with about `items` items, one at a time; `taken` counts the turns on each server."""
    begun = taken[server.name, items]
    taken[server.name, items] += turns
    numbers = [turn // turns_per_thread(items) for turn in range(begun, begun + turns)]
    load = await send_turns(server, [add_message(thread_name(items, number), "plain") for number in numbers])
    return _turn_figures(load, f"thread of {count_noun(items, 'item')}", "items", items)


async def measure_agents(agents: int, turns: int, server: Server) -> Sample:
    """Take turns of the first agent, one at a time."""
    load = await send_turns(server, [create_thread("plain")] * turns)
    return _turn_figures(load, count_noun(agents, "agent"), "agents", agents)


async def measure_threads(threads: int, requests: int, server: Server) -> Sample:
    """Read a page of threads, one thread, and its items."""
    sample: Sample = {}
    thread_id = thread_name(READ_ITEMS, 0)
    async with connect(server) as connections:
        for request, message in read_requests(thread_id, _PAGE).items():
            load = await send_load(server, connections, [message] * requests)
            check_reads(server, request, thread_id, load.answers)
            case = f"{request}, {count_noun(threads, 'thread')}"
            sample |= {
                Figure("CPU per request", case, "ms", series=request, size=threads): load.cpu_ms,
                Figure("time of a request", case, "ms", series=request, size=threads): load.median_ms("total_s"),
            }
    return sample


async def measure_approvals(agents: int, turns: int, server: Server) -> Sample:
    """Call a tool that needs approval, approve, and measure from the click to the end of the answer."""
    asked = (await send_turns(server, [create_thread("archive")] * turns, check=False)).answers
    load = await send_turns(server, [_click(answer) for answer in asked])
    case = count_noun(agents, "agent")
    return {
        Figure("CPU per approval", case, "ms", series="agents", size=agents): load.cpu_ms,
        Figure("time of an approval", case, "ms", series="agents", size=agents): load.median_ms("total_s"),
    }


def _turn_figures(load: Load, case: str, series: str, size: int) -> Sample:
    return {
        Figure("time of a turn", case, "ms", series=series, size=size): load.median_ms("total_s"),
        Figure("time to first text", case, "ms", series=series, size=size): load.median_ms("first_text_s"),
        Figure("CPU per turn", case, "ms", series=series, size=size): load.cpu_ms,
    }


def _click(asked: Answer) -> dict[str, Any]:
    card = next((item for item in widgets_of(asked) if "confirm" in item["widget"]), None)
    if card is None:
        raise BenchmarkError(f"no approval was requested: {asked.content[-500:]!r}")
    action = card["widget"]["confirm"]["action"]
    params = {"thread_id": thread_id_of(asked), "item_id": card["id"], "action": action}
    return {"type": "threads.custom_action", "params": params}


if __name__ == "__main__":
    sys.exit(main())
