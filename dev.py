#!/usr/bin/env python3
"""Set up the project and run one of its commands; needs Python 3.11 or newer, nothing else.

    python3 dev.py serve     serve the sample project, offline (further arguments go to `chatkit-runtime serve`)
    python3 dev.py test      run the tests, on every core (with arguments: pytest with just these)
    python3 dev.py check     formatting, lints, types and layers
    python3 dev.py lock      write the hashed requirement files anew
    python3 dev.py COMMAND   any command of `chatkit-runtime`: chat, validate, show, …

The first run makes a virtual environment in .venv and installs the hashed requirements into it; later runs do so again
only when the requirements have changed.
"""

from __future__ import annotations

import hashlib
import os
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
)
LOCK = ["uv", "pip", "compile", "--universal", "--python-version", "3.11", "--generate-hashes", "--no-header", "-q"]


def main(arguments: list[str]) -> int:
    """Set up, then run the command; the result is its exit code."""
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
    """What the environment must have installed, as a hash."""
    return hashlib.sha256(LOCKED.read_bytes() + (ROOT / "pyproject.toml").read_bytes()).hexdigest()


def set_up() -> None:
    """Make the environment and install what is locked, unless that has been done for these requirements."""
    wanted = requirements_digest()
    if INSTALLED.is_file() and INSTALLED.read_text() == wanted:
        return
    print(f"setting up {ENVIRONMENT} (once, about a minute) …", file=sys.stderr)
    if not (BIN / "python").exists():
        venv.create(ENVIRONMENT, with_pip=True)
    pip = [sys.executable, "-m", "pip", "--python", str(BIN / "python"), "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(LOCKED)], check=True)
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)], check=True)
    INSTALLED.write_text(wanted)


def become(command: str, *arguments: str) -> int:
    """Turn this process into a command of the environment: signals and the terminal are its own from then on."""
    if os.name != "nt":
        os.chdir(ROOT)
        os.execve(BIN / command, [command, *arguments], environ())
    # Windows can't replace a process. Ctrl-C reaches both; the command alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return run(command, *arguments)


def run(command: str, *arguments: str) -> int:
    """Run a command of the environment in the project's folder and wait for it; the result is its exit code."""
    return subprocess.run([str(BIN / command), *arguments], cwd=ROOT, env=environ(), check=False).returncode


def environ() -> dict[str, str]:
    """The environment variables of a command: its own programs come first."""
    path = f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": path, "VIRTUAL_ENV": str(ENVIRONMENT)}


def lock() -> int:
    """Resolve the requirements anew; needs uv."""
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
