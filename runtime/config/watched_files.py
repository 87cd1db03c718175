"""Files that agents.yaml does not read itself: the data of the project's Python, and the programs of MCP servers.

They are read with the configuration, so that an edit of one is a change of the project.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path, PurePath

from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.model.mcp import StdioMcpServer
from runtime.config.project_files import ProjectFiles
from runtime.diagnostics.diagnostic import Diagnostic

_SCRIPTS = frozenset({".py", ".js", ".mjs", ".cjs", ".ts", ".mts", ".sh", ".rb", ".php", ".pl", ".lua"})
"""The suffixes of programs; another argument may be a file that the program itself writes."""


def read_watched(config: Config, files: ProjectFiles, collector: DiagnosticCollector) -> None:
    """Read the files of `reload.watch` and the programs of MCP servers; report patterns without a file."""
    for index, pattern in enumerate(config.reload.watch):
        path = ("reload", "watch", index)
        names = files.find(pattern)
        for name in names:
            content = files.read_bytes(name)
            if isinstance(content, Diagnostic):
                collector.add(content, path)
        if not names:
            hint = "a pattern starts from the project folder; hidden files and installed packages never match"
            collector.report("A233", path, f"no file matches {pattern!r}", hint, severity="warning")
    for server in config.mcp.values():
        if isinstance(server, StdioMcpServer):
            for name in program_files(server, files):
                files.read_bytes(name)


def data_digest(config: Config, files: ProjectFiles) -> str:
    """Return a hash of the files of `reload.watch`; empty if there are none."""
    return _digest({name for pattern in config.reload.watch for name in files.find(pattern)}, files)


def program_digest(config: Config, server: StdioMcpServer, files: ProjectFiles, code_hash: str) -> str:
    """Return a hash of what a program in the project folder consists of; empty for one from elsewhere.

    A program in Python may import the project's modules, any program may read the files of `reload.watch`.
    """
    names = program_files(server, files)
    if not names:
        return ""
    modules = code_hash if any(name.endswith(".py") for name in names) else ""
    return f"{_digest(names, files)} {modules} {data_digest(config, files)}"


def program_files(server: StdioMcpServer, files: ProjectFiles) -> list[str]:
    """Return the names of the scripts in the project folder that a server's command line names."""
    folder = PurePath(server.cwd or "")
    words = [word for word in (server.command, *server.args) if PurePath(word).suffix in _SCRIPTS]
    for option, module in zip(server.args, server.args[1:], strict=False):
        if option == "-m":
            stem = module.replace(".", "/")
            words += [f"{stem}.py", f"{stem}/__main__.py", f"{stem}/__init__.py"]
    names = (os.path.normpath(folder / word) for word in words)
    return [PurePath(name).as_posix() for name in names if _is_file(name, files)]


def _is_file(name: str, files: ProjectFiles) -> bool:
    if os.path.isabs(name) or name.split(os.sep)[0] == os.pardir:
        return False
    return PurePath(name).as_posix() in files.given if files.given is not None else Path(files.root, name).is_file()


def _digest(names: Iterable[str], files: ProjectFiles) -> str:
    digest = hashlib.sha256()
    names = sorted(names)
    for name in names:
        content = files.read_bytes(name)
        if isinstance(content, bytes):
            digest.update(f"{name}\0{len(content)}\0".encode(errors="surrogatepass") + content)
    return digest.hexdigest() if names else ""
