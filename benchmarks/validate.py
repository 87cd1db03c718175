"""Measure `chatkit-runtime validate` against check-jsonschema on the same files.

    python -m benchmarks.validate [--quick] [--rounds N] [--json FILE]

Both are whole processes on the same Python. check-jsonschema (pip install check-jsonschema, into the same environment)
checks the file against the JSON Schema of the language only.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from benchmarks.harness import BenchmarkError, Figure, Options, Sample, Session, count_noun, run
from benchmarks.servers import time_command
from runtime.cli.commands.schema import schema_text

BASELINE, OURS = "check-jsonschema", "validate"
_LONG = 2050


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit code."""
    parser = Options("validate", __doc__, "one round of small files")
    parser.add_size("--rounds", 5, 1, "rounds per figure")
    return run(_main(parser.parse(arguments)))


async def _main(options: argparse.Namespace) -> int:
    if find_spec("check_jsonschema") is None:
        raise BenchmarkError("check-jsonschema is not installed here (pip install check-jsonschema)")
    session = Session((BASELINE, OURS), BASELINE)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        (folder / "agents.schema.json").write_text(schema_text())
        commands = {
            BASELINE: ("-m", "check_jsonschema", "--schemafile", "agents.schema.json"),
            OURS: ("-m", "runtime", "validate"),
        }
        for case, text in _cases(quick=options.quick).items():
            (folder / "agents.yaml").write_text(text)
            take = partial(_measure, folder, case)
            if not options.quick:
                for command in commands.values():
                    await take(command)  # fills the disk cache, compiles modules
            await session.measure(case, commands, take, options.rounds)
    session.publish(options)
    return 0


async def _measure(folder: Path, case: str, command: tuple[str, ...]) -> Sample:
    cpu_s, wall_s = await time_command(" ".join(command), (*command, "agents.yaml"), folder, os.environ)
    return {Figure("CPU", case, "s"): cpu_s, Figure("time", case, "s"): wall_s}


def _cases(*, quick: bool) -> dict[str, str]:
    """Return the files by the name of their load."""
    cases = {count_noun(agents, "agent"): short_agents(agents) for agents in ((1, 3) if quick else (1, 100, 1000))}
    if not quick:
        text = long_agents(_LONG)
        cases[f"{text.count(chr(10)):,} lines"] = text
    return cases


def short_agents(number: int) -> str:
    """Return a file of agents of a few lines each, in a ring of handoffs."""
    head = "version: 1\nentry: a0\nmodels: {default: gpt-6-luna}\nagents:\n"
    return head + "".join(
        f"  a{i}:\n    description: Agent number {i} answers.\n    instructions: You are agent {i}; be brief.\n"
        + (f"    handoffs: [a{(i + 1) % number}]\n" if number > 1 else "")
        for i in range(number)
    )


def long_agents(number: int) -> str:
    """Return a file in which each agent has its own tool and instructions with a template."""
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
    return f"version: 1\nentry: a0\nmodels: {{default: gpt-6-luna}}\ntools:\n{tools}agents:\n{agents}"


if __name__ == "__main__":
    sys.exit(main())
