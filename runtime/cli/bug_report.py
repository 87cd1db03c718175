"""The report file of an unexpected error: versions, command line and traceback, with secrets masked."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import sys
import tempfile
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from runtime import __version__
from runtime.cli import PROGRAM

_FOLDER = ".chatkit"
_HEADER_OPTIONS = ("-H", "--header")


def write_bug_report(
    error: BaseException, arguments: Sequence[str], environ: Mapping[str, str] = os.environ
) -> Path | None:
    """Write a report and return its path, or None if it can't be written. Never raises.

    The file is in the `.chatkit` folder of the project that the `arguments` name, else in the folder for temporary
    files. In the project the same traceback always has the same file.
    """
    try:
        from runtime.config.secrets.mask import mask

        project = _find_project(arguments)
        trace = "".join(traceback.format_exception(error))
        text = mask(_report_text(trace, arguments), _find_secrets(project, arguments, environ))
        folder = None if project is None else (project if project.is_dir() else project.parent) / _FOLDER
        # An editor may run `validate` at each save: the same bug must not add a file each time.
        name = f"bug-{hashlib.sha256(trace.encode(errors='replace')).hexdigest()[:8]}.txt"
        return (folder and _write(folder, text, name)) or _write(Path(tempfile.gettempdir()), text)
    except Exception:
        return None


def _report_text(trace: str, arguments: Sequence[str]) -> str:
    lines = [
        f"{PROGRAM} {__version__}",
        f"time: {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        f"command: {shlex.join([PROGRAM, *_mask_headers(arguments)])}",
        f"python: {sys.version.replace(chr(10), ' ')}",
        f"platform: {platform.platform()}",
        *_installed_packages(),
    ]
    return "\n".join([*lines, "", trace])


def _installed_packages() -> Iterator[str]:
    """Yield the version of each package that the runtime requires, also by an extra, if it is installed."""
    with suppress(PackageNotFoundError):
        for name in dict.fromkeys(re.split(r"[^\w.-]", requirement)[0] for requirement in requires(PROGRAM) or ()):
            with suppress(PackageNotFoundError):
                yield f"{name}: {version(name)}"


def _find_project(arguments: Sequence[str]) -> Path | None:
    """Return the project folder or YAML file that is named first, else the working folder if it is a project."""
    from runtime.config.load import CONFIG_FILE

    for argument in [*arguments, "."]:
        is_config = os.path.isfile(argument) and argument.endswith((".yaml", ".yml"))
        if is_config or os.path.isfile(os.path.join(argument, CONFIG_FILE)):
            return Path(argument).absolute()
    return None


def _find_secrets(project: Path | None, arguments: Sequence[str], environ: Mapping[str, str]) -> frozenset[str]:
    from runtime.config.secrets.detect import is_worth_hiding, secret_variables

    secrets = set(secret_variables(environ))
    for _, value in _header_values(arguments):
        secrets |= {text for text in (value, value.rpartition(" ")[2]) if is_worth_hiding(text)}
    if project is not None:
        # The bug may be in the loader itself; .env is readable even then.
        with suppress(Exception):
            from dotenv import dotenv_values

            folder = project if project.is_dir() else project.parent
            secrets |= {value for value in dotenv_values(folder / ".env").values() if value and is_worth_hiding(value)}
        with suppress(Exception):
            from runtime.config.load import load_config

            secrets |= load_config(project).secrets
    return frozenset(secrets)


def _header_values(arguments: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the index of each argument that holds a header, and the header's value."""
    for index, argument in enumerate(arguments):
        is_value = index > 0 and arguments[index - 1] in _HEADER_OPTIONS
        if is_value or argument.startswith(("-H", "--header=")):
            yield index, argument.partition(":")[2].strip()


def _mask_headers(arguments: Sequence[str]) -> list[str]:
    masked = list(arguments)
    for index, value in _header_values(arguments):
        if value:
            masked[index] = f"{masked[index].partition(':')[0]}: ***"
    return masked


def _write(folder: Path, text: str, name: str = "") -> Path | None:
    """Write a file that only its owner can read; None if the folder can't be written."""
    try:
        folder.mkdir(exist_ok=True)
        descriptor, written = tempfile.mkstemp(prefix="chatkit-bug-", suffix=".txt", dir=folder)
        with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        return Path(written).replace(folder / name) if name else Path(written)
    except OSError:
        return None
