"""Break the sample project in a thousand ways, and count which of them `validate` tells of before a user does.

    python -m benchmarks.mutants [--count 1000] [--seed 4] [--workers 2] [--json FILE]
    python -m benchmarks.mutants --only INDEX      # one mutant: what was done, what is said of it, what became of it

Each mutant is the project with one random slip: a key left out, a name misspelt, a value of another type, a reference
that leads nowhere. The checks look at it as `validate` does, which runs nothing; then it is built, and talked to. Where
that breaks, the checks must have said so; where it works, no error may stand in its way.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from rich.console import Console

from benchmarks.children import ROOT
from benchmarks.client import BenchmarkError
from benchmarks.mutants.documents import parse, read_project
from benchmarks.mutants.forks import in_parallel
from benchmarks.mutants.operators import make_mutant
from benchmarks.mutants.report import Row, Verdict, print_verdict
from benchmarks.mutants.trial import try_project, warm_up
from benchmarks.options import positive


def judge(texts: Mapping[str, str], seed: int, index: int) -> Row:
    """Make one mutant and try it."""
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
    for row in in_parallel(partial(judge, texts, options.seed), options.count, options.workers):
        rows.append(row)
        if len(rows) % 50 == 0:
            print(f"{len(rows)} of {options.count} mutants", file=sys.stderr)
    verdict = Verdict(rows)
    print_verdict(verdict, console)
    if options.json:
        figures = {"seed": options.seed, **verdict.as_json()}
        options.json.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
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
    print(f"outcome: {trial.outcome}")
    return 0


def _diff(file: str, before: str, after: str) -> Iterator[str]:
    """Compare as the operators write, unless the text itself was edited: how YAML is laid out is no edit."""
    candidates = (before, _as_written(file, before))
    nearest = min(candidates, key=lambda text: len(list(difflib.unified_diff(text.split("\n"), after.split("\n")))))
    lines = difflib.unified_diff(nearest.split("\n"), after.split("\n"), file, file, n=2, lineterm="")
    return (f"{line}\n" for line in lines)


def _as_written(file: str, text: str) -> str:
    """Return a text as it looks when it was read and written without an edit."""
    return text if file.endswith(".md") else parse(file, text).text()


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=str(__doc__).partition("\n")[0])
    parser.add_argument("--count", type=positive, default=1000, help="how many mutants (1000)")
    parser.add_argument("--seed", type=int, default=4, help="for the places and the slips (4)")
    parser.add_argument("--workers", type=positive, default=2, help="how many are tried at once (2)")
    parser.add_argument("--only", type=int, metavar="INDEX", help="show one mutant of the seed, and try it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures and every mutant there too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
