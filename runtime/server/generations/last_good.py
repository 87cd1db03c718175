"""The project as it last served, kept beside it: what `serve --last-good` starts from when the files are broken.

It holds agents.yaml, every file that it names and the project's Python, but never `.env`: whatever is secret there is
read anew. Only its owner can read it, since agents.yaml may hold a secret of its own.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runtime.config.load import ENV_FILE, load_config
from runtime.config.project_files import ProjectFiles
from runtime.errors import RuntimeFault
from runtime.project_code.sources import sources_from
from runtime.server.generations.project_source import Reading

if TYPE_CHECKING:
    from runtime.server.generations.reloader import Outcome
    from runtime.server.runtime import Runtime

logger = logging.getLogger("runtime.reload")

FILE = Path(".chatkit/last-good.json")
"""Where it lies, below the project folder."""
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class LastGood:
    """A project as it served: `contents` are the files that agents.yaml names, `code` the Python, by path."""

    saved_at: datetime
    file: str
    contents: Mapping[str, bytes]
    code: Mapping[str, bytes]

    def read(self, root: Path, environ: Mapping[str, str] | None) -> Reading:
        """Load it as if it lay in the project folder; `.env` is the one that lies there now."""
        contents = dict(self.contents)
        on_disk = ProjectFiles(root).read_bytes(ENV_FILE, linked=True)
        if isinstance(on_disk, bytes):
            contents[ENV_FILE] = on_disk
        files = ProjectFiles(root, contents)
        loaded = load_config(root / self.file, environ=environ, unset="error", files=files)
        return Reading(loaded, sources_from(root, self.code), is_last_good=True)


def load_last_good(root: Path) -> LastGood:
    """Read what is kept of the project in this folder. Raise RuntimeFault when nothing is, or nothing readable."""
    path = root / FILE
    try:
        kept = json.loads(path.read_bytes())
        if kept["format"] != _FORMAT:
            raise ValueError(f"its format is {kept['format']!r}, not {_FORMAT}")
        return LastGood(
            datetime.fromisoformat(kept["saved_at"]), kept["file"], _decode(kept["contents"]), _decode(kept["code"])
        )
    except FileNotFoundError:
        raise RuntimeFault(f"nothing is kept in {str(FILE)!r}: this project has not served yet") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RuntimeFault(f"{str(FILE)!r} can't be used: {type(error).__name__}: {error}") from error


def save_last_good(reading: Reading) -> None:
    """Keep a project that serves: written aside, forced to the disk, and put in place as a whole. Raise OSError."""
    root = reading.loaded.root
    code = {path.relative_to(root.resolve()).as_posix(): text for path, text in reading.sources.files.items()}
    contents = {name: text for name, text in reading.loaded.files.contents.items() if name != ENV_FILE}
    kept = {
        "format": _FORMAT,
        "saved_at": datetime.now(UTC).isoformat(),
        "file": reading.loaded.file.name,
        "contents": _encode(contents),
        "code": _encode(code),
    }
    _write(root / FILE, json.dumps(kept, indent=1).encode())


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # mkstemp's files are for their owner alone: 0600.
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


class KeepsLastGood:
    """Saves what serves, now and after each reload; a folder that can't be written to is a warning, once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._saving: asyncio.Task[None] | None = None
        self._again = self._warned = False

    def begin(self) -> None:
        """Save what serves now, and whatever will."""
        self._runtime.reloader.listeners.append(self._hear)
        self._save()

    async def end(self) -> None:
        """Save no more; what is being saved is."""
        self._runtime.reloader.listeners.remove(self._hear)
        if self._saving is not None:
            await self._saving

    def _hear(self, outcome: Outcome) -> None:
        if outcome.status == "reloaded":
            self._save()

    def _save(self) -> None:
        self._again = True
        if self._saving is None or self._saving.done():
            self._saving = asyncio.create_task(self._save_all(), name="last good")

    async def _save_all(self) -> None:
        while self._again:
            self._again = False
            reading = self._runtime.generation.reading
            if reading.is_last_good:
                continue
            try:
                await asyncio.to_thread(save_last_good, reading)
            except OSError as error:
                if not self._warned:
                    logger.warning("the project that serves can't be kept in %r: %s", str(FILE), error)
                self._warned = True
