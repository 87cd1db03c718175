#!/usr/bin/env python3
"""Set up the project and run one of its commands. Needs Python 3.11 or newer and nothing else.

    python3 dev.py dev       serve the sample project, offline (further arguments go to `chatkit-runtime dev`)
    python3 dev.py test      run the tests on every core (with arguments: pytest with exactly these)
    python3 dev.py check     check format, lints, types, layers and the rules of the architecture
    python3 dev.py lock      resolve the requirements and write the hashed requirement files (needs uv)
    python3 dev.py COMMAND   any command of `chatkit-runtime`: chat, validate, show, …

The first run creates a virtual environment in .venv and installs the hashed requirements into it: with uv where it is
installed (seconds), else with pip (about a minute). Later runs install again only when the requirements have changed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = Path(os.environ.get("CHATKIT_DEV_ENV", ROOT / ".venv"))
BIN = ENVIRONMENT / ("Scripts" if os.name == "nt" else "bin")
LOCKED = ROOT / "requirements" / os.environ.get("CHATKIT_DEV_LOCK", "dev.txt")
INSTALLED = ENVIRONMENT / "installed-requirements"

CHECKS = (
    ["ruff", "format", "--check", "."],
    ["ruff", "check", "."],
    ["mypy"],
    ["lint-imports"],
    ["pytest", "-q", "tests/architecture"],
)
LOCK = ["uv", "pip", "compile", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "-q"]


def main(arguments: list[str]) -> int:
    """Set up, then run the command; return its exit code."""
    if sys.version_info < (3, 11):
        print(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}", file=sys.stderr)
        return 2
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if arguments else 2
    set_up()
    name, rest = arguments[0], arguments[1:]
    if name == "test":
        return become("pytest", *(rest or ["-n", "auto", "--dist", "worksteal"]))
    if name == "check":
        return max(run(*check) for check in CHECKS)
    if name == "lock":
        return lock()
    return become("chatkit-runtime", name, *rest)


def requirements_digest() -> str:
    """Return a hash of all that decides what is installed."""
    return hashlib.sha256(LOCKED.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()


def set_up() -> None:
    """Create the environment and install the locked requirements, unless that was done for these requirements."""
    wanted = requirements_digest()
    if INSTALLED.is_file() and INSTALLED.read_text() == wanted:
        return
    uv = shutil.which("uv")
    show(f"setting up {ENVIRONMENT} (once; {'seconds, with uv' if uv else 'about a minute, with pip'})")
    if not (BIN / "python").exists():
        show("  1 of 3: creating the virtual environment")
        # pip can install into an environment that has none of its own.
        venv.create(ENVIRONMENT, with_pip=False)
    if uv:
        pip = [uv, "pip", "install", "--python", str(BIN / "python")]
    else:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(BIN / "python"), "install"]
    install("  2 of 3: installing packages", [*pip, "--require-hashes", "-r", str(LOCKED)], count_locked())
    install("  3 of 3: installing the project", [*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)], 0)
    INSTALLED.write_text(wanted)
    show("set up")


def count_locked() -> int:
    """Return the number of packages in the requirement file."""
    return len(re.findall(r"^[A-Za-z0-9].*==", LOCKED.read_text(), re.MULTILINE))


def install(title: str, command: list[str], total: int) -> None:
    """Run an installer and show the package it works on; raises CalledProcessError, after printing its output."""
    is_terminal = sys.stderr.isatty()
    show(title)
    output: list[str] = []
    packages: set[str] = set()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8") as process:
        assert process.stdout is not None
        for line in process.stdout:
            output.append(line)
            package = re.match(r"Collecting ([\w.-]+)", line)
            if package and package[1] not in packages:
                packages.add(package[1])
                if is_terminal:
                    print(f"\r{title}: {len(packages)} of {total}, {package[1]:<40.40}", end="", file=sys.stderr)
                elif len(packages) % 25 == 0:
                    show(f"{title}: {len(packages)} of {total}")
    if is_terminal and packages:
        show(f"\r{title}: {len(packages)} of {total}{'':<43}")
    if process.returncode:
        show("".join(output))
        raise subprocess.CalledProcessError(process.returncode, command)


def show(line: str) -> None:
    """Print a line of progress: to stderr, since stdout belongs to the command."""
    print(line, file=sys.stderr, flush=True)


def become(command: str, *arguments: str) -> int:
    """Replace this process by a command of the environment, which then receives the signals and the terminal."""
    if os.name != "nt":
        os.chdir(ROOT)
        os.execve(BIN / command, [command, *arguments], environ())
    # Windows cannot replace a process. Ctrl-C reaches both; the command alone handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return run(command, *arguments)


def run(command: str, *arguments: str) -> int:
    """Run a command of the environment in the project's folder; return its exit code."""
    return subprocess.run([str(BIN / command), *arguments], cwd=ROOT, env=environ(), check=False).returncode


def environ() -> dict[str, str]:
    """Return the environment variables of a command; the programs of the virtual environment come first in PATH."""
    path = f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": path, "VIRTUAL_ENV": str(ENVIRONMENT)}


def lock() -> int:
    """Resolve the requirements and write the requirement files; needs uv."""
    requirements = ROOT / "requirements"
    dev = ["--extra", "postgres", "--extra", "s3", "--extra", "openapi", "--group", "dev"]
    extras = [*dev, "--extra", "any-llm", "--extra", "litellm"]
    for file, more in (("runtime.txt", []), ("dev.txt", dev), ("extras.txt", extras)):
        command = [*LOCK, "--upgrade", "pyproject.toml", *more, "-o", str(requirements / file)]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except subprocess.CalledProcessError as error:
        sys.exit(f"the set-up failed: {error}")
