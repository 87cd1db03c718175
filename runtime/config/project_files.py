"""The files of a project: read once, only inside the project folder, and kept for code frames and the hash."""

from __future__ import annotations

import fnmatch
import glob
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from runtime.diagnostics.diagnostic import Diagnostic, Place
from runtime.diagnostics.wording import CLOSE, nearest
from runtime.documents.document import decode_text

# Installed packages: no pattern matches them.
_INSTALLED = frozenset({"node_modules", "site-packages"})


@dataclass(frozen=True, slots=True)
class ProjectFiles:
    """Reads the files that agents.yaml names, each once, so that the build uses the same bytes as the hash.

    With `given`, bytes by name, the disk is not read and any other file does not exist. `contents` holds the bytes of
    every file that was read, by its POSIX path from `root`; `missing` holds the paths inside the project that were
    requested and do not exist. `texts` holds every text by its name as written in the config, `patterns` the names
    that matched each pattern.
    """

    root: Path
    given: Mapping[str, bytes] | None = None
    texts: dict[str, str] = field(default_factory=dict)
    patterns: dict[str, list[str]] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    _linked: set[str] = field(default_factory=set)

    def read(self, name: str) -> str | Diagnostic:
        """Return the text of a file below the root, or the reason why it can't be read (A002, A003, A230, A231)."""
        if name in self.texts:
            return self.texts[name]
        content = self.read_bytes(name)
        if isinstance(content, Diagnostic):
            return replace(content, hint=self._near(name)) if content.code == "A230" else content
        text = decode_text(content, name)
        if isinstance(text, str):
            self.texts[name] = text
        return text

    def read_bytes(self, name: str, *, linked: bool = False) -> bytes | Diagnostic:
        """Return the bytes of a file below the root, or the reason why it can't be read (A002, A230, A231).

        With `linked`, a link may lead out of the project folder: only for names that do not come from a config.
        """
        key = PurePath(name).as_posix()
        if key in self.contents and (linked or key not in self._linked):
            return self.contents[key]
        if linked:
            self._linked.add(key)
        content = self._from_disk(name, linked) if self.given is None else self._from_given(name, self.given.get(key))
        if isinstance(content, bytes):
            self.missing.discard(key)
            # Keep the first bytes: they are the ones that were hashed.
            return self.contents.setdefault(key, content)
        if _is_below(name):
            self.missing.add(key)
        return content

    def find(self, pattern: str) -> list[str]:
        """Return the sorted names of the files that match a pattern such as `agents/*.yaml`, hidden files excluded."""
        if pattern not in self.patterns:
            self.patterns[pattern] = self._matches(pattern) if _is_below(pattern) else []
        return self.patterns[pattern]

    def _matches(self, pattern: str) -> list[str]:
        if self.given is not None:
            matches = [name for name in self.given if _is_match(PurePath(name).parts, PurePath(pattern).parts)]
        else:
            root = os.path.realpath(self.root)
            names = _matching(root, (), _parts(pattern), (root,))
            matches = [name for name in {"/".join(parts) for parts in names} if (self.root / name).is_file()]
        return sorted(name for name in matches if _INSTALLED.isdisjoint(PurePath(name).parts))

    def reread(self) -> bool:
        """Read every known file again; return whether nothing has changed, which is always so with `given` files."""
        if self.given is not None:
            return True
        if any(self._matches(pattern) != names for pattern, names in self.patterns.items()):
            return False
        now = ProjectFiles(self.root)
        for name in (*self.contents, *self.missing):
            now.read_bytes(name, linked=name in self._linked)
        return now.contents == self.contents

    def sealed(self) -> ProjectFiles:
        """Return a copy that never reads the disk: a file that was not read so far does not exist."""
        return ProjectFiles(self.root, dict(self.contents))

    def hash(self) -> str:
        """Return the SHA-256 over the names and bytes of every file that was read."""
        digest = hashlib.sha256()
        for name, content in sorted(self.contents.items()):
            digest.update(f"{name}\0{len(content)}\0".encode(errors="surrogatepass"))
            digest.update(content)
        return digest.hexdigest()

    def _from_disk(self, name: str, linked: bool) -> bytes | Diagnostic:
        path = self.root / name
        try:
            if not linked and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.root)):
                return _outside(name)
            # Reading a pipe would block. A file that vanishes after the check raises an OSError.
            return path.read_bytes() if path.is_file() else _absent(name, path.is_dir())
        except FileNotFoundError:
            return _absent(name)
        except OSError as error:
            return Diagnostic("A002", f"can't read {name!r}: {error.strerror or error}", Place(name))
        except ValueError:  # such as a name with a null character
            return _outside(name)

    def _from_given(self, name: str, content: bytes | None) -> bytes | Diagnostic:
        if content is not None:
            return content
        return _absent(name) if _is_below(name) else _outside(name)

    def _near(self, name: str) -> str:
        """Return a hint at the file that a name of a missing file probably means: `\\` for `/`, the case, a letter."""
        if "://" in name:
            return "save it in the project: nothing is downloaded"
        *folders, leaf = PurePath(name.replace("\\", "/")).parts
        folder = PurePath()
        for part in folders:
            folder /= self._nearest_in(folder, part, is_folder=True) or part
        near = self._nearest_in(folder, leaf)
        meant = (folder / near).as_posix() if near else name
        return f"did you mean {meant!r}?" if meant != name else ""

    def _nearest_in(self, folder: PurePath, name: str, *, is_folder: bool = False) -> str | None:
        """Return the file or folder whose name is nearest to `name` in a folder of the project."""
        depth, pattern = len(folder.parts), f"{glob.escape(folder.as_posix())}/*" if folder.parts else "*"
        matches = self._matches(f"{pattern}/*" if is_folder else pattern)
        names = {PurePath(match).parts[depth] for match in matches}
        return name if name in names else nearest(name, sorted(names), CLOSE)


