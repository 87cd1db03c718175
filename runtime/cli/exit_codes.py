"""The one place where an exception becomes an exit code and a few words."""

from __future__ import annotations

import sys

from runtime.errors import ConfigError, RuntimeFault

PROGRAM = "chatkit-runtime"
INTERRUPTED = 130
BUG = 3


def report_error(error: Exception, *, debug: bool) -> int:
    """Tell the user what stopped the command: their mistake in a few words, our bug with a way to report it."""
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
    if code == BUG and not debug:
        print(f"(run `{PROGRAM} --debug …` or set CHATKIT_DEBUG=1 to see the traceback)", file=sys.stderr)
    return code
