"""How editors and tools save a file: the calls that each of them makes, in their order."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

Save = Callable[[Path, str], None]
_number = count(1)


def in_place(path: Path, text: str) -> None:
    path.write_text(text)


def in_two_writes(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text[:3])
        file.flush()
        file.write(text[3:])


def by_replacing(path: Path, text: str) -> None:
    temporary = path.with_name(f"{path.name}.{next(_number)}.tmp")
    temporary.write_text(text)
    os.replace(temporary, path)


def by_vim(path: Path, text: str) -> None:
    """Vim 9.0 with `writebackup` and `backupcopy=auto`, as strace shows it."""
    swap, swap_2, backup = _beside(path, f".{path.name}.swp", f".{path.name}.swx", f"{path.name}~")
    for file in (swap, swap_2):
        file.touch(0o600)
    for file in (swap_2, swap):
        file.unlink()
    swap.write_bytes(b"b0VIM 9.0" + bytes(4087))
    probe = path.with_name("4913")  # may a file be made here?
    probe.touch()
    probe.unlink()
    os.rename(path, backup)
    path.write_text(text)
    backup.unlink()
    swap.unlink()


def by_vim_copying(path: Path, text: str) -> None:
    """Vim 9.0 with `backupcopy=yes`, as strace shows it."""
    swap, backup = _beside(path, f".{path.name}.swp", f"{path.name}~")
    swap.write_bytes(b"b0VIM 9.0" + bytes(4087))
    shutil.copy2(path, backup)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    with open(descriptor, "w") as file:
        file.truncate(0)
        file.write(text)
        os.fsync(descriptor)
    backup.unlink()
    swap.unlink()


def by_emacs(path: Path, text: str) -> None:
    """Emacs with `backup-by-copying`: files.el (basic-save-buffer), filelock.c (lock_file), fileio.c (do-auto-save)."""
    lock, autosave, backup = _beside(path, f".#{path.name}", f"#{path.name}#", f"{path.name}~")
    lock.symlink_to(f"someone@somewhere.{os.getpid()}:1700000000")
    autosave.write_text(text)
    shutil.copy2(path, backup)
    path.write_text(text)
    autosave.unlink()
    lock.unlink()


def by_emacs_renaming(path: Path, text: str) -> None:
    """Emacs as it comes: the first save of a session renames the file to its backup."""
    lock, backup = _beside(path, f".#{path.name}", f"{path.name}~")
    lock.symlink_to(f"someone@somewhere.{os.getpid()}:1700000000")
    os.rename(path, backup)
    path.write_text(text)
    lock.unlink()


def by_sed(path: Path, text: str) -> None:
    """Run in a process; the source must be one line."""
    suffix = [""] if sys.platform == "darwin" else []
    subprocess.run(["sed", "-i", *suffix, f"s/.*/{text.rstrip()}/", str(path)], check=True)


def by_deleting(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


def by_kubernetes(path: Path, text: str) -> None:
    """The kubelet's AtomicWriter.Write: a new folder, a new link to it, renamed over the old; then the old one goes."""
    volume = path.parent
    data, old = volume / "..data", (volume / "..data").resolve()
    new = volume / f"..2026_11_24_10_00_00.{next(_number)}"
    new.mkdir()
    (new / path.name).write_text(text)
    link = volume / "..data_tmp"
    link.symlink_to(new.name)
    os.rename(link, data)
    shutil.rmtree(old)


def mount_as_kubernetes(path: Path) -> None:
    """Turn a plain file into what a ConfigMap mounts: links by way of `..data`."""
    volume = path.parent
    folder = volume / "..2026_11_24_09_00_00.0"
    folder.mkdir()
    os.rename(path, folder / path.name)
    (volume / "..data").symlink_to(folder.name)
    path.symlink_to(Path("..data") / path.name)


SAVES: dict[str, Save] = {
    "in place": in_place,
    "in two writes": in_two_writes,
    "by replacing": by_replacing,
    "vim": by_vim,
    "vim copying": by_vim_copying,
    "sed": by_sed,
    "deleting": by_deleting,
    "kubernetes": by_kubernetes,
    "emacs": by_emacs,
    "emacs renaming": by_emacs_renaming,
}


def _beside(path: Path, *names: str) -> list[Path]:
    return [path.with_name(name) for name in names]
