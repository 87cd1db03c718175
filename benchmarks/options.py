"""The options that the benchmarks have in common, and how their values are read."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from benchmarks.children import SERVERS


def new_parser(command: str, doc: str | None, quick: str, rounds: int = 5) -> argparse.ArgumentParser:
    """Return a parser with `--quick`, `--rounds` and `--json`; `doc` is the module's own, `quick` what that leaves."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{command}", description=(doc or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"{quick}: does it run, not how fast")
    parser.add_argument("--rounds", type=positive, help=f"rounds per figure ({rounds})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser


def add_names(parser: argparse.ArgumentParser, option: str, known: tuple[str, ...] = SERVERS) -> None:
    """Add an option that takes some of `known`, such as `--only a,b`; without it, all of them."""
    parser.add_argument(option, type=names(known), default=known, help=f"of {','.join(known)}")


def names(known: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    """Return a parser of a list such as `a,b`, out of `known`; what it returns has their order."""

    def parse(text: str) -> tuple[str, ...]:
        given = text.split(",")
        if unknown := [name for name in given if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)} (one or more of {','.join(known)})")
        return tuple(name for name in known if name in given)

    return parse


def positive(text: str) -> int:
    """Parse a positive whole number."""
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return int(text)


def sizes(text: str) -> tuple[int, ...]:
    """Parse a list of positive whole numbers such as `1,100`; what it returns is sorted."""
    return tuple(sorted({positive(size) for size in text.split(",")}))
