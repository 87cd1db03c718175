"""The text of PDFs, read in a process with limits: a small file can take minutes and gigabytes.

The process computes only, so that it can open no file and no connection, and it is killed when nobody waits for it.
"""

from __future__ import annotations

import codecs
import importlib
import io
import json
import logging
import os
import pkgutil
import sys
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.resources.child_process import ChildProcess, limit_cpu_time, limit_resources, memory_in_use
from runtime.resources.threads import WorkThreads

logger = logging.getLogger("runtime.server")

_CHILD_CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from runtime.server.attachments.pdf_text import main; main(json.loads(sys.argv[2]))"
)
_POLL_S = 0.1
_threads = WorkThreads(2, "pdf")


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfLimits:
    """What reading one PDF may use: seconds of CPU time, bytes of memory, and characters of text.

    `wall_s` is generous: only a busy machine reaches it.
    """

    cpu_s: float = 10
    wall_s: float = 120
    memory: int = 256 * 1024 * 1024
    characters: int = 100_000


@dataclass(frozen=True, slots=True)
class PdfText:
    """The text of a PDF that has `pages` pages, of which `missing` could not be read; 0 of 0 if it could not be opened.

    `stopped` says why the last of them are missing, or is empty: the file takes too much, or is broken.
    """

    text: str
    pages: int = 0
    missing: int = 0
    stopped: str = ""


class PdfTexts:
    """The texts of the PDFs that were read last: each turn of a thread needs them, and no file changes."""

    def __init__(self, limits: PdfLimits | None = None, most: int = 64) -> None:
        self._limits, self._most = limits or PdfLimits(), most
        self._texts: OrderedDict[str, PdfText] = OrderedDict()

    async def get(self, file_id: str, content: bytes) -> PdfText:
        """Return the text of a file; a cancelled call ends the process that reads it."""
        if file_id in self._texts:
            self._texts.move_to_end(file_id)
            return self._texts[file_id]
        text = await read_pdf(content, self._limits)
        if text.missing or text.stopped:
            reason = text.stopped or "they are broken"
            logger.warning("%d of %d pages of the PDF %s are not read: %s", text.missing, text.pages, file_id, reason)
        self._texts[file_id] = text
        while len(self._texts) > self._most:
            self._texts.popitem(last=False)
        return text


async def read_pdf(content: bytes, limits: PdfLimits) -> PdfText:
    """Read the text of a PDF in a process; if the call is cancelled, the process is killed. No file makes it raise."""
    cancelled = threading.Event()
    try:
        return await _threads.run(_read, content, limits, cancelled)
    finally:
        cancelled.set()


def _read(content: bytes, limits: PdfLimits, cancelled: threading.Event) -> PdfText:
    texts: list[str] = []
    pages, broken, deadline = 0, 0, time.monotonic() + limits.wall_s

    def result(stopped: str) -> PdfText:
        missing = pages - len(texts) if stopped else broken
        return PdfText("\n\n".join(texts), pages, missing, stopped)

    with _start(content, limits) as child:
        while not cancelled.is_set():
            try:
                line = child.read_line(min(deadline, time.monotonic() + _POLL_S))
            except TimeoutError:
                if time.monotonic() < deadline:
                    continue
                return result(f"it took more than {limits.wall_s:g} s")
            match _parse(line):
                case {"pages": int(pages)}:
                    continue
                case {"text": str(text)}:
                    texts.append(text)
                case {"broken": _}:
                    broken += 1
                case {"end": str(reason)}:
                    return result(reason)
                case None:
                    return result(_why_ended(child, limits))
    return result("nobody waits for it any more")


def _why_ended(child: ChildProcess, limits: PdfLimits) -> str:
    if child.used_up_cpu_time:
        return f"it took more than {limits.cpu_s:g} s of CPU time"
    return f"its process ended with code {child.exit_code} {child.printed[-500:]}".strip()


def _parse(line: bytes | None) -> Any:
    try:
        return None if line is None else json.loads(line)
    except ValueError:
        return None  # a child may be killed in the middle of a line


def _start(content: bytes, limits: PdfLimits) -> ChildProcess:
    # Without the current folder, which may be one that is not trusted: nothing is imported from there.
    paths = [path for path in sys.path if path and os.path.realpath(path) != os.path.realpath(os.curdir)]
    path = json.dumps([*paths, str(Path(__file__).parents[3])])
    numbers = json.dumps({"cpu_s": limits.cpu_s, "memory": limits.memory, "characters": limits.characters})
    env = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    return ChildProcess.start(
        [sys.executable, "-I", "-c", _CHILD_CODE, path, numbers], content, env=env, keep_stderr=True
    )


# In the child.


def main(limits: dict[str, Any]) -> None:
    """Run as the child: read a PDF from standard input, and write its pages to standard output, one a line."""
    content, output = sys.stdin.buffer.read(), sys.stdout.fileno()

    def send(message: dict[str, Any]) -> None:
        view = memoryview(json.dumps(message).encode() + b"\n")
        while view:
            view = view[os.write(output, view) :]

    _import_all()
    logging.disable()
    if hasattr(os, "nice"):
        os.nice(10)
    limit_resources(CORE=0, FSIZE=0, NPROC=0, AS=memory_in_use() + limits["memory"], NOFILE=0)
    limit_cpu_time(limits["cpu_s"])
    try:
        reason = _send_pages(content, limits["characters"], send)
    except MemoryError:
        reason = f"it took more than {limits['memory'] // 1024**2} MiB of memory"
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"[:200]
    send({"end": reason})
    os._exit(0)


def _send_pages(content: bytes, characters: int, send: Any) -> str:
    from pypdf import PdfReader
    from pypdf.errors import LimitReachedError

    reader = PdfReader(io.BytesIO(content))
    pages = len(reader.pages)
    send({"pages": pages})
    for index in range(pages):
        try:
            text = reader.pages[index].extract_text()
        except (LimitReachedError, MemoryError):
            raise
        except Exception as error:
            send({"broken": f"{type(error).__name__}: {error}"})
            continue
        # One character more than the limit shows that there are more.
        text = text.encode("utf-8", "replace").decode()[: characters + 1]
        send({"text": text})
        characters -= len(text)
        if characters < 0:
            break
    return ""


def _import_all() -> None:
    """Import what reading may need, since later no file can be opened."""
    import pypdf

    for module in pkgutil.walk_packages(pypdf.__path__, "pypdf."):
        # Some need packages that are not installed, and pypdf does without.
        with suppress(ImportError):
            importlib.import_module(module.name)
    for name in ("ascii", "cp1252", "cp932", "cp950", "gb18030", "gb2312", "gbk", "latin-1", "mac_roman", "utf-8"):
        codecs.lookup(name)
    for name in ("idna", "charmap", "unicode_escape", "utf-16", "utf-16-be", "utf-16-le", "utf-32-be"):
        codecs.lookup(name)
