"""Server processes: start one on a loopback port, read its CPU and memory, and end it in every case."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Protocol

from benchmarks.harness import HANDWRITTEN, BenchmarkError
from benchmarks.projects import PLAN, PROJECT, Plan, agents_yaml

ROOT = Path(__file__).resolve().parent.parent
STORES = {"memory": "memory", "sqlite": "sqlite:///.chatkit/threads.db"}
SECURED = "secured"
"""SQLite with a login by JSON Web Token, and every limit of requests."""
ENCRYPTED = "encrypted"
"""SQLite with `store.encrypt`."""
SERVERS = (HANDWRITTEN, *STORES)
PRELOADED = (
    "benchmarks.handwritten",
    "benchmarks.prepare",
    "runtime.__main__",
    "runtime.autoreload.autoreload",
    "runtime.cli.commands.serve",
    "runtime.server.app",
    "runtime.stores.sql",
    "uvicorn.main",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)

_SECURITY = """\
auth: {jwt: {key_file: public.pem, issuer: benchmark, audience: benchmark, algorithms: [RS256]}}
limits:
  requests: {user: 100000000/minute, address: 100000000/minute}
  concurrent_turns: {user: 1000, all: 1000}
  turn: 120s
"""
_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
_START_S, _STOP_S, _POLL_S = 60.0, 10.0, 0.02


@dataclass(frozen=True, slots=True)
class Server:
    """A server process that accepts requests."""

    name: str
    pid: int
    port: int
    token: str = ""
    """The bearer token of its user; empty without a login."""

    @property
    def cpu_s(self) -> float:
        """User and system time of the process so far."""
        return read_cpu_s(self.pid)

    @property
    def resident_bytes(self) -> int:
        """Resident memory of the process."""
        if sys.platform == "linux":
            return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        else:
            return int(_ps(self.pid, "rss")) * 1024


class Process(Protocol):
    """The part of `asyncio.subprocess.Process` that is used here."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...
    async def wait(self) -> int: ...


@asynccontextmanager
async def serve_project(
    name: str, folder: Path, plan: Plan | None = None, *, fork: bool = False
) -> AsyncIterator[Server]:
    """Run one of SERVERS, SECURED or ENCRYPTED on a copy of PROJECT in `folder` until the block ends.

    May raise BenchmarkError.
    """
    project = folder / name
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns(".chatkit", "__pycache__"))
    if plan is not None:
        (project / PLAN).write_text(json.dumps(asdict(plan)))
        if plan.agents:
            text = agents_yaml(plan.agents, with_approval=True)
            (project / "agents.yaml").write_text(f"{text}store: {json.dumps(STORES.get(name, ''))}\n")
    mode = HANDWRITTEN if name == HANDWRITTEN else "runtime"
    token = _secure(project) if name == SECURED else ""
    if name == ENCRYPTED:
        _encrypt(project)
    async with run_server(name, mode, project, fork=fork) as server:
        yield replace(server, token=token)


def _secure(project: Path) -> str:
    """Let a project require a login, and limit requests; return the token of a user."""
    import jwt
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (project / "public.pem").write_bytes(public)
    file = project / "agents.yaml"
    file.write_text(file.read_text().replace("auth: none\n", _SECURITY, 1))
    claims = {"sub": "ann", "iss": "benchmark", "aud": "benchmark", "exp": int(time.time()) + 86400}
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return jwt.encode(claims, pem, algorithm="RS256")


def _encrypt(project: Path) -> None:
    """Let a project encrypt what it stores."""
    from runtime.stores.cipher import new_key

    file = project / "agents.yaml"
    head, _, _ = file.read_text().partition("\nstore:")
    file.write_text(f"{head}\nstore: {{url: {STORES['sqlite']!r}, encrypt: [{new_key()}]}}\n")


@asynccontextmanager
async def run_server(name: str, mode: str, project: Path, *, fork: bool = False) -> AsyncIterator[Server]:
    """Run benchmarks.serve in a `mode` of its own until the block ends; may raise BenchmarkError.

    With `fork`, the process is forked from one with all imports, which saves two seconds of CPU; what it measures then
    differs from a process of its own.
    """
    log = project.with_name(f"{project.name}.log")
    log.write_bytes(b"")
    start = _start_forked if fork else _start
    process = await start((mode, str(project)), environment(name), log)
    try:
        yield Server(name, process.pid, await _read_port(process, name, log))
    finally:
        await _stop(process)