def is_pattern(name: str) -> bool:
    """Return whether a name is a pattern that matches any number of files."""
    return glob.has_magic(name)


def _matching(
    root: str, folder: tuple[str, ...], pattern: tuple[str, ...], above: tuple[str, ...]
) -> Iterator[tuple[str, ...]]:
    """Yield the paths below a folder that match a pattern, as `glob.glob` finds them, hidden ones excluded.

    A link is followed to a folder inside `root`, and not to one of `above`, the folder and its parents without links:
    a link to `/` would be a search of the whole disk, and a link upwards would never end.
    """
    head, rest = pattern[0], pattern[1:]
    names = [head] if head != "**" and not glob.has_magic(head) else _names_in(above[-1])
    if head == "**" and rest:
        yield from _matching(root, folder, rest, above)
    for name in names:
        if head != "**" and not _is_match((name,), (head,)):
            continue
        if head == "**" and name.startswith("."):
            continue
        if not rest:
            yield (*folder, name)
        if (rest or head == "**") and (inner := _folder_in(root, above, name)) is not None:
            yield from _matching(root, (*folder, name), pattern if head == "**" else rest, (*above, inner))


def _parts(pattern: str) -> tuple[str, ...]:
    """Return the parts of a pattern; several `**` in a row mean one, and would take longer."""
    parts = PurePath(pattern).parts
    return tuple(part for index, part in enumerate(parts) if part != "**" or parts[index - 1 : index] != ("**",))


def _names_in(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _folder_in(root: str, above: tuple[str, ...], name: str) -> str | None:
    """Return the real path of a folder that the search may enter; None for a file, and for other folders."""
    path = os.path.join(above[-1], name)
    if name in _INSTALLED or not os.path.isdir(path):
        return None
    if not os.path.islink(path):
        return path
    real = os.path.realpath(path)
    return real if real.startswith(os.path.join(root, "")) and real not in above else None


def _is_match(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Return whether a path matches a pattern, part by part, as in `glob.glob`."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return _is_match(parts, pattern[1:]) or (bool(parts) and parts[0][0] != "." and _is_match(parts[1:], pattern))
    if not parts or (parts[0][0] == "." and pattern[0][0] != "."):
        return False
    return fnmatch.fnmatchcase(parts[0], pattern[0]) and _is_match(parts[1:], pattern[1:])


def _absent(name: str, is_folder: bool = False) -> Diagnostic:
    return Diagnostic("A230", f"the file {name!r} {'is a folder' if is_folder else 'does not exist'}", Place(name))


def _outside(name: str) -> Diagnostic:
    return Diagnostic("A231", f"the file {name!r} is outside the project folder", Place(name))


def _is_below(name: str) -> bool:
    """Return whether a name stays inside the folder that it is relative to, links not resolved."""
    return "\0" not in name and not os.path.isabs(name) and os.path.normpath(name).split(os.sep)[0] != os.pardir
