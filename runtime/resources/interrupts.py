"""Tell the user's Ctrl-C from a KeyboardInterrupt that code raises. A template's sandbox can import nothing later."""

from __future__ import annotations

import signal
import threading


def is_interrupt(error: BaseException) -> bool:
    """Return whether this is a Ctrl-C of the user, which Python's own handler raises in the main thread."""
    return (
        isinstance(error, KeyboardInterrupt)
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
