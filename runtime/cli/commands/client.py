"""The verb `client`: what a web page needs to talk to the runtime that agents.yaml declares."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from runtime.cli.project import display_path, load_project, report
from runtime.errors import UsageError

if TYPE_CHECKING:
    from runtime.config.load import LoadedProject

Kind = Literal["page", "handlers", "types"]

HANDLERS = "handlers.js"
_FILES: dict[Kind, str] = {"page": "index.html", "handlers": HANDLERS, "types": "chatkit.ts"}


def write_client(
    kind: Kind, path: Path, *, output: Path | None, check: bool, server: str | None, script: str | None
) -> int:
    """Print a file for the page, or write it to `output`.

    1 when the config has errors; with `check` nothing is written, and it is 1 when the file is missing or old.
    """
    _refuse(kind, output, check, server, script)
    loaded = load_project(path)
    report(loaded)
    if loaded.config is None:
        return 1
    text = _text(kind, loaded, server, script)
    if output is None:
        print(text, end="")
        return 0
    file = output / _FILES[kind] if output.is_dir() or not output.suffix else output
    if check:
        return _compare(file, text)
    if kind == "handlers" and file.exists():
        print(f"error: {display_path(file)} exists, and is yours (print the new one without --output)", file=sys.stderr)
        return 1
    _write(file, text)
    beside = file.parent / HANDLERS
    if kind == "page" and not beside.exists():
        _write(beside, _text("handlers", loaded, server, script))
    if kind == "page" and not loaded.config.server.cors and not (server or "").startswith("/"):
        print(
            "note: only a page from the server's own origin may call it: list the page's in server.cors",
            file=sys.stderr,
        )
    return 0


def _refuse(kind: Kind, output: Path | None, check: bool, server: str | None, script: str | None) -> None:
    """Raise UsageError for options that don't go together."""
    if kind != "page" and (server is not None or script is not None):
        raise UsageError(f"--server and --script are of the page ('client {kind}' has no address in it)")
    if check and kind == "handlers":
        raise UsageError(f"{HANDLERS} is yours: there is nothing to check it against ('client types' has its type)")
    if check and output is None:
        raise UsageError("--check needs --output (which file is to be compared?)")


def _text(kind: Kind, loaded: LoadedProject, server: str | None, script: str | None) -> str:
    from runtime.cli.web_client import page as client_page
    from runtime.cli.web_client.surface import surface_of
    from runtime.config.secrets.mask import mask

    assert loaded.config is not None
    surface = surface_of(loaded.config)
    if kind == "types":
        from runtime.cli.web_client.types import types_text

        text = types_text(surface)
    elif kind == "handlers":
        text = client_page.handlers_text(surface)
    else:
        text = client_page.page_text(loaded.config, surface, server=server, script=script or client_page.SCRIPT)
    return mask(text, loaded.secrets)


def _compare(file: Path, text: str) -> int:
    try:
        found = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        print(
            f"error: {display_path(file)} can't be read (write it: the same command without --check)", file=sys.stderr
        )
        return 1
    if found != text:
        print(f"error: {display_path(file)} is old (write it anew: the same command without --check)", file=sys.stderr)
        return 1
    print(f"{display_path(file)}: up to date")
    return 0


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"can't write {str(file)!r}: {error.strerror}") from error
    print(f"wrote {display_path(file)}")
