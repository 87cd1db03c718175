"""The verb `chat`: a conversation in the terminal, with a project or with a running server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console

from runtime.cli.project import building, load_project, report
from runtime.cli.terminal.client import ChatClient
from runtime.cli.terminal.input import Lines, choose_lines
from runtime.cli.terminal.log import HeldLog, log_held
from runtime.cli.terminal.session import Session
from runtime.errors import ConfigError, UsageError


def chat_with(
    path: Path,
    *,
    url: str | None,
    thread: str | None,
    messages: Sequence[str],
    headers: Sequence[str],
    as_json: bool,
) -> int:
    """Hold a conversation until the lines end; 1 when a scripted one had a turn that failed, else 0."""
    if url is not None and path != Path():
        raise UsageError("give a project or --url, not both")
    parsed = _parse_headers(headers)
    # With --json the conversation goes to standard error, so that standard output holds events alone.
    console = Console(markup=False, emoji=False, highlight=False, quiet=as_json)
    with ExitStack() as stack:
        address = url or stack.enter_context(_serve(path))
        client = stack.enter_context(ChatClient(address, parsed))
        session = Session(client, choose_lines(messages, echo=not as_json), console, as_json=as_json)
        return _converse(session, thread, stack.enter_context(log_held()))


def _converse(session: Session, thread: str | None, log: HeldLog) -> int:
    lines: Lines = session.lines
    if thread:
        session.open(thread, show=lines.interactive)
    else:
        session.greet()
    log.flush()
    while (line := lines.ask("> ")) is not None:
        if not session.take(line):
            break
        # Only now: in the middle of an answer or at the prompt it would run into what is written there.
        log.flush()
    return int(session.failed and not lines.interactive)


@contextmanager
def _serve(path: Path) -> Iterator[str]:
    """Serve the project for this conversation alone; gives the address of its ChatKit endpoint."""
    loaded = load_project(path, unset="error")
    if loaded.config is None:
        report(loaded)
        raise ConfigError(())
    from runtime.cli.listen import app_in_background
    from runtime.server.http.loopback import LoopbackOnly
    from runtime.server.runtime import create_app

    with building(loaded), app_in_background(LoopbackOnly(create_app(loaded.file))) as base:
        yield base + loaded.config.server.path


def _parse_headers(headers: Sequence[str]) -> dict[str, str]:
    parsed = {}
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise UsageError(f"header {header!r} must look like 'Name: value'")
        parsed[name.strip()] = value.strip()
    return parsed
