"""Save the project that serves, so that `serve --last-good` can start when the files are broken.

The file holds agents.yaml, every file that it names and the project's Python, but never `.env`, which is read anew.
Only its owner can read it, because agents.yaml may contain a secret.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runtime.config.load import ENV_FILE, load_config
from runtime.config.project_files import ProjectFiles
from runtime.errors import RuntimeFault
from runtime.project_code.sources import sources_from
from runtime.resources.threads import in_file_thread
from runtime.server.generations.project_source import ProjectSource
from runtime.server.generations.reloader import Listener, ReloadOutcome

logger = logging.getLogger("runtime.reload")

FILE = Path(".chatkit/last-good.json")
"""The path of the file, from the project folder."""
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class LastGood:
    """A saved project: `contents` are the files that agents.yaml names, `code` the Python files, by path."""

    saved_at: datetime
    file: str
    contents: Mapping[str, bytes]
    code: Mapping[str, bytes]

    def read(self, root: Path, environ: Mapping[str, str] | None) -> ProjectSource:
        """Load it as if its files were in the folder `root`, with the `.env` that is there now."""
        contents = dict(self.contents)
        on_disk = ProjectFiles(root).read_bytes(ENV_FILE, linked=True)
        if isinstance(on_disk, bytes):
            contents[ENV_FILE] = on_disk
        files = ProjectFiles(root, contents)
        loaded = load_config(root / self.file, environ=environ, unset="error", files=files)
        return ProjectSource(loaded, sources_from(root, self.code), is_last_good=True)


def load_last_good(root: Path) -> LastGood:
    """Read the saved project of this folder. Raise RuntimeFault if it is missing or can't be read."""
    path = root / FILE
    try:
        saved = json.loads(path.read_bytes())
        if saved["format"] != _FORMAT:
            raise ValueError(f"its format is {saved['format']!r}, not {_FORMAT}")
        return LastGood(
            datetime.fromisoformat(saved["saved_at"]), saved["file"], _decode(saved["contents"]), _decode(saved["code"])
        )
    except FileNotFoundError:
        raise RuntimeFault(f"{str(FILE)!r} does not exist: this project has not served yet") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RuntimeFault(f"{str(FILE)!r} can't be used: {type(error).__name__}: {error}") from error


def save_last_good(source: ProjectSource) -> None:
    """Save a project atomically: write a temporary file, sync it, and rename it. Raise OSError."""
    root = source.loaded.root
    contents = {name: content for name, content in source.loaded.files.contents.items() if name != ENV_FILE}
    saved = {
        "format": _FORMAT,
        "saved_at": datetime.now(UTC).isoformat(),
        "file": source.loaded.file.name,
        "contents": _encode(contents),
        "code": _encode(source.code_contents()),
    }
    _write(root / FILE, json.dumps(saved, indent=1).encode())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp creates files with mode 0600.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    if os.name != "nt":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _encode(files: Mapping[str, bytes]) -> dict[str, Any]:
    return {name: _text_or_base64(content) for name, content in sorted(files.items())}


def _text_or_base64(content: bytes) -> str | dict[str, str]:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def _decode(files: Mapping[str, Any]) -> dict[str, bytes]:
    return {
        name: value.encode() if isinstance(value, str) else base64.b64decode(value["base64"], validate=True)
        for name, value in files.items()
    }


class LastGoodSaver:
    """Saves the project that serves, at the start and after each reload. A failure is logged once as a warning."""

    def __init__(self, current: Callable[[], ProjectSource], listeners: list[Listener]) -> None:
        self._current, self._listeners = current, listeners
        self._saving: asyncio.Task[None] | None = None
        self._is_due = self._warned = False

    def start(self) -> None:
        """Save the current project, and each later one."""
        self._listeners.append(self._on_reload)
        self._save()

    async def stop(self) -> None:
        """Stop saving; a save that is running completes first."""
        self._listeners.remove(self._on_reload)
        if self._saving is not None:
            await self._saving

    def _on_reload(self, outcome: ReloadOutcome) -> None:
        if outcome.status == "reloaded":
            self._save()

    def _save(self) -> None:
        self._is_due = True
        if self._saving is None or self._saving.done():
            self._saving = asyncio.create_task(self._save_until_current(), name="save the last good project")

    async def _save_until_current(self) -> None:
        while self._is_due:
            self._is_due = False
            source = self._current()
            if source.is_last_good:
                continue
            try:
                await in_file_thread(save_last_good, source)
            except OSError as error:
                if not self._warned:
                    logger.warning("the project can't be saved in %r: %s", str(FILE), error)
                self._warned = True
