"""Run the command line: `chatkit-runtime` and `python -m runtime` both come in here."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence


def main() -> int:
    """Run the command that the arguments name and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that can't show a character shows a question mark; it must not end the command.
            stream.reconfigure(errors="replace")
    return run(sys.argv[1:])


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; no exception leaves this function."""
    from runtime.cli.quick import validate_quickly

    code = validate_quickly(arguments)
    if code is None:
        from runtime.cli.app import run as run_any

        code = run_any(arguments)
    return code


if __name__ == "__main__":
    sys.exit(main())
