"""The servers that reload, as child processes: the real commands, each on its own project."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.children import ROOT, environment, stop, tail
from benchmarks.client import BenchmarkError
from benchmarks.reload.projects import Edited, Project, Save, write_project

_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
_START_S = 60.0
_LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Reloading:
    """A server that runs and watches its project."""

    name: str
    pid: int
    port: int
    project: Project
    first: Save


@asynccontextmanager
async def run_reloading(name: str, folder: Path, agents: int, edited: Edited) -> AsyncIterator[Reloading]:
    """Run one of SERVERS on a new project in `folder`, to the end of the block; may raise BenchmarkError."""
    project, log = write_project(name, folder / name, agents, edited), folder / f"{name}.log"
    first = project.save()
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.reload.serve", name, str(project.folder)),
            cwd=ROOT,
            env=environment(name),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            port = await _read_port(process, name, log)
            yield Reloading(name, process.pid, port, project, first)
        finally:
            await stop(process)
            # `uvicorn --reload` has a process of its own for the app; a SIGKILL of the first would leave it.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


async def _read_port(process: asyncio.subprocess.Process, name: str, log: Path) -> int:
    with suppress(TimeoutError):
        async with asyncio.timeout(_START_S):
            while process.returncode is None:
                if port := _find_port(log):
                    return port
                await asyncio.sleep(_LOOK_S)
    raise BenchmarkError(f"the server {name!r} did not start:\n{tail(log)}")


def _find_port(log: Path) -> int:
    found = _ADDRESS.search(log.read_text(errors="replace"))
    return int(found[1]) if found else 0
