"""The verb `chat`: a conversation in the terminal, with a project or with a running server."""

from __future__ import annotations

import logging
import sys
import textwrap
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from runtime.cli.project import building, load_project, print_problems
from runtime.cli.terminal.client import ChatClient
from runtime.cli.terminal.conversation import Conversation
from runtime.cli.terminal.input import LineSource, choose_lines
from runtime.errors import ConfigError, UsageError


def chat_with(
    path: Path, *, url: str | None, thread: str | None, messages: Sequence[str], headers: Sequence[str], as_json: bool
) -> int:
    """Run a conversation until its lines end; return 1 if it is scripted and a turn failed, else 0."""
    if url is not None and path != Path():
        raise UsageError("give a project or --url, not both")
    parsed = _parse_headers(headers)
    # With --json standard output contains only events.
    console = Console(markup=False, emoji=False, highlight=False, quiet=as_json)
    with ExitStack() as stack:
        address = url or stack.enter_context(_serve(path))
        client = stack.enter_context(ChatClient(address, parsed))
        lines = choose_lines(messages, echo=not as_json)
        conversation = Conversation(client, lines, console, as_json=as_json)
        return _converse(conversation, thread, stack.enter_context(buffered_log()))


def _converse(conversation: Conversation, thread: str | None, log: BufferedLog) -> int:
    lines: LineSource = conversation.lines
    if thread:
        conversation.open(thread, show=lines.interactive)
    else:
        conversation.greet()
    log.flush()
    while (line := lines.ask("> ")) is not None:
        if not conversation.take(line):
            break
        # Not earlier: during an answer or at the prompt, log lines would be mixed into the line being written.
        log.flush()
    return int(conversation.failed and not lines.interactive)


@contextmanager
def _serve(path: Path) -> Iterator[str]:
    """Serve the project during this conversation; yield the URL of its ChatKit endpoint."""
    loaded = load_project(path, unset="error")
    if loaded.config is None:
        print_problems(loaded)
        raise ConfigError(())
    from runtime.cli.uvicorn_server import app_in_background
    from runtime.server.app import build_app
    from runtime.server.generations.project_source import read_project
    from runtime.server.http.loopback import LoopbackOnly
    from runtime.server.runtime import build_runtime
    from runtime.server.settings import ServerSettings

    settings = ServerSettings(local_user="always", offline=True)
    with building(loaded):
        app = build_app(build_runtime(read_project(loaded.file.absolute(), None), None, settings))
        with app_in_background(LoopbackOnly(app)) as base:
            yield base + loaded.config.server.path


def _parse_headers(headers: Sequence[str]) -> dict[str, str]:
    parsed = {}
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise UsageError(f"header {header!r} must look like 'Name: value'")
        parsed[name.strip()] = value.strip()
    return parsed


class BufferedLog(logging.Handler):
    """Stores log records until `flush` writes them to standard error, with `log: ` before each line."""

    def __init__(self) -> None:
        super().__init__()
        self._texts: deque[str] = deque()

    def emit(self, record: logging.LogRecord) -> None:
        """Store one record; the server's thread calls this during an answer."""
        self._texts.append(textwrap.indent(self.format(record), "log: "))

    def flush(self) -> None:
        """Print and drop the stored records."""
        while self._texts:
            print(self._texts.popleft(), file=sys.stderr, flush=True)


@contextmanager
def buffered_log() -> Iterator[BufferedLog]:
    """Buffer the log records that stream handlers would print while the block runs; other handlers are unchanged."""
    uvicorn = logging.getLogger("uvicorn")
    # Once a server was set up in this process, uvicorn's logger does not propagate its records.
    loggers = [logging.getLogger(), *([] if uvicorn.propagate else [uvicorn])]
    before = [list(logger.handlers) for logger in loggers]
    buffer = BufferedLog()
    for logger, handlers in zip(loggers, before, strict=True):
        others = (handler for handler in handlers if type(handler) is not logging.StreamHandler)
        logger.handlers[:] = [buffer, *others]
    try:
        yield buffer
    finally:
        for logger, handlers in zip(loggers, before, strict=True):
            logger.handlers[:] = handlers
        buffer.flush()
