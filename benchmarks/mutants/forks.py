"""Work in a child that has every import of this process and nothing to lose: it may hang, exit, or change anything."""

from __future__ import annotations

import gc
import json
import os
import pickle
import resource
import select
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, BinaryIO, TypeVar

T = TypeVar("T")
_DIES_AFTER_S = 60
"""How much longer than its limit, of the processor's time, a child may live whose parent is gone."""


def in_child(work: Callable[[], dict[str, Any]], limit_s: float) -> dict[str, Any]:
    """Return what `work` returns in a fork of this process, through JSON.

    A child that takes longer than `limit_s` seconds is ended, and its answer is `{"hung": limit_s}`; what it raises
    comes back as `{"crashed": text}`, and so does an end without a word.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s) + _DIES_AFTER_S,) * 2)
        _answer(work, writer)
    os.close(writer)
    try:
        text = _read(reader, limit_s)
    finally:
        os.close(reader)
        if os.waitpid(child, os.WNOHANG)[0] == 0:
            # It has answered, or its time is over: either way nothing it still does matters.
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    if text is None:
        return {"hung": limit_s}
    answer: dict[str, Any] = json.loads(text) if text else {"crashed": "the process ended without a word"}
    return answer


def _answer(work: Callable[[], dict[str, Any]], writer: int) -> None:
    gc.disable()
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        try:
            answer = work()
        except BaseException as error:
            answer = {"crashed": f"{type(error).__name__}: {error}"}
        with os.fdopen(writer, "wb") as out:
            out.write(json.dumps(answer).encode())
    finally:
        os._exit(0)


def _read(reader: int, limit_s: float) -> bytes | None:
    """Return all that comes out of a pipe until it is closed; None when that takes too long."""
    until, text = time.monotonic() + limit_s, b""
    while select.select([reader], [], [], max(0.0, until - time.monotonic()))[0]:
        part = os.read(reader, 65536)
        if not part:
            return text
        text += part
    return None


def in_parallel(work: Callable[[int], T], count: int, workers: int) -> Iterator[T]:
    """Yield `work(0)`, `work(1)`, … from so many forks of this process, each of which may fork again.

    May raise RuntimeError when one of them dies. A worker whose reader is gone ends with what it writes next.
    """
    started = [_start(work, range(first, count, workers)) for first in range(min(workers, count))]
    try:
        for number in range(count):
            _, results = started[number % len(started)]
            try:
                yield pickle.load(results)
            except EOFError:
                raise RuntimeError(f"the worker died that had number {number}") from None
    finally:
        for pid, results in started:
            results.close()
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)


def _start(work: Callable[[int], T], numbers: range) -> tuple[int, BinaryIO]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, os.fdopen(reader, "rb")
    try:
        os.close(reader)
        with os.fdopen(writer, "wb") as out:
            for number in numbers:
                pickle.dump(work(number), out)
                out.flush()
    except BaseException as error:
        if not isinstance(error, BrokenPipeError | KeyboardInterrupt):
            traceback.print_exc()
    finally:
        os._exit(0)
