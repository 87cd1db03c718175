"""Compiled modules, shared by the generations that hold the same text, with the source lines for tracebacks.

Tracebacks and `inspect` look source lines up by file name, and the file may have changed by then. So each text in use
has a file name of its own: the file's path, or, while another text has that name, the same path with `/./` in it,
which is the same file.
"""

from __future__ import annotations

import importlib.util
import io
import linecache
import os
import threading
import weakref
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from runtime.project_code.sources import ModuleSource

# Reentrant: a finalizer may run at any time, also in a thread that holds the lock.
_lock = threading.RLock()
_in_use: dict[str, _Compiled] = {}


@dataclass(slots=True)
class _Compiled:
    text: bytes
    holders: int = 0
    code: CodeType | None = None


class CompiledModules:
    """The compiled modules that one generation holds, until it is collected."""

    def __init__(self) -> None:
        self._held: dict[Path, str] = {}
        weakref.finalize(self, _release, self._held).atexit = False

    def get(self, path: Path, text: bytes) -> CodeType:
        """Return the code of this text; a generation has one text for each path. Raise SyntaxError."""
        with _lock:
            if path not in self._held:
                self._held[path] = _hold(path, text)
            name = self._held[path]
            compiled = _in_use[name]
        if compiled.code is None:
            compiled.code = compile(text, name, "exec", dont_inherit=True)
            lines = io.StringIO(importlib.util.decode_source(text)).readlines()
            # Without a modification time, `linecache` never compares the entry with the file.
            linecache.cache[name] = (len(text), None, lines, name)
        return compiled.code


def texts_in_use() -> int:
    """Return how many texts the generations of this process hold."""
    return len(_in_use)


def _hold(path: Path, text: bytes) -> str:
    folder, name = os.path.split(path)
    shown = str(path)
    while (compiled := _in_use.setdefault(shown, _Compiled(text))).text != text:
        folder = os.path.join(folder, ".")
        shown = os.path.join(folder, name)
    compiled.holders += 1
    return shown


def _release(held: dict[Path, str]) -> None:
    with _lock:
        for name in held.values():
            compiled = _in_use[name]
            compiled.holders -= 1
            if not compiled.holders:
                del _in_use[name]
                linecache.cache.pop(name, None)


class MemoryLoader(SourceFileLoader):
    """Returns a module's source as its generation read it; other files of a package are read from the disk."""

    def __init__(self, name: str, source: ModuleSource, compiled: CompiledModules) -> None:
        super().__init__(name, str(source.path))
        self._source, self._compiled = source, compiled

    def get_data(self, path: str) -> bytes:
        """Return the bytes of the module's own source, or of a file beside it."""
        return self._source.text if path == self.path else super().get_data(path)

    def get_code(self, fullname: str) -> CodeType:
        """Return the module's code, never from a .pyc file."""
        return self._compiled.get(self._source.path, self._source.text)


def new_module(name: str, source: ModuleSource, compiled: CompiledModules) -> ModuleType:
    """Return an empty module with its name, file and loader."""
    places = [str(source.path.parent)] if source.is_package else None
    loader = MemoryLoader(name, source, compiled)
    spec = importlib.util.spec_from_file_location(name, source.path, loader=loader, submodule_search_locations=places)
    assert spec is not None
    return importlib.util.module_from_spec(spec)
