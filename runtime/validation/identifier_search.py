"""A text search for identifiers in a project's files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from runtime.validation.checked_project import CheckedProject

_PYTHON = (".py",)
_SUFFIXES = (".py", ".widget", ".json", ".js", ".jsx", ".ts", ".tsx", ".mjs", ".vue", ".svelte", ".html", ".htm")
_SKIPPED_FOLDERS = frozenset({"node_modules", "__pycache__", "site-packages", "dist", "build"})
_MAX_FILES = 2_000
_MAX_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class IdentifierSearch:
    """A text search for identifiers in the project's files: code may use an action or a widget that nothing declares.

    The files are read one after the other until one contains the identifier.
    """

    project: CheckedProject
    _texts: dict[str, str] = field(default_factory=dict)
    _rest: Iterator[tuple[str, str]] | None = None
    _is_too_large: bool = False

    @classmethod
    def of(cls, project: CheckedProject) -> IdentifierSearch:
        """Return the search of a project, which all checks share: each file is read once."""
        search: IdentifierSearch = project.shared.setdefault(cls, cls(project))
        return search

    def in_files(self, name: str) -> bool:
        """Return whether a file contains the name; also True if there are too many files to search."""
        return any(name in text for _, text in self._all()) or self._is_too_large

    def in_python(self, word: str) -> bool:
        """Return whether a Python file contains the word; also True if there are too many files to search."""
        matches = (file.endswith(_PYTHON) and word in text for file, text in self._all())
        return any(matches) or self._is_too_large

    def python_with(self, word: str) -> list[str] | None:
        """Return the texts of the Python files that contain the word; None if there are too many files to search."""
        texts = [text for file, text in self._all() if file.endswith(_PYTHON) and word in text]
        return None if self._is_too_large else texts

    def _all(self) -> Iterator[tuple[str, str]]:
        yield from list(self._texts.items())
        if self._rest is None:
            self._rest = self._read()
        for file, text in self._rest:
            self._texts[file] = text
            yield file, text

    def _read(self) -> Iterator[tuple[str, str]]:
        left, own = _MAX_BYTES, set(self.project.files.contents)
        for count, file in enumerate(self._files()):
            if file.as_posix() in own and not file.name.endswith(_PYTHON):
                continue  # agents.yaml and the files that it names declare rather than use
            try:
                text = (self.project.root / file).read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            left -= len(text)
            if left < 0 or count >= _MAX_FILES:
                self._is_too_large = True
                return
            yield file.as_posix(), text

    def _files(self) -> Iterator[Path]:
        for folder, folders, names in os.walk(self.project.root):
            folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _SKIPPED_FOLDERS)
            folders[:] = [name for name in folders if not Path(folder, name, "pyvenv.cfg").exists()]
            for name in sorted(names):
                if name.endswith(_SUFFIXES):
                    yield Path(folder, name).relative_to(self.project.root)
