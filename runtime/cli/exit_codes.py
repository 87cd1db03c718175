"""The exit codes of the command line, and the one place where an exception becomes one, with a message."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from runtime.cli import PROGRAM
from runtime.errors import ConfigError, RuntimeFault

INTERRUPTED = 130
BUG = 3


def report_error(error: Exception, arguments: Sequence[str]) -> int:
    """Print the error that stopped a command and return its exit code; a bug also writes a bug report.

    `arguments` are those of the command line. With `--debug` or CHATKIT_DEBUG the traceback is printed.
    """
    debug = bool(os.environ.get("CHATKIT_DEBUG")) or "--debug" in arguments
    if debug:
        import traceback

        traceback.print_exception(error)
    if isinstance(error, ConfigError):
        from runtime.cli.report.frames import print_diagnostics

        print_diagnostics(error.diagnostics, {})
        return error.exit_code
    code = error.exit_code if isinstance(error, RuntimeFault) else BUG
    text = str(error) if isinstance(error, RuntimeFault) else f"unexpected {type(error).__name__}: {error}"
    print(f"error: {text}", file=sys.stderr)
    if code == BUG:
        from runtime.cli.bug_report import write_bug_report
        from runtime.cli.display import display_path

        if file := write_bug_report(error, arguments):
            print(f"to report a bug, attach {display_path(file)} (review it first)", file=sys.stderr)
        elif not debug:
            print(f"(run `{PROGRAM} --debug …` or set CHATKIT_DEBUG=1 to see the traceback)", file=sys.stderr)
    return code
