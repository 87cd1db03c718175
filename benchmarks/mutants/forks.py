"""Run work in a fork of this process, which has all imports and may hang, exit, or change anything."""

from __future__ import annotations

import gc
import multiprocessing
import os
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

CONTEXT = multiprocessing.get_context("fork")
_ORPHAN_S = 60
"""The CPU time beyond its limit that a child whose parent is gone may use."""


def in_child(work: Callable[[], dict[str, Any]], limit_s: float) -> dict[str, Any]:
    """Return the result of `work` in a fork of this process.

    The result is `{"hung": limit_s}` if the child takes longer than `limit_s` seconds, and `{"crashed": text}` if it
    raises or exits.
    """
    reader, writer = CONTEXT.Pipe(duplex=False)
    child = CONTEXT.Process(target=_answer, args=(work, limit_s, writer))
    child.start()
    writer.close()
    try:
        if not reader.poll(limit_s):
            return {"hung": limit_s}
        answer: dict[str, Any] = reader.recv()
        return answer
    except EOFError:
        return {"crashed": "the process ended without an answer"}
    finally:
        # The child has answered, or its time is over.
        child.kill()
        child.join()
        reader.close()


def _answer(work: Callable[[], dict[str, Any]], limit_s: float, writer: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s) + _ORPHAN_S,) * 2)
    gc.disable()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    try:
        answer = work()
    except BaseException as error:
        answer = {"crashed": f"{type(error).__name__}: {error}"}
    writer.send(answer)
    os._exit(0)
