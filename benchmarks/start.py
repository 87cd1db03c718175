"""How long commands take to begin, against a process that only imports the libraries that they stand on.

    python -m benchmarks.start [--quick] [--rounds N] [--json FILE]

`serve` is measured until it says that requests are welcome, the other commands to their end.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.children import PROJECT, Child, environment, stop, tail
from benchmarks.client import BenchmarkError
from benchmarks.figures import Figure, Rounds, Sample
from benchmarks.options import new_parser
from benchmarks.report import publish, summarise
from benchmarks.rounds import Step, run, take

IMPORTS = "imports"
OURS = "chatkit-runtime"
SERVING = "agents, chatkit.agents, chatkit.server, fastapi, httptools, sqlalchemy, uvicorn, uvloop"
"""What a process that serves with SQLite can't do without."""
READING = "jsonschema, pydantic, ruamel.yaml"
"""What a process that reads agents.yaml stands on."""
_READY_S = 60.0


@dataclass(frozen=True, slots=True)
class Tool:
    """One of the two that are compared."""

    name: str


@dataclass(frozen=True, slots=True)
class Case:
    """A command, what it is held against, and whether it goes on once it is ready."""

    name: str
    arguments: tuple[str, ...]
    imports: str
    serves: bool = False

    def command(self, tool: str) -> tuple[str, ...]:
        """What is run; each says a line when it is ready."""
        if tool == OURS:
            return ("-m", "runtime", *self.arguments)
        wait = "; import time; time.sleep(60)" if self.serves else ""
        return ("-c", f"import {self.imports}; print('ready', flush=True){wait}")


CASES = (
    Case("serve, until it is ready", ("serve", "--port", "0", "../project"), SERVING, serves=True),
    Case("validate", ("validate", "../project"), READING),
    Case("schema", ("schema",), READING),
    Case("init", ("init", "new"), READING),
    Case("--help", ("--help",), READING),
)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    return run(_main(new_parser("start", __doc__, "one round").parse_args(arguments)))


async def _main(options: argparse.Namespace) -> int:
    number = options.rounds or (1 if options.quick else 9)
    tools = (Tool(IMPORTS), Tool(OURS))
    rounds: Rounds = {tool.name: [] for tool in tools}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        for case in CASES:
            for tool in tools:
                await _begin(case, tool, Path(folder))  # warms the disk, and writes what Python compiles
            await take(Step(case.name, _measuring(case, Path(folder)), number), tools, rounds, Console(stderr=True))
    counts = {"quick": options.quick, "rounds": number}
    publish(summarise(rounds, IMPORTS), (IMPORTS, OURS), options.json, counts, baseline=IMPORTS)
    return 0


def _measuring(case: Case, folder: Path) -> Callable[[Tool], asyncio.Future[Sample]]:
    return lambda tool: asyncio.ensure_future(_begin(case, tool, folder))


async def _begin(case: Case, tool: Tool, folder: Path) -> Sample:
    """Run one of the two until it is ready; its store is there from the second time on. Raise BenchmarkError."""
    project = folder / "project"
    if not project.exists():
        shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns(".chatkit", "__pycache__"))
    with tempfile.TemporaryDirectory(dir=folder) as place:
        log = Path(place) / "log"
        kept = environment("sqlite")
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        with log.open("wb") as errors:
            began = time.perf_counter()
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, *case.command(tool.name)),
                cwd=place,
                env=kept | {"PYTHONPATH": os.fspath(PROJECT.parents[1])},
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
            )
            try:
                used_s = await _until_ready(case, tool, process)
                took_s = time.perf_counter() - began
            finally:
                await stop(process)
        if used_s is None:
            raise BenchmarkError(f"{tool.name} did not get ready ({case.name}):\n{tail(log)}")
    return {Figure("time", case.name, "s"): took_s, Figure("CPU", case.name, "s"): used_s}


async def _until_ready(case: Case, tool: Tool, process: asyncio.subprocess.Process) -> float | None:
    """The CPU seconds that the process has used when it is ready, or at its end; None for one that fails."""
    assert process.stdout
    if case.serves:
        line = await asyncio.wait_for(process.stdout.readline(), _READY_S)
        return Child(tool.name, process.pid, 0).cpu_s if line else None
    before = os.times()
    await asyncio.wait_for(process.communicate(), _READY_S)
    after = os.times()
    if process.returncode:
        return None
    return after.children_user + after.children_system - before.children_user - before.children_system


if __name__ == "__main__":
    sys.exit(main())