def environment(name: str) -> dict[str, str]:
    """Return the environment of the server `name`."""
    # No key and no tracing: nothing leaves this machine, and no server pays for an exporter.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("OPENAI_", "CHATKIT_"))}
    return inherited | {
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
        "BENCHMARK_STORE": STORES.get("sqlite" if name in (SECURED, ENCRYPTED) else name, ""),
    }


async def time_command(
    name: str, arguments: Sequence[str], folder: Path, environ: Mapping[str, str], *, serves: bool = False
) -> tuple[float, float]:
    """Run Python with these arguments; return CPU and wall seconds until its end; may raise BenchmarkError.

    With `serves`, the measurement ends with the first line of output, and so does the process.
    """
    used_s = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        cwd=folder,
        # Modules are compiled once, as for a user.
        env={key: value for key, value in environ.items() if key != "PYTHONDONTWRITEBYTECODE"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _START_S) if serves else b""
        if line:
            return read_cpu_s(process.pid), time.perf_counter() - began
        _, errors = await asyncio.wait_for(process.communicate(), _START_S)
    finally:
        await _stop(process)
    wall_s, now_s = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode or serves:
        raise BenchmarkError(f"{name} failed with exit code {process.returncode}:\n{errors.decode()[-3000:].strip()}")
    return now_s.ru_utime + now_s.ru_stime - used_s.ru_utime - used_s.ru_stime, wall_s


def read_cpu_s(pid: int) -> float:
    """Return the user and system time of a process so far."""
    if sys.platform == "linux":
        # The CPU clock of another process: it has nanoseconds, /proc has 10 ms.
        return time.clock_gettime((~pid << 3) | 2)
    else:
        return parse_cpu_time(_ps(pid, "time"))


def parse_cpu_time(text: str) -> float:
    """Convert the output of `ps -o time`, `[[dd-]hh:]mm:ss[.cc]`, to seconds."""
    days, _, clock = text.rpartition("-")
    total = 0.0
    for part in clock.split(":"):
        total = total * 60 + float(part)
    return total + int(days or 0) * 86400


def _ps(pid: int, column: str) -> str:
    command = ["ps", "-o", f"{column}=", "-p", str(pid)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


async def _start(arguments: tuple[str, ...], environ: dict[str, str], log: Path) -> Process:
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.serve", *arguments),
            cwd=ROOT,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


async def _read_port(process: Process, name: str, log: Path) -> int:
    with suppress(TimeoutError):
        async with asyncio.timeout(_START_S):
            while process.returncode is None:
                if address := _ADDRESS.search(_read(log)):
                    return int(address[1])
                await asyncio.sleep(_POLL_S)
    raise BenchmarkError(f"the server {name!r} did not start:\n{_read(log)[-3000:].strip()}")


def _read(log: Path) -> str:
    return log.read_text(errors="replace")


async def _stop(process: Process) -> None:
    """End a process with SIGTERM, or with SIGKILL if it does not end in time."""
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()
    # `uvicorn --reload` runs the app in a process of its own, which survives a SIGKILL of the first.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@cache
def _fork_server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    return context


async def _start_forked(arguments: tuple[str, ...], environ: dict[str, str], log: Path) -> Process:
    return _ForkedProcess(arguments, environ, log)


class _ForkedProcess:
    """A process of the fork server of `multiprocessing`."""

    def __init__(self, arguments: tuple[str, ...], environ: dict[str, str], log: Path) -> None:
        reader, self._stdin = _fork_server().Pipe(duplex=False)
        self._process = _fork_server().Process(target=_serve_forked, args=(arguments, environ, str(log), reader))
        self._process.start()
        reader.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    async def wait(self) -> int:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._process.sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(self._process.sentinel)
        assert self._process.exitcode is not None
        return self._process.exitcode


def _serve_forked(arguments: tuple[str, ...], environ: dict[str, str], log: str, stdin: Connection) -> None:
    os.setsid()
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(ROOT)
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(stdin.fileno(), 0)
    for stream in (1, 2):
        os.dup2(output, stream)
    stdin.close()
    sys.stdin = None  # uvicorn passes its number to the process of the app
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)

    import uvicorn._subprocess

    # The process of `uvicorn --reload` is forked as well.
    uvicorn._subprocess.spawn = multiprocessing.get_context("fork")  # type: ignore[assignment]

    from benchmarks.serve import main

    main(*arguments)
