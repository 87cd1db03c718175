"""Whether a module that is neither in the project nor installed here may be where the project runs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
_OWN = {"chatkit-runtime", "python", "pip"}
_UNREAD = ("setup.py", "setup.cfg", "Pipfile", "environment.yml", "environment.yaml")
_IMAGES = ("Dockerfile*", "Containerfile*")
_INSTALLS = re.compile(r"\b(?:pip3?|uv|poetry|conda|mamba|pdm)\s+(?:install|add)\s+([^\n&|;]*)")
_TAKES_A_VALUE = {"-r", "--requirement", "-c", "--constraint", "-e", "--editable"}


def may_be_elsewhere(root: Path, top: str) -> bool:
    """Return whether the top-level module `top` may exist where the project runs.

    It may if the project requires a package that is not installed here, or does not say what it requires in a form that
    is read here, or if a folder of its repository holds such a module.
    """
    folders = list(_repository(root))
    if any(True for folder in folders for _ in _modules(folder, top)):
        return True
    return any(name is None or not _is_installed(name) for folder in folders for name in _required(folder))


def _repository(root: Path) -> Iterator[Path]:
    """Yield the project's folder, and those above it up to the repository's, if it is in one."""
    folders = (root, *root.parents)
    depth = next((index for index, folder in enumerate(folders) if (folder / ".git").exists()), 0)
    yield from folders[: depth + 1]


def _modules(folder: Path, top: str) -> Iterator[Path]:
    for pattern in (top, f"{top}.py", f"*/{top}", f"*/{top}.py", f"*/*/{top}", f"*/*/{top}.py"):
        yield from folder.glob(pattern)


def _required(folder: Path) -> Iterator[str | None]:
    """Yield the packages that a folder's files require; None for those that are not known."""
    if any((folder / name).exists() for name in _UNREAD):
        yield None
    for pattern in ("requirements*.txt", "requirements/*.txt"):
        for file in folder.glob(pattern):
            yield from _lines(_read(file))
    for pattern in _IMAGES:
        for file in folder.glob(pattern):
            yield from _installs(_read(file))
    if text := _read(folder / "pyproject.toml"):
        yield from _declared(text)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _lines(text: str) -> Iterator[str | None]:
    for line in text.splitlines():
        stripped = line.partition("#")[0].strip()
        if stripped and not stripped.startswith(("--hash", "-r", "-c", "--requirement", "--constraint")):
            yield _package(stripped)


def _installs(text: str) -> Iterator[str | None]:
    for match in _INSTALLS.finditer(text.replace("\\\n", " ")):
        before = ""
        for word in match[1].split():
            if before not in _TAKES_A_VALUE and not word.startswith("-") and word != ".":
                yield _package(word.strip("\"'"))
            before = word


def _declared(text: str) -> Iterator[str | None]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        yield None
        return
    project, tool = _table(data, "project"), _table(data, "tool")
    if "dependencies" in (project.get("dynamic") or ()):
        yield None
    lists = [project.get("dependencies"), *_table(project, "optional-dependencies").values()]
    lists += [*_table(data, "dependency-groups").values(), _table(tool, "uv").get("dev-dependencies")]
    for each in lists:
        yield from (_package(line) for line in each or () if isinstance(line, str))
    poetry = _table(tool, "poetry")
    for table in (poetry, *(group for group in _table(poetry, "group").values() if isinstance(group, dict))):
        yield from _table(table, "dependencies")
    if {"pdm", "hatch"} & tool.keys():
        yield None


def _table(data: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _package(requirement: str) -> str | None:
    """Return the name of the package that a requirement begins with; None for a path, an address or an option."""
    match = _NAME.match(requirement)
    rest = requirement[match.end() :].lstrip() if match is not None else ""
    return None if match is None or rest.startswith((":", "/", "+")) else match[0]


def _is_installed(name: str) -> bool:
    if re.sub(r"[-_.]+", "-", name).lower() in _OWN:
        return True
    # Imported on demand: a correct project needs none of it.
    from importlib import metadata

    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
