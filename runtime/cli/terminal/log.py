"""Keep the log of a server in this process apart from the conversation that is printed on the same terminal."""

from __future__ import annotations

import logging
import sys
import textwrap
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class HeldLog(logging.Handler):
    """Holds records until `flush` writes them to standard error, on lines that begin with `log:`."""

    def __init__(self) -> None:
        super().__init__()
        self._held: deque[str] = deque()

    def emit(self, record: logging.LogRecord) -> None:
        """Hold one record; the server's thread calls this in the middle of an answer."""
        self._held.append(textwrap.indent(self.format(record), "log: "))

    def flush(self) -> None:
        """Print what was held."""
        while self._held:
            print(self._held.popleft(), file=sys.stderr, flush=True)


@contextmanager
def log_held() -> Iterator[HeldLog]:
    """Hold the logs that would be printed, as long as the block runs; files and the like get theirs as before."""
    uvicorn = logging.getLogger("uvicorn")
    # Once a server was set up in this process, uvicorn's logger keeps its records to itself.
    loggers = [logging.getLogger(), *([] if uvicorn.propagate else [uvicorn])]
    before = [list(logger.handlers) for logger in loggers]
    held = HeldLog()
    for logger, handlers in zip(loggers, before, strict=True):
        logger.handlers[:] = [held, *(one for one in handlers if type(one) is not logging.StreamHandler)]
    try:
        yield held
    finally:
        for logger, handlers in zip(loggers, before, strict=True):
            logger.handlers[:] = handlers
        held.flush()
