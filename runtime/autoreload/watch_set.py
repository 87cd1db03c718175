"""Where a project lies on the disk: the folders to watch, the names that count in them, and what `stat` says of each.

A name may lead through symbolic links, and any of them may be the one that an edit replaces: Kubernetes puts a new
`..data` in the folder of agents.yaml, a deployment a new `current` above it.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from runtime.project_code.sources import RUNTIME_PACKAGE, SKIPPED_FOLDERS

Mark = tuple[int, ...] | None
"""What `stat` says of a file, through links: another one after any edit; None where there is no file."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What a project consists of right now."""

    root: Path
    files: frozenset[Path]
    """Every file that was read, or looked for in vain; absolute."""
    patterns: frozenset[str] = frozenset()
    """What else is read once it is there: patterns of paths from the root, such as `agents/*.yaml`."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What of the disk a project rests on. Every path is a real one: no folder on the way to its last name is a link.

    Only the keys of `marks` may also be paths as they were asked for.
    """

    folders: frozenset[str]
    """The folders that exist and are to be watched, each by itself."""
    files: frozenset[str]
    """The files, and the links on the way to them: what happens to one of these is a change."""
    ways: frozenset[str]
    """The folders on the way to the files, and names that are missing there: coming or going they may be a change."""
    packages: frozenset[str]
    """The folders whose Python belongs to the project, and in which a new folder may be a package."""
    marks: Mapping[str, Mark]
    """Each file, and each Python source in `packages`, by its path, with its mark."""
    open: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Folders in which any file counts whose name fits one of these patterns."""

    def is_change(self, path: str) -> bool:
        """Tell whether what happened to `path` is a change of the project, whatever `stat` says of it."""
        folder, name = os.path.split(path)
        fits = any(fnmatch.fnmatchcase(name, pattern) for pattern in self.open.get(folder, ()))
        return fits or path in self.files or (folder in self.packages and _is_source(name))

    def is_shift(self, path: str) -> bool:
        """Tell whether `path`, coming or going, may shift where the project lies."""
        folder, name = os.path.split(path)
        is_known = path in self.folders or path in self.ways or folder in self.open
        return is_known or (folder in self.packages and _is_package(name))


def survey(watched: Watched) -> Footprint:
    """Look at the disk. What can't be looked at counts as missing; nothing is raised for it."""
    paths = _Paths()
    root = paths.follow(os.path.abspath(watched.root))
    paths.root = root
    marks: dict[str, Mark] = {}
    packages: set[str] = set()
    if root is not None:
        paths.folders.add(root)
        _find_packages(root, packages, marks)
    for file in map(os.path.abspath, watched.files):
        marks[file] = _mark(file)
        real = paths.follow(file)
        if real is None:
            continue
        folder, name = os.path.split(real)
        paths.files.add(real)
        paths.folders.add(folder)
        if _is_source(name) and folder not in packages:
            _find_sources(folder, packages, marks)
    open_: dict[str, tuple[str, ...]] = {}
    if root is not None:
        for pattern in watched.patterns:
            _find_fitting(root, pattern, open_, marks)
    return Footprint(
        frozenset(paths.folders | packages | open_.keys()),
        frozenset(paths.files),
        frozenset(paths.ways),
        frozenset(packages),
        marks,
        open_,
    )


@dataclass(slots=True)
class _Paths:
    """Follows paths name by name, and notes what an edit on the way could replace."""

    root: str | None = None
    folders: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    ways: set[str] = field(default_factory=set)
    _known: dict[str, str | None] = field(default_factory=dict)

    def follow(self, path: str) -> str | None:
        """Return where an absolute path really leads; None where it leads nowhere."""
        if path not in self._known:
            self._known[path] = None  # a link that leads back to itself leads nowhere
            self._known[path] = self._follow(path)
        return self._known[path]

    def _follow(self, path: str) -> str | None:
        parent, name = os.path.split(path)
        if parent == path:
            return path
        folder = self.follow(parent)
        if folder is None or name in ("", "."):
            return folder
        if name == "..":
            return os.path.dirname(folder)
        step = os.path.join(folder, name)
        try:
            is_link = stat.S_ISLNK(os.lstat(step).st_mode)
            target = os.readlink(step) if is_link else ""
        except FileNotFoundError:
            self._note(folder, step, self.ways)
            return None
        except (OSError, ValueError):
            return None
        if is_link:
            self._note(folder, step, self.files)
            return self.follow(os.path.join(folder, target))
        if self.root is not None and (folder + os.sep).startswith(os.path.join(self.root, "")):
            self._note(folder, step, self.ways)
        return step

    def _note(self, folder: str, step: str, steps: set[str]) -> None:
        self.folders.add(folder)
        steps.add(step)


