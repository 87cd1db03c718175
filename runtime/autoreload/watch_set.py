"""The watch set of a project: the folders to watch, the relevant names in them, and the `stat` values of each file.

A path may contain symbolic links, and an edit may replace any of them: Kubernetes replaces `..data` in the folder of
agents.yaml, a deployment replaces `current` above it.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from runtime.project_code.sources import RUNTIME_PACKAGE, SKIPPED_FOLDERS

Stamp = tuple[int, ...] | None
"""The `stat` values of a file, following links: they differ after an edit; None if there is no file."""


@dataclass(frozen=True, slots=True)
class ProjectPaths:
    """The paths that a project consists of."""

    root: Path
    files: frozenset[Path]
    """The absolute path of every file that was read or was missing."""
    patterns: frozenset[str] = frozenset()
    """Glob patterns, relative to the root, of files that are read as soon as they exist, such as `agents/*.yaml`."""


@dataclass(frozen=True, slots=True)
class WatchSet:
    """What to watch for a project. The parent folder of every path is resolved: it contains no symbolic link.

    The keys of `stamps` may also be paths as they were given.
    """

    folders: frozenset[str]
    """The existing folders to watch, not recursively."""
    files: frozenset[str]
    """The files, and the links on the way to them: any event of one of these is a change."""
    parents: frozenset[str]
    """The folders above the files, existing or missing: creating or removing one may be a change."""
    packages: frozenset[str]
    """The folders whose Python belongs to the project; a new folder in one of them may be a package."""
    stamps: Mapping[str, Stamp]
    """The stamp of each file, and of each Python source in `packages`, by path."""
    patterns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The name patterns of relevant files, by folder."""

    def is_change(self, path: str) -> bool:
        """Return whether an event of `path` is a change of the project, even if its stamp is unchanged."""
        folder, name = os.path.split(path)
        matches = any(fnmatch.fnmatchcase(name, pattern) for pattern in self.patterns.get(folder, ()))
        return matches or path in self.files or (folder in self.packages and _is_source(name))

    def moves_paths(self, path: str) -> bool:
        """Return whether creating or removing `path` may change the watch set."""
        folder, name = os.path.split(path)
        is_known = path in self.folders or path in self.parents or folder in self.patterns
        return is_known or (folder in self.packages and _is_package(name))


def find_watch_set(paths: ProjectPaths) -> WatchSet:
    """Scan the file system. Files that can't be read count as missing; no exception is raised for them."""
    resolver = _PathResolver()
    root = resolver.resolve(os.path.abspath(paths.root))
    resolver.root = root
    stamps: dict[str, Stamp] = {}
    packages: set[str] = set()
    if root is not None:
        resolver.folders.add(root)
        _find_packages(root, packages, stamps)
    for file in map(os.path.abspath, paths.files):
        stamps[file] = _stamp(file)
        real = resolver.resolve(file)
        if real is None:
            continue
        folder, name = os.path.split(real)
        resolver.files.add(real)
        resolver.folders.add(folder)
        if _is_source(name) and folder not in packages:
            with suppress(OSError):
                _add_sources(folder, os.listdir(folder), packages, stamps)
    patterns: dict[str, tuple[str, ...]] = {}
    if root is not None:
        for pattern in paths.patterns:
            _find_matching(root, pattern, patterns, stamps)
    return WatchSet(
        frozenset(resolver.folders | packages | patterns.keys()),
        frozenset(resolver.files),
        frozenset(resolver.parents),
        frozenset(packages),
        stamps,
        patterns,
    )


