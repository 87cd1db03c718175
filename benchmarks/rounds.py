"""What every benchmark does alike: rounds that measure each server in turn, and how a run ends."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import uvloop
from rich.console import Console

from benchmarks.client import BenchmarkError
from benchmarks.figures import Rounds, Sample

_STEP_S = 180.0


class Named(Protocol):
    """A server that is measured."""

    @property
    def name(self) -> str: ...


Server = TypeVar("Server", bound=Named)


@dataclass(frozen=True, slots=True)
class Step(Generic[Server]):
    """One measurement, and in how many rounds it is taken."""

    label: str
    measure: Callable[[Server], Awaitable[Sample]]
    rounds: int


def run(main: Coroutine[Any, Any, int]) -> int:
    """Run a benchmark to its exit code: 1 when it can't go on, 130 when somebody stops it."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_until_sigterm(main))
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130


async def take(step: Step[Server], servers: Sequence[Server], rounds: Rounds, progress: Console) -> None:
    """Measure the servers one after the other in each round; add the samples to `rounds`; may raise BenchmarkError."""
    for number in range(step.rounds):
        await take_round(step, number, servers, rounds, progress)


async def take_round(
    step: Step[Server], number: int, servers: Sequence[Server], rounds: Rounds, progress: Console
) -> None:
    """Take the round `number`, from 0, of a step."""
    # Who comes first changes, so that being first helps nobody.
    for server in servers if number % 2 == 0 else servers[::-1]:
        progress.print(f"{step.label}: round {number + 1} of {step.rounds}, {server.name}", highlight=False)
        try:
            async with asyncio.timeout(_STEP_S):
                rounds[server.name].append(await step.measure(server))
        except TimeoutError:
            raise BenchmarkError(f"{step.label} on {server.name!r} took longer than {_STEP_S:.0f} s") from None


async def _until_sigterm(main: Coroutine[Any, Any, int]) -> int:
    task = asyncio.current_task()
    assert task
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await main
