"""Edit the sample project at random, and count how many of the edits that break it `validate` reports.

    python -m benchmarks.mutants [--count 1000] [--seed 4] [--workers 2] [--json FILE]
    python -m benchmarks.mutants --only INDEX      # one mutant: the edit, the diagnostics, the outcome

Each mutant is the project with one random mistake: a missing key, a misspelt name, a value of another type, a reference
to nothing. It is checked as `validate` does, without running it; then it is built, and used over HTTP. If that fails,
the checks should have reported an error; if it works, they must not.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from rich.console import Console

from benchmarks.harness import BenchmarkError, Options, positive, write_json
from benchmarks.mutants.documents import parse, read_project
from benchmarks.mutants.forks import CONTEXT
from benchmarks.mutants.operators import OPERATORS, make_mutant
from benchmarks.mutants.report import Row, Verdict, print_verdict
from benchmarks.mutants.trial import try_project, warm_up
from benchmarks.servers import ROOT


def judge(texts: Mapping[str, str], seed: int, index: int) -> Row:
    """Make one mutant, check it and run it."""
    mutant = make_mutant(texts, seed, index)
    return Row(index, mutant, try_project(ROOT, {**texts, mutant.file: mutant.text}))


def main(arguments: list[str] | None = None) -> int:
    """Run the mutation test; return the exit code."""
    options = _parse(arguments)
    texts = read_project(ROOT)
    try:
        warm_up(ROOT, {file: _as_written(file, text) for file, text in texts.items()})
        if options.only is not None:
            return _show(texts, options.seed, options.only)
        return _run(texts, options)
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(texts: Mapping[str, str], options: argparse.Namespace) -> int:
    console = Console(markup=False, highlight=False, width=160)
    console.print(f"seed {options.seed}")
    rows = []
    with ProcessPoolExecutor(options.workers, CONTEXT) as workers:
        for row in workers.map(partial(judge, texts, options.seed), range(options.count)):
            rows.append(row)
            if len(rows) % 50 == 0:
                print(f"{len(rows)} of {options.count} mutants", file=sys.stderr)
    verdict = Verdict(rows)
    print_verdict(verdict, console)
    if options.json:
        write_json(options.json, {"seed": options.seed, **verdict.as_json()})
    return 1 if verdict.failures() else 0


def _show(texts: Mapping[str, str], seed: int, index: int) -> int:
    row = judge(texts, seed, index)
    mutant, trial = row.mutant, row.trial
    print(f"seed {seed}, mutant {index}: {mutant.operator}: {mutant.file}: {mutant.what}\n")
    sys.stdout.writelines(_diff(mutant.file, texts[mutant.file], mutant.text))
    print()
    for line in trial.errors + trial.warnings:
        print(line)
    if trial.crash:
        print(f"the checks failed: {trial.crash}")
    print(f"validate: {len(trial.errors)} errors, {len(trial.warnings)} warnings")
    print(f"run: {'works' if trial.step is None else f'broken: {trial.step}: {trial.reason}'}")
    print(f"outcome: {row.outcome}")
    return 0


def _diff(file: str, before: str, after: str) -> Iterator[str]:
    """Return a diff; the layout of YAML that an operator has written again is not part of it."""
    candidates = (before, _as_written(file, before))
    nearest = min(candidates, key=lambda text: len(list(difflib.unified_diff(text.split("\n"), after.split("\n")))))
    lines = difflib.unified_diff(nearest.split("\n"), after.split("\n"), file, file, n=2, lineterm="")
    return (f"{line}\n" for line in lines)


def _as_written(file: str, text: str) -> str:
    """Return a text as the operators write it, without an edit."""
    return text if file.endswith(".md") else parse(file, text).text()


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = Options("mutants", __doc__, "a mutant of each kind")
    parser.add_size("--count", 1000, len(OPERATORS), "mutants")
    parser.add_argument("--seed", type=int, default=4, help="seed of the edits (4)")
    parser.add_argument("--workers", type=positive, default=2, help="mutants that are tried at once (2)")
    parser.add_argument("--only", type=int, metavar="INDEX", help="show and try one mutant of the seed")
    return parser.parse(arguments)


if __name__ == "__main__":
    sys.exit(main())
