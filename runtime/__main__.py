"""Run the command line: `chatkit-runtime` and `python -m runtime` both come in here."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command that the arguments name and return its exit code."""
    from runtime.cli.app import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
