"""The verb `client`: write the page, or the TypeScript, that connects the ChatKit component to the project."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from runtime.cli.display import display_path
from runtime.cli.project import load_project, print_problems
from runtime.errors import UsageError

if TYPE_CHECKING:
    from runtime.config.load import LoadedProject

Kind = Literal["page", "handlers", "types"]

HANDLERS = "handlers.js"
_FILES: dict[Kind, str] = {"page": "index.html", "handlers": HANDLERS, "types": "chatkit.ts"}


def write_client(
    kind: Kind, path: Path, *, output: Path | None, check: bool, server: str | None, script: str | None
) -> int:
    """Print a file for the page, or write it to `output`; return 1 if the config has errors.

    With `check` nothing is written; return 1 if the file is missing or out of date.
    """
    _check_usage(kind, output, check, server, script)
    loaded = load_project(path)
    print_problems(loaded)
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
        problem = "exists and is not overwritten (without --output it is printed)"
        print(f"error: {display_path(file)} {problem}", file=sys.stderr)
        return 1
    _write(file, text)
    beside = file.parent / HANDLERS
    if kind == "page" and not beside.exists():
        _write(beside, _text("handlers", loaded, server, script))
    if kind == "page" and not loaded.config.server.cors and not (server or "").startswith("/"):
        note = "a page from another origin can't call the server: add the page's origin to server.cors"
        print(f"note: {note}", file=sys.stderr)
    return 0


def _check_usage(kind: Kind, output: Path | None, check: bool, server: str | None, script: str | None) -> None:
    if kind != "page" and (server is not None or script is not None):
        raise UsageError(f"--server and --script only apply to 'client page' ('client {kind}' contains no URL)")
    if check and kind == "handlers":
        raise UsageError(f"{HANDLERS} is yours to edit and can't be checked ('client types' writes its type)")
    if check and output is None:
        raise UsageError("--check needs --output (the file to compare)")


def _text(kind: Kind, loaded: LoadedProject, server: str | None, script: str | None) -> str:
    from runtime.cli.web_client.files import COMPONENT_URL, find_page_interface, handlers_text, page_text, types_text
    from runtime.config.secrets.mask import mask

    assert loaded.config is not None
    interface = find_page_interface(loaded.config)
    match kind:
        case "types":
            text = types_text(interface)
        case "handlers":
            text = handlers_text(interface)
        case "page":
            text = page_text(loaded.config, interface, server=server, script=script or COMPONENT_URL)
    return mask(text, loaded.secrets)


def _compare(file: Path, text: str) -> int:
    try:
        current = file.read_text(encoding="utf-8")
        problem = "is out of date (the same command without --check rewrites it)"
    except (OSError, UnicodeDecodeError):
        current, problem = "", "can't be read (the same command without --check writes it)"
    if current == text:
        print(f"{display_path(file)}: up to date")
        return 0
    print(f"error: {display_path(file)} {problem}", file=sys.stderr)
    return 1


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"can't write {str(file)!r}: {error.strerror}") from error
    print(f"wrote {display_path(file)}")
