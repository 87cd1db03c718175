"""The measurements of `benchmarks.growth`: what one server does when there is much of something."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks.children import Child
from benchmarks.client import Answer, BenchmarkError
from benchmarks.drive import (
    add_message,
    check_reads,
    check_turns,
    connections_to,
    create_thread,
    drive,
    read_requests,
    thread_id_of,
    widgets_of,
)
from benchmarks.figures import Figure, Sample, counted
from benchmarks.prepare import thread_name

READ_ITEMS = 10
"""How many items the thread holds that is read, the newest of its store."""
_PAGE = 10


def turns_per_thread(items: int) -> int:
    """How many turns a thread takes: each adds two items, and a thread is left when it has grown by a tenth."""
    return max(items // 20, 1)


async def measure_items(child: Child, items: int, turns: int) -> Sample:
    """Take turns in threads that hold about `items` items already, one at a time."""
    begun = child.turns.get(items, 0)
    child.turns[items] = begun + turns
    numbers = [turn // turns_per_thread(items) for turn in range(begun, begun + turns)]
    messages = [add_message(thread_name(items, number), "plain") for number in numbers]
    return await _measure_turns(child, messages, f"thread of {counted(items, 'item')}", "items", items)


async def measure_agents(child: Child, agents: int, turns: int) -> Sample:
    """Take turns of the first agent, from which all others are reached."""
    return await _measure_turns(child, [create_thread("plain")] * turns, counted(agents, "agent"), "agents", agents)


async def measure_threads(child: Child, threads: int, requests: int) -> Sample:
    """Read a page of threads, one thread, and its items, when there are so many threads."""
    sample: Sample = {}
    thread_id = thread_name(READ_ITEMS, 0)
    async with connections_to(child, 1) as [connection]:
        for request, message in read_requests(thread_id, _PAGE).items():
            cpu_s = child.cpu_s
            answers = await drive([connection], [message] * requests)
            cpu_s = child.cpu_s - cpu_s
            check_reads(child, request, thread_id, answers)
            case = f"{request}, {counted(threads, 'thread')}"
            sample |= {
                Figure("CPU per request", case, "ms", series=request, size=threads): 1000 * cpu_s / requests,
                Figure("time of a request", case, "ms", series=request, size=threads): _median_ms(answers),
            }
    return sample


async def measure_approvals(child: Child, agents: int, turns: int) -> Sample:
    """Let the model ask for the user's word, say yes, and measure what goes on from there."""
    async with connections_to(child, 1) as [connection]:
        asked = await drive([connection], [create_thread("archive")] * turns)
        clicks = [_click(answer) for answer in asked]
        cpu_s = child.cpu_s
        answers = await drive([connection], clicks)
        cpu_s = child.cpu_s - cpu_s
    check_turns(answers)
    case = counted(agents, "agent")
    return {
        Figure("CPU per approval", case, "ms", series="agents", size=agents): 1000 * cpu_s / turns,
        Figure("time of an approval", case, "ms", series="agents", size=agents): _median_ms(answers),
    }


async def _measure_turns(child: Child, messages: list[dict[str, Any]], case: str, series: str, size: int) -> Sample:
    async with connections_to(child, 1) as [connection]:
        cpu_s = child.cpu_s
        answers = await drive([connection], messages)
        cpu_s = child.cpu_s - cpu_s
    check_turns(answers)
    text_ms = 1000 * median(answer.first_text_s for answer in answers)
    return {
        Figure("time of a turn", case, "ms", series=series, size=size): _median_ms(answers),
        Figure("time to first text", case, "ms", series=series, size=size): text_ms,
        Figure("CPU per turn", case, "ms", series=series, size=size): 1000 * cpu_s / len(messages),
    }


def _median_ms(answers: Sequence[Answer]) -> float:
    return 1000 * median(answer.total_s for answer in answers)


def _click(asked: Answer) -> dict[str, Any]:
    card = next((item for item in widgets_of(asked) if "confirm" in item["widget"]), None)
    if card is None:
        raise BenchmarkError(f"nobody was asked: {asked.content[-500:]!r}")
    action = card["widget"]["confirm"]["action"]
    params = {"thread_id": thread_id_of(asked), "item_id": card["id"], "action": action}
    return {"type": "threads.custom_action", "params": params}
