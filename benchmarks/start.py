"""Measure the start of each command against a Python that only imports the libraries which that command needs.

    python -m benchmarks.start [--quick] [--rounds N] [--json FILE]

`serve` is measured until it accepts requests, the other commands to their end.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.harness import Figure, Options, Sample, Session, run
from benchmarks.projects import PROJECT
from benchmarks.servers import ROOT, environment, time_command

IMPORTS = "imports"
OURS = "chatkit-runtime"
SERVING = "agents, chatkit.agents, chatkit.server, fastapi, httptools, sqlalchemy, uvicorn, uvloop"
"""The libraries that a server with SQLite needs."""
READING = "jsonschema, pydantic, ruamel.yaml"
"""The libraries that a process that reads agents.yaml needs."""


@dataclass(frozen=True, slots=True)
class Case:
    """A command, the imports that it is compared with, and whether it runs on once it is ready."""

    name: str
    arguments: tuple[str, ...]
    imports: str
    serves: bool = False
    wanted: float | None = None

    def command(self, name: str) -> tuple[str, ...]:
        """Return the arguments of Python; the process prints a line when it is ready."""
        if name == OURS:
            return ("-m", "runtime", *self.arguments)
        wait = "; import time; time.sleep(60)" if self.serves else ""
        return ("-c", f"import {self.imports}; print('ready', flush=True){wait}")


CASES = (
    Case("serve, until it is ready", ("serve", "--port", "0", "../project"), SERVING, serves=True, wanted=1.15),
    Case("validate", ("validate", "../project"), READING),
    Case("schema", ("schema",), READING),
    Case("init", ("init", "new"), READING),
    Case("--help", ("--help",), READING),
)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    parser = Options("start", __doc__, "one round of two commands")
    parser.add_size("--rounds", 9, 1, "rounds per figure")
    return run(_main(parser.parse(arguments)))


async def _main(options: argparse.Namespace) -> int:
    session = Session((IMPORTS, OURS), IMPORTS)
    tools = {name: name for name in session.rounds}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        shutil.copytree(PROJECT, Path(folder, "project"), ignore=shutil.ignore_patterns(".chatkit", "__pycache__"))
        for case in CASES[:2] if options.quick else CASES:
            take = partial(_measure, case, Path(folder))
            if not options.quick:
                for name in tools:
                    await take(name)  # fills the disk cache, compiles modules, creates the store
            await session.measure(case.name, tools, take, options.rounds)
    session.publish(options)
    return 0


async def _measure(case: Case, folder: Path, name: str) -> Sample:
    environ = environment("sqlite") | {"PYTHONPATH": os.fspath(ROOT)}
    with tempfile.TemporaryDirectory(dir=folder) as place:
        cpu_s, wall_s = await time_command(
            f"{name} ({case.name})", case.command(name), Path(place), environ, serves=case.serves
        )
    return {
        Figure("time", case.name, "s"): wall_s,
        Figure("CPU", case.name, "s", wanted=case.wanted): cpu_s,
    }


if __name__ == "__main__":
    sys.exit(main())