def _find_packages(root: str, packages: set[str], marks: dict[str, Mark]) -> None:
    todo = [root]
    while todo:
        folder = todo.pop()
        if folder == str(RUNTIME_PACKAGE):
            continue
        try:
            with os.scandir(folder) as entries:
                found = list(entries)
            if folder != root and any(entry.name == "pyvenv.cfg" for entry in found):
                continue
            todo += [e.path for e in found if _is_package(e.name) and e.is_dir(follow_symlinks=False)]
        except OSError:
            continue
        packages.add(folder)
        marks.update((entry.path, _mark(entry.path)) for entry in found if _is_source(entry.name))


def _find_fitting(root: str, pattern: str, folders: dict[str, tuple[str, ...]], marks: dict[str, Mark]) -> None:
    """Add the folders in which a file, or a folder on the way to one, could come that fits a pattern."""
    *above, name = PurePath(pattern).parts
    for depth in range(len(above) + 1):
        way = os.path.join(*above[:depth], "") if depth else ""
        for folder in glob.glob(way, root_dir=root, recursive=True) if way else [""]:
            real = os.path.realpath(os.path.join(root, folder))
            # Whatever comes on the way may have the file in it: it is looked for anew.
            fitting = (name,) if depth == len(above) else ()
            folders[real] = (*folders.get(real, ()), *fitting)
    for file in glob.glob(pattern, root_dir=root, recursive=True):
        marks[os.path.join(root, file)] = _mark(os.path.join(root, file))


def _find_sources(folder: str, packages: set[str], marks: dict[str, Mark]) -> None:
    try:
        names = os.listdir(folder)
    except OSError:
        return
    packages.add(folder)
    for path in (os.path.join(folder, name) for name in names if _is_source(name)):
        marks[path] = _mark(path)


def _is_package(name: str) -> bool:
    return name.isidentifier() and name not in SKIPPED_FOLDERS


def _is_source(name: str) -> bool:
    # An editor's lock beside tools.py is named .#tools.py.
    return name.endswith(".py") and name[:-3].isidentifier()


def _mark(path: str) -> Mark:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    if stat.S_ISDIR(found.st_mode):  # not its times: they change with all that is in it
        return found.st_dev, found.st_ino
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


# Files that no edit by rename ever reaches: those mounted into a container one by one.

_MOUNTINFO = "/proc/self/mountinfo"
_MOUNT_POINT = 4  # the fifth field, see proc_pid_mountinfo(5)
_ESCAPE = re.compile(r"\\([0-7]{3})")


def mounted_alone(files: Iterable[Path], mountinfo: str | None = None) -> list[Path]:
    """Return the files that are mount points of their own, sorted: a Kubernetes `subPath`, one file of `docker -v`.

    Such a mount holds on to the file that it was made from: what replaces that file outside is never seen inside.
    `mountinfo` is the text of Linux's /proc/self/mountinfo, which is read when it is not given; without it, as on
    other systems, there are none.
    """
    if mountinfo is None:
        try:
            mountinfo = Path(_MOUNTINFO).read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return []
    lines = [line.split(" ") for line in mountinfo.split("\n")]
    points = {_unescape(fields[_MOUNT_POINT]) for fields in lines if len(fields) > _MOUNT_POINT}
    return sorted(file for file in files if os.path.isfile(file) and os.path.realpath(file) in points)


def _unescape(field: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), field)
