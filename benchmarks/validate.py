"""Check the same files with `chatkit-runtime validate` and with check-jsonschema, and print what each costs.

    python -m benchmarks.validate [--quick] [--rounds N] [--json FILE]

Both are whole processes, from their start to their exit code, on the same Python. check-jsonschema
(pip install check-jsonschema, into the same environment) holds the file against the schema of the language and no more.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from benchmarks.client import BenchmarkError
from benchmarks.figures import Figure, Rounds, Sample, counted
from benchmarks.options import new_parser
from benchmarks.report import publish, summarise
from benchmarks.rounds import Step, run, take
from runtime.cli.commands.schema import schema_text

BASELINE, OURS = "check-jsonschema", "validate"
_TOOLS = (BASELINE, OURS)
_LONG = 2050


@dataclass(frozen=True, slots=True)
class Tool:
    """A command that checks one file."""

    name: str
    command: tuple[str, ...]


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    return run(_main(_parse(arguments)))


async def _main(options: argparse.Namespace) -> int:
    if find_spec("check_jsonschema") is None:
        raise BenchmarkError("check-jsonschema is not installed here (pip install check-jsonschema)")
    rounds: Rounds = {tool: [] for tool in _TOOLS}
    number = options.rounds or (1 if options.quick else 5)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        schema, files = _write(Path(folder), quick=options.quick)
        tools = [
            Tool(BASELINE, (sys.executable, "-m", "check_jsonschema", "--schemafile", str(schema))),
            Tool(OURS, (sys.executable, "-m", "runtime", "validate")),
        ]
        for case, file in files.items():
            for tool in tools:
                _run(tool, file)  # warms the disk, and writes what Python compiles
            await take(_step(file, case, number), tools, rounds, Console(stderr=True))
    counts = {"quick": options.quick, "rounds": number}
    publish(summarise(rounds, BASELINE), _TOOLS, options.json, counts, baseline=BASELINE)
    return 0


def _step(file: Path, case: str, rounds: int) -> Step[Tool]:
    async def measure(tool: Tool) -> Sample:
        return _sample(tool, file, case)

    return Step(case, measure, rounds)


def _write(folder: Path, *, quick: bool) -> tuple[Path, dict[str, Path]]:
    """Write the schema, and what is checked: each file with a word for it."""
    schema = folder / "agents.schema.json"
    schema.write_text(schema_text())
    files: dict[str, Path] = {}
    for agents in (1, 3) if quick else (1, 100, 1000):
        files[counted(agents, "agent")] = _write_file(folder, short_agents(agents))
    if not quick:
        text = long_agents(_LONG)
        files[f"{text.count(chr(10)):,} lines"] = _write_file(folder, text)
    return schema, files


def _write_file(folder: Path, text: str) -> Path:
    file = folder / f"{len(text)}.yaml"
    file.write_text(text)
    return file


def short_agents(number: int) -> str:
    """Return a file of agents of a few lines each, in a ring of handoffs."""
    head = "version: 1\nentry: a0\nmodels: {default: gpt-4.1-mini}\nagents:\n"
    return head + "".join(
        f"  a{i}:\n    description: Agent number {i} answers.\n    instructions: You are agent {i}; be brief.\n"
        + (f"    handoffs: [a{(i + 1) % number}]\n" if number > 1 else "")
        for i in range(number)
    )


def long_agents(number: int) -> str:
    """Return a file in which every agent has a tool of its own and instructions with a template."""
    tools = "".join(
        f"  tool_{i}:\n    client: tool_{i}\n    description: The tool number {i}.\n    parameters:\n"
        "      type: object\n      properties:\n        city:\n          type: string\n"
        "          description: The city.\n      required: [city]\n      additionalProperties: false\n"
        for i in range(number)
    )
    agents = "".join(
        f"  a{i}:\n    name: Agent {i}\n    description: Agent number {i} answers.\n    instructions: |\n"
        f"      You are agent {i}.\n      Be brief.\n      It is {{{{ now }}}}.\n"
        f"    tools: [tool_{i}]\n    handoffs: [a{(i + 1) % number}]\n"
        for i in range(number)
    )
    return f"version: 1\nentry: a0\nmodels: {{default: gpt-4.1-mini}}\ntools:\n{tools}agents:\n{agents}"


def _run(tool: Tool, file: Path) -> tuple[float, float]:
    """Run a tool on a file; return CPU seconds and wall seconds. Raise BenchmarkError."""
    began = time.perf_counter()
    with open(os.devnull, "wb") as nowhere:
        child = os.posix_spawn(
            sys.executable,
            (*tool.command, str(file)),
            {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
            file_actions=[(os.POSIX_SPAWN_DUP2, nowhere.fileno(), 1)],
        )
        _, status, usage = os.wait4(child, 0)
    wall_s = time.perf_counter() - began
    if code := os.waitstatus_to_exitcode(status):
        raise BenchmarkError(f"{tool.name} ended with {code} on {file.name}")
    return usage.ru_utime + usage.ru_stime, wall_s


def _sample(tool: Tool, file: Path, case: str) -> Sample:
    cpu_s, wall_s = _run(tool, file)
    return {
        Figure("CPU", case, "s"): cpu_s,
        Figure("time", case, "s"): wall_s,
    }


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    return new_parser("validate", __doc__, "one round of small files").parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
