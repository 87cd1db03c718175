"""The servers as child processes: how they start, what they use, and how they end in every case."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.client import BenchmarkError
from benchmarks.prepare import Plan, write_plan
from benchmarks.serve import HANDWRITTEN

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "benchmarks" / "project"
STORES = {"memory": "memory", "sqlite": "sqlite:///.chatkit/threads.db"}
SERVERS = (HANDWRITTEN, *STORES)

_START_S = 60.0
_STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class Child:
    """One server that runs; `turns` counts those that were taken in threads of a length."""

    name: str
    pid: int
    port: int
    turns: dict[int, int] = field(default_factory=dict)

    @property
    def cpu_s(self) -> float:
        """User and system time that the process has used so far."""
        if sys.platform == "linux":
            # Linux gives every process a CPU clock that others can read, to the nanosecond; /proc counts in 10 ms.
            return time.clock_gettime((~self.pid << 3) | 2)
        else:
            return parse_cpu_time(_ps(self.pid, "time"))

    @property
    def resident_bytes(self) -> int:
        """Memory of the process that is in RAM."""
        if sys.platform == "linux":
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        else:
            return int(_ps(self.pid, "rss")) * 1024


@asynccontextmanager
async def run_server(name: str, folder: Path, plan: Plan | None = None) -> AsyncIterator[Child]:
    """Run one of SERVERS on a copy of the project in `folder`, to the end of the block; may raise BenchmarkError."""
    project = folder / name
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns(".chatkit", "__pycache__"))
    if plan is not None:
        write_plan(plan, project, STORES.get(name, ""))
    log = folder / f"{name}.log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.serve", name, str(project)),
            cwd=ROOT,
            env=environment(name),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            port = await _read_port(process)
            if port is None:
                raise BenchmarkError(f"the server {name!r} did not start:\n{tail(log)}")
            yield Child(name, process.pid, port)
        finally:
            await stop(process)


def parse_cpu_time(text: str) -> float:
    """Turn what `ps -o time` says, `[[dd-]hh:]mm:ss[.cc]`, into seconds."""
    days, _, clock = text.rpartition("-")
    total = 0.0
    for part in clock.split(":"):
        total = total * 60 + float(part)
    return total + int(days or 0) * 86400


def environment(name: str) -> dict[str, str]:
    """Return the environment of the server `name`."""
    # No key and no tracing: nothing may leave this machine, and neither side pays for an exporter.
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OPENAI_", "CHATKIT_"))}
    return kept | {"OPENAI_AGENTS_DISABLE_TRACING": "1", "BENCHMARK_STORE": STORES.get(name, "")}


async def _read_port(process: asyncio.subprocess.Process) -> int | None:
    assert process.stdout
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _START_S)
    except TimeoutError:
        return None
    return int(line) if line.strip().isdigit() else None


def tail(log: Path) -> str:
    """Return the end of what a server wrote."""
    return log.read_text(errors="replace")[-3000:].strip()


async def stop(process: asyncio.subprocess.Process) -> None:
    """End a server: a SIGTERM, and a SIGKILL for one that does not heed it."""
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


def _ps(pid: int, column: str) -> str:
    return subprocess.run(
        ["ps", "-o", f"{column}=", "-p", str(pid)], check=True, capture_output=True, text=True
    ).stdout.strip()
