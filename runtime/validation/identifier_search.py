"""Whether a project's own files say a name at all: code is free to use it in ways that no file declares.

A search of the text and nothing more: what is in there is neither run nor understood.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from runtime.validation.checked_project import CheckedProject

_PYTHON = (".py",)
_OTHERS = (".py", ".widget", ".json", ".js", ".jsx", ".ts", ".tsx", ".mjs", ".vue", ".svelte", ".html", ".htm")
_NEVER = frozenset({"node_modules", "__pycache__", "site-packages", "dist", "build"})
_MOST_FILES = 2_000
_MOST_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class IdentifierSearch:
    """The texts of a project's files, each read when the ones before it do not say what is looked for."""

    project: CheckedProject
    _texts: dict[str, str] = field(default_factory=dict)
    _rest: Iterator[tuple[str, str]] | None = None
    _is_too_much: bool = False

    def has(self, name: str) -> bool:
        """Tell whether a file says this name; also where there are too many files to be sure."""
        return any(name in text for _, text in self._all()) or self._is_too_much

    def python_has(self, word: str) -> bool:
        """Tell whether the project's Python says this word; also where there is too much of it to be sure."""
        said = (file.endswith(_PYTHON) and word in text for file, text in self._all())
        return any(said) or self._is_too_much

    def _all(self) -> Iterator[tuple[str, str]]:
        yield from list(self._texts.items())
        if self._rest is None:
            self._rest = self._read()
        for file, text in self._rest:
            self._texts[file] = text
            yield file, text

    def _read(self) -> Iterator[tuple[str, str]]:
        left, own = _MOST_BYTES, set(self.project.files.contents)
        for count, file in enumerate(self._files()):
            if file.as_posix() in own and not file.name.endswith(_PYTHON):
                continue  # what agents.yaml names is looked at for what it is
            try:
                text = (self.project.root / file).read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            left -= len(text)
            if left < 0 or count >= _MOST_FILES:
                self._is_too_much = True
                return
            yield file.as_posix(), text

    def _files(self) -> Iterator[Path]:
        for folder, folders, names in os.walk(self.project.root):
            folders[:] = sorted(name for name in folders if not self._is_foreign(folder, name))
            yield from (
                Path(folder, name).relative_to(self.project.root) for name in sorted(names) if name.endswith(_OTHERS)
            )

    @staticmethod
    def _is_foreign(folder: str, name: str) -> bool:
        return name.startswith(".") or name in _NEVER or os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
