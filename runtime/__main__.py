"""Run the command line: `chatkit-runtime` and `python -m runtime` both come in here."""

from __future__ import annotations

import io
import sys


def main() -> int:
    """Run the command that the arguments name and return its exit code."""
    from runtime.cli.app import run

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that can't show a character shows a question mark; it must not end the command.
            stream.reconfigure(errors="replace")
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
