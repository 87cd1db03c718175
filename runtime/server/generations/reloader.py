"""Turn edited files into a new generation: read, wait until the files are stable, check, build, open, swap.

An error at any step leaves the current generation unchanged, and is reported in the outcome.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from runtime.config.secrets.mask import mask_diagnostics
from runtime.diagnostics.diagnostic import Diagnostic, Place, has_errors
from runtime.resources.gc_policy import reload_policy
from runtime.resources.lease import Live
from runtime.server.generations.generation import Generation
from runtime.server.generations.project_source import Changes, Fingerprint, Hashes, ProjectSource, compare_sources
from runtime.server.settings import DEFAULT_SETTINGS, ServerSettings

logger = logging.getLogger("runtime.reload")
T = TypeVar("T")

_PATIENCE_S = 10.0
_RETRY_S = 2.0
_MOST_READS = 100
_MOST_FINGERPRINTS = 10_000
_UPDATED = "The assistant was updated. Please try again."
_SHUTTING_DOWN = "the server is shutting down"
# The kind of error that refused a reload, by the start of its code.
_CAUSES = {
    "A0": "yaml",
    "A1": "schema",
    "A2": "references",
    "A3": "python",
    "A4": "widgets",
    "A5": "environment",
    "A6": "models",
}

Status = Literal["reloaded", "unchanged", "refused", "held", "full"]


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """The result of one reload.

    `reloaded`: a new generation serves. `unchanged`: the files are those of the current generation. `refused`:
    `diagnostics` has the errors. `held`: a file looks half-written. `full`: too many generations are alive. In all
    cases but the first, the current generation goes on serving.
    """

    status: Status
    number: int
    """The number of the generation that serves."""
    hashes: Hashes
    took_s: float = 0.0
    """Seconds from the start of the reload to the swap."""
    changes: Changes = field(default_factory=Changes)
    diagnostics: tuple[Diagnostic, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The texts that the diagnostics refer to, by file."""
    message: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def cause(self) -> str:
        """The kind of the first error: `yaml`, `schema`, `references`, `python`, `widgets`, `environment`, `models`
        or `other`."""
        code = next((d.code for d in self.diagnostics if d.severity == "error"), "")
        return _CAUSES.get(code[:2], "other")

    @property
    def summary(self) -> str:
        """One line for a log or a terminal."""
        serving = f"generation {self.number} goes on serving"
        match self.status:
            case "reloaded":
                message = f"; {self.message}" if self.message else ""
                return f"generation {self.number} serves after {self.took_s * 1000:.0f} ms: {self.changes}{message}"
            case "refused":
                errors = sum(d.severity == "error" for d in self.diagnostics)
                return f"reload refused, {errors} error{'s' if errors != 1 else ''}; {serving}"
            case "held":
                return f"{self.message}; {serving} (to apply it as it is, send SIGHUP or POST /-/reload)"
            case "full":
                return f"{self.message}; {serving}, and the edit takes effect when an older one has ended"
            case "unchanged":
                return f"{self.message}; {serving}"

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as JSON data; its diagnostics have the shape of `validate --format json`."""
        return {
            "status": self.status,
            "generation": self.number,
            "hashes": self.hashes.as_json(),
            "at": self.at.isoformat(),
            "took_ms": round(self.took_s * 1000),
            "summary": self.summary,
            "changes": self.changes.as_json(),
            "diagnostics": [diagnostic.as_json() for diagnostic in self.diagnostics],
        }


Listener = Callable[[ReloadOutcome], None]


class Reloader:
    """Runs one reload at a time. A reload that is requested meanwhile waits, and then reads the latest files.

    `live` returns the current generation's holder, `read` reads the project, `build` builds and opens a generation
    beside the current one or returns the errors, `end_turns` ends the turns of a generation with a message for users,
    `is_draining` returns whether the server shuts down.
    """

    def __init__(
        self,
        *,
        live: Callable[[], Live[Generation]],
        read: Callable[[], ProjectSource],
        build: Callable[[ProjectSource], Awaitable[Generation | Sequence[Diagnostic]]],
        end_turns: Callable[[Generation, str], Awaitable[None]],
        is_draining: Callable[[], bool],
        settings: ServerSettings = DEFAULT_SETTINGS,
    ) -> None:
        self._live, self._build, self._end_turns, self._is_draining = live, build, end_turns, is_draining
        self._settings = settings
        self.read = read
        """Called in the reload thread."""
        self._lock = asyncio.Lock()
        self._running: set[asyncio.Task[ReloadOutcome]] = set()
        self._waiting: asyncio.Task[ReloadOutcome] | None = None
        self._refused: Hashes | None = None
        self._full: Hashes | None = None
        self._most_generations = 0
        # Not the loop's executor: tools that hang in all of its threads must not block a reload of their fixed version.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="reload")
        self._served: set[Fingerprint] = set()
        self.latest: ProjectSource | None = None
        """The source that was read last, also if it was refused."""
        self.counts: Counter[str] = Counter()
        """The number of reloads by status; refused ones are counted as `refused:CAUSE`."""
        self.last_error: ReloadOutcome | None = None
        """The last reload that was refused or held, until one succeeds."""
        self.listeners: list[Listener] = [log_outcome]
        """Called in the event loop with each outcome that is news. Their exceptions are logged."""

    async def reload(self, *, explicit: bool = True) -> ReloadOutcome:
        """Read the files and make them serve. Errors in the files are part of the outcome and never raised.

        An `explicit` reload applies a file that looks half-written, tries refused files again, and returns `full` at
        the limit of generations; any other one waits there.
        """
        while True:
            # Its own task: a caller that is cancelled must not interrupt a build.
            task = asyncio.create_task(self._reload(explicit), name="reload")
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            outcome = await asyncio.shield(task)
            if outcome.status != "full":
                return outcome
            if explicit:
                if self._waiting is None or self._waiting.done():
                    self._waiting = asyncio.create_task(self.reload(explicit=False), name="reload when there is room")
                return outcome
            with suppress(TimeoutError):
                # Retried regularly: another edit may raise the limit or contain errors.
                await asyncio.wait_for(self._live().wait_for_room(self._most_generations), _RETRY_S)

    def bind_to_loop(self) -> None:
        """Use the running event loop from now on."""
        self._lock = asyncio.Lock()

    async def run_in_thread(self, function: Callable[..., T], *args: Any) -> T:
        """Run a function in the one thread that reads and builds."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *args)

    def record_broken_start(self, source: ProjectSource, diagnostics: tuple[Diagnostic, ...]) -> None:
        """Record that the files could not serve at the start, which was reported already."""
        self.latest, self._refused = source, source.hashes
        self.last_error = self._refusal(source, diagnostics)

    async def wait_idle(self, timeout_s: float) -> None:
        """Wait up to `timeout_s` seconds for running reloads; while the server drains, no new one has an effect."""
        if self._waiting is not None:
            self._waiting.cancel()
        if self._running:
            await asyncio.wait(set(self._running), timeout=timeout_s)

    def report(self, outcome: ReloadOutcome) -> None:
        """Count an outcome and pass it to the listeners."""
        refused = outcome.status == "refused"
        self.counts[f"refused:{outcome.cause}" if refused else outcome.status] += 1
        if refused or outcome.status == "held":
            self.last_error = outcome
        for listener in list(self.listeners):
            try:
                listener(outcome)
            except Exception:
                logger.exception("a reload listener failed")

    @property
    def _current(self) -> Generation:
        return self._live().current

    async def _reload(self, explicit: bool) -> ReloadOutcome:
        async with self._lock:
            with reload_policy():
                outcome, is_news = await self._attempt(explicit)
        if is_news:
            self.report(outcome)
        return outcome

    async def _attempt(self, explicit: bool) -> tuple[ReloadOutcome, bool]:
        """Return the outcome, and whether it is news for the listeners."""
        started = time.perf_counter()
        if self._is_draining():
            return self._outcome("unchanged", message=_SHUTTING_DOWN), False
        source = await self._read_stable()
        if source is None:
            return self._outcome("refused", diagnostics=(_unstable(self._current.source),)), True
        ended = self._check(source, explicit)
        if ended is not None:
            return ended
        if not await self._make_room(source):
            self._refused = None
            is_news, self._full = source.hashes != self._full or explicit, source.hashes
            message = f"{self._most_generations} generations are alive, which is the limit"
            return self._outcome("full", message=message), is_news
        return await self._replace(source, started)

    def _check(self, source: ProjectSource, explicit: bool) -> tuple[ReloadOutcome, bool] | None:
        """Return the outcome for a source that must not or need not be built, otherwise None."""
        current = self._current
        if source.hashes == current.hashes:
            is_news = self.last_error is not None
            # The current source may come from the last good project instead of from the files.
            current.source = source
            self.last_error = self._refused = None
            return self._outcome("unchanged", message="the files have not changed"), is_news
        if not explicit and source.hashes == self._refused:
            return self.last_error or self._outcome("refused"), False
        self._refused = source.hashes
        if not explicit and (file := source.truncated_file(current.source, self._served)):
            message = f"{file!r} looks half-written: it is the beginning of its previous content"
            return self._outcome("held", message=message), True
        if source.loaded.config is None or has_errors(source.loaded.diagnostics):
            return self._refusal(source, source.loaded.diagnostics), True
        return None

    async def _replace(self, source: ProjectSource, started: float) -> tuple[ReloadOutcome, bool]:
        current = self._current
        changes = await self.run_in_thread(compare_sources, current.source, source)
        built = await self._build_or_warn(source)
        if not isinstance(built, Generation):
            return self._refusal(source, built), True
        if self._is_draining():
            await built.close()
            return self._outcome("unchanged", message=_SHUTTING_DOWN), False
        if len(self._served) > _MOST_FINGERPRINTS:
            self._served.clear()
        self._served |= current.source.fingerprints()
        self._live().swap(built)
        built.snapshot.code.publish()
        self.last_error = self._refused = self._full = None
        return self._outcome(
            "reloaded",
            took_s=time.perf_counter() - started,
            changes=changes,
            diagnostics=source.loaded.diagnostics,
            sources=source.loaded.sources,
            message=_lost_state(built.lost_state),
        ), True

    async def _read_stable(self) -> ProjectSource | None:
        """Read the project until two reads, a moment apart, agree; None when the files keep changing."""
        loop = asyncio.get_running_loop()
        for _ in range(_MOST_READS):
            started = loop.time()
            source = await self.run_in_thread(self.read)
            self.latest = source
            if source.hashes == self._current.hashes:
                return source
            await asyncio.sleep(max(0.0, started + self._settings.files_stable_s - loop.time()))
            if await self.run_in_thread(source.is_current):
                return source
        return None

    async def _make_room(self, source: ProjectSource) -> bool:
        """Return whether one more generation may live; end the oldest one if the configuration says so."""
        assert source.loaded.config is not None
        live, declared = self._live(), source.loaded.config.reload
        self._most_generations = most = declared.generations
        if len(live.old) + 2 <= most:
            return True
        await live.wait_closed(_PATIENCE_S)
        if len(live.old) + 2 <= most:
            return True
        if declared.at_limit == "wait":
            return False
        for oldest in live.old[: len(live.old) + 2 - most]:
            await self._end_turns(oldest, _UPDATED)
            await oldest.end_requests()
        await live.wait_closed(_PATIENCE_S)
        return len(live.old) + 2 <= most

    async def _build_or_warn(self, source: ProjectSource) -> Generation | Sequence[Diagnostic]:
        warning = asyncio.get_running_loop().call_later(_PATIENCE_S, _warn_of_slow_build)
        try:
            return await self._build(source)
        finally:
            warning.cancel()

    def _refusal(self, source: ProjectSource, diagnostics: Sequence[Diagnostic]) -> ReloadOutcome:
        # The message of an exception may contain a secret.
        masked = tuple(mask_diagnostics(diagnostics, source.loaded.secrets))
        return self._outcome("refused", diagnostics=masked, sources=source.loaded.sources)

    def _outcome(self, status: Status, **more: Any) -> ReloadOutcome:
        return ReloadOutcome(status, self._current.number, self._current.hashes, **more)


def log_outcome(outcome: ReloadOutcome) -> None:
    """Log the summary of an outcome, and one line for each diagnostic."""
    level = logging.ERROR if outcome.status == "refused" else logging.INFO
    level = logging.WARNING if outcome.status in ("held", "full") else level
    logger.log(level, "%s", outcome.summary)
    for diagnostic in outcome.diagnostics:
        severity = logging.ERROR if diagnostic.severity == "error" else logging.WARNING
        hint = f" ({diagnostic.hint})" if diagnostic.hint else ""
        logger.log(severity, "%s: %s %s%s", diagnostic.place, diagnostic.code, diagnostic.message, hint)


def _lost_state(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    return f"recreated without their in-memory state: {', '.join(names)} (add dump() and load() to keep it)"


def _unstable(source: ProjectSource) -> Diagnostic:
    place = Place(source.loaded.file.name)
    return Diagnostic("A002", "the project's files keep changing: a program writes to them continuously", place)


def _warn_of_slow_build() -> None:
    logger.warning("building the project takes longer than %.0f s; the current generation goes on serving", _PATIENCE_S)