@dataclass(slots=True)
class _PathResolver:
    """Resolves paths name by name, and collects the folders and links that an edit could replace."""

    root: str | None = None
    folders: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    parents: set[str] = field(default_factory=set)
    _known: dict[str, str | None] = field(default_factory=dict)

    def resolve(self, path: str) -> str | None:
        """Return the real path of an absolute path, or None if it does not exist."""
        if path not in self._known:
            self._known[path] = None  # a circular link does not exist
            self._known[path] = self._resolve(path)
        return self._known[path]

    def _resolve(self, path: str) -> str | None:
        parent, name = os.path.split(path)
        if parent == path:
            return path
        folder = self.resolve(parent)
        if folder is None or name in ("", "."):
            return folder
        if name == "..":
            return os.path.dirname(folder)
        step = os.path.join(folder, name)
        try:
            is_link = stat.S_ISLNK(os.lstat(step).st_mode)
            target = os.readlink(step) if is_link else ""
        except FileNotFoundError:
            self._add(folder, step, self.parents)
            return None
        except (OSError, ValueError):
            return None
        if is_link:
            self._add(folder, step, self.files)
            return self.resolve(os.path.join(folder, target))
        if self.root is not None and (folder + os.sep).startswith(os.path.join(self.root, "")):
            self._add(folder, step, self.parents)
        return step

    def _add(self, folder: str, step: str, steps: set[str]) -> None:
        self.folders.add(folder)
        steps.add(step)


def _find_packages(root: str, packages: set[str], stamps: dict[str, Stamp]) -> None:
    pending = [root]
    while pending:
        folder = pending.pop()
        if folder == str(RUNTIME_PACKAGE):
            continue
        try:
            with os.scandir(folder) as entries:
                children = list(entries)
            if folder != root and any(entry.name == "pyvenv.cfg" for entry in children):
                continue
            pending += [e.path for e in children if _is_package(e.name) and e.is_dir(follow_symlinks=False)]
        except OSError:
            continue
        _add_sources(folder, [entry.name for entry in children], packages, stamps)


def _find_matching(root: str, pattern: str, folders: dict[str, tuple[str, ...]], stamps: dict[str, Stamp]) -> None:
    """Add the folders in which a file that matches a pattern, or a folder on the way to it, could be created."""
    *above, name = PurePath(pattern).parts
    for depth in range(len(above) + 1):
        parent = os.path.join(*above[:depth], "") if depth else ""
        for folder in glob.glob(parent, root_dir=root, recursive=True) if parent else [""]:
            real = os.path.realpath(os.path.join(root, folder))
            # A new folder above the file changes the watch set, but is no change by itself.
            names = (name,) if depth == len(above) else ()
            folders[real] = (*folders.get(real, ()), *names)
    for file in glob.glob(pattern, root_dir=root, recursive=True):
        stamps[os.path.join(root, file)] = _stamp(os.path.join(root, file))


def _add_sources(folder: str, names: Iterable[str], packages: set[str], stamps: dict[str, Stamp]) -> None:
    packages.add(folder)
    for path in (os.path.join(folder, name) for name in names if _is_source(name)):
        stamps[path] = _stamp(path)


def _is_package(name: str) -> bool:
    return name.isidentifier() and name not in SKIPPED_FOLDERS


def _is_source(name: str) -> bool:
    # An editor's lock beside tools.py is named .#tools.py.
    return name.endswith(".py") and name[:-3].isidentifier()


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    if stat.S_ISDIR(status.st_mode):  # without its times, which change with its contents
        return status.st_dev, status.st_ino
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


# Files that are mounted into a container one by one: replacing the original outside does not change them.

_MOUNTINFO = "/proc/self/mountinfo"
_MOUNT_POINT = 4  # the fifth field, see proc_pid_mountinfo(5)
_ESCAPE = re.compile(r"\\([0-7]{3})")


def find_mounted_files(files: Iterable[Path], mountinfo: str | None = None) -> list[Path]:
    """Return the files that are mount points themselves, sorted: a Kubernetes `subPath`, a file of `docker -v`.

    Such a mount stays bound to its original file: a file that replaces the original outside is not visible inside.
    `mountinfo` is the text of Linux's /proc/self/mountinfo (default: read it); other systems have none.
    """
    if mountinfo is None:
        try:
            mountinfo = Path(_MOUNTINFO).read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return []
    lines = [line.split(" ") for line in mountinfo.split("\n")]
    escaped = (fields[_MOUNT_POINT] for fields in lines if len(fields) > _MOUNT_POINT)
    points = {_ESCAPE.sub(lambda match: chr(int(match[1], 8)), point) for point in escaped}
    return sorted(file for file in files if os.path.isfile(file) and os.path.realpath(file) in points)
