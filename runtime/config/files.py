"""The files of a project: read once, from inside the project folder, and remembered for code frames and the hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from runtime.config.source import decode_text
from runtime.diagnostics import Diagnostic, Place


@dataclass(frozen=True, slots=True)
class ProjectFiles:
    """Reads what agents.yaml names; `texts` holds every text by its path from `root`, `contents` every byte."""

    root: Path
    texts: dict[str, str] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)

    def read(self, name: str) -> str | Diagnostic:
        """Return the text of a file below the root, or why there is none (A002, A003, A230, A231)."""
        if name in self.texts:
            return self.texts[name]
        place = Place(name)
        path = self._inside(name)
        if path is None:
            return Diagnostic("A231", f"the file {name!r} is outside of the project folder", place)
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist"
            return Diagnostic("A230", f"the file {name!r} {what}", place)
        content = self._bytes(name, path)
        if isinstance(content, Diagnostic):
            return content
        text = decode_text(content, name)
        if isinstance(text, str):
            self.texts[name] = text
        return text

    def _bytes(self, name: str, path: Path) -> bytes | Diagnostic:
        try:
            self.contents[name] = path.read_bytes()
        except OSError as error:
            return Diagnostic("A002", f"can't read {name!r}: {error.strerror or error}", Place(name))
        return self.contents[name]

    def _inside(self, name: str) -> Path | None:
        if "\0" in name or PurePath(name).is_absolute():
            return None
        root = self.root.resolve()
        path = (root / name).resolve()
        return path if path.is_relative_to(root) else None

    def hash(self) -> str:
        """Return the SHA-256 over the names and bytes of every file that was read."""
        digest = hashlib.sha256()
        for name, content in sorted(self.contents.items()):
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
        return digest.hexdigest()
