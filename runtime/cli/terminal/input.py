"""Where the lines of a conversation come from: a person at the terminal, the command's options, or a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol


class Lines(Protocol):
    """A source of lines; `interactive` tells whether a person answers."""

    interactive: bool

    def ask(self, prompt: str) -> str | None:
        """The next line, or None when there is none left."""


class Typed:
    """Lines typed at the terminal, with the editing keys and the history that readline gives."""

    interactive = True

    def __init__(self) -> None:
        try:
            import readline  # noqa: F401  # importing it is what makes input() editable
        except ImportError:
            return

    def ask(self, prompt: str) -> str | None:
        """Ask for a line; None after Ctrl-D."""
        try:
            return input(prompt)
        except EOFError:
            print()
            return None
        except KeyboardInterrupt:
            print()
            raise


class Scripted:
    """Lines that are known beforehand; each is shown behind its prompt so that the output reads as a conversation."""

    interactive = False

    def __init__(self, lines: Iterable[str], *, echo: bool) -> None:
        self._lines: Iterator[str] = iter(lines)
        self._echo = echo

    def ask(self, prompt: str) -> str | None:
        """Take the next line; None after the last."""
        line = next(self._lines, None)
        if line is not None and self._echo:
            print(f"{prompt}{line}", flush=True)
        return line


def choose_lines(messages: Sequence[str], *, echo: bool) -> Lines:
    """The messages if there are any, else the lines of a piped standard input, else a person."""
    if messages:
        return Scripted(messages, echo=echo)
    if sys.stdin is not None and sys.stdin.isatty():
        return Typed()
    return Scripted(_piped(), echo=echo)


def _piped() -> Iterator[str]:
    if sys.stdin is None:
        return
    # readline instead of iteration: a program on the other end of the pipe gets its answer before it writes on.
    while line := sys.stdin.readline():
        if text := line.rstrip("\n").rstrip("\r"):
            yield text
