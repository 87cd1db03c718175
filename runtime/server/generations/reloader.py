"""From edited files to a new generation: read, wait until the files hold still, check, build, open, swap.

Whatever goes wrong on the way leaves the generation that serves untouched, and is told.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from runtime.config.secrets.mask import mask_diagnostics
from runtime.diagnostics.diagnostic import Diagnostic, Place, has_errors
from runtime.resources.gc_policy import giving_way
from runtime.server.generations.changes import Changes, changes_between
from runtime.server.generations.generation import Generation
from runtime.server.generations.project_source import Hashes, Reading, read_project

if TYPE_CHECKING:
    from runtime.server.runtime import Runtime

logger = logging.getLogger("runtime.reload")
T = TypeVar("T")

STABLE_S = 0.1
"""How long the files must hold still, in seconds: a half-written YAML file is usually valid YAML."""
_PATIENCE_S = 10.0
_LOOK_S = 2.0
_MOST_SERVED = 10_000
_MOST_READINGS = 100
_END_OLDEST = "The assistant was updated meanwhile. Please try again."

Status = Literal["reloaded", "unchanged", "refused", "held", "full"]

# What kind of mistake refused a reload, by the hundreds of its code.
_CAUSES = {
    "A0": "yaml",
    "A1": "schema",
    "A2": "references",
    "A3": "python",
    "A4": "widgets",
    "A5": "environment",
    "A6": "models",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one reload.

    `reloaded`: a new generation serves. `unchanged`: the files hold what serves already. `refused`: `diagnostics` says
    why. `held`: a file looks half-written. `full`: too many generations are alive. In all but the first the generation
    that served goes on.
    """

    status: Status
    number: int
    hashes: Hashes
    took_s: float = 0.0
    changes: Changes = field(default_factory=Changes)
    diagnostics: tuple[Diagnostic, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)
    message: str = ""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def cause(self) -> str:
        """What kind of mistake refused it: `yaml`, `schema`, `references`, `python`, `widgets`, `environment`, `models`
        or `other`."""
        first = next((d.code for d in self.diagnostics if d.severity == "error"), "")
        return _CAUSES.get(first[:2], "other")


Listener = Callable[[Outcome], None]


class Reloader:
    """Reloads one at a time; whoever asks meanwhile waits, and then finds the last content."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._turn = asyncio.Lock()
        self._at_work: set[asyncio.Task[Outcome]] = set()
        self._waiting: asyncio.Task[Outcome] | None = None
        self._refused: Hashes | None = None
        self._full: Hashes | None = None
        self._most = 0
        # Not the loop's own: tools that hang in every one of its threads must not keep their mended version out.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reload")
        self._served: set[tuple[str, bytes]] = set()
        self.latest: Reading | None = None
        """What was read last, whatever became of it."""
        self.count: Counter[str] = Counter()
        """How many reloads had each outcome; refused ones as `refused:CAUSE`."""
        self.last_error: Outcome | None = None
        """The reload that was refused or held back, until another one succeeds."""
        self.listeners: list[Listener] = [log_outcome]

    async def reload(self, *, asked: bool = True) -> Outcome:
        """Make what the files hold now serve. Never raises for what is wrong with them.

        `asked` says that somebody wants it now: a file that looks half-written is then taken as it is, files that were
        refused are tried again, and a limit of generations is an outcome instead of a wait.
        """
        while True:
            # In a task of its own: whoever asked may go away, what has begun is brought to its end.
            task = asyncio.create_task(self._reload(asked), name="reload")
            self._at_work.add(task)
            task.add_done_callback(self._at_work.discard)
            outcome = await asyncio.shield(task)
            if outcome.status != "full":
                return outcome
            if asked:
                if self._waiting is None or self._waiting.done():
                    self._waiting = asyncio.create_task(self.reload(asked=False), name="reload when there is room")
                return outcome
            with suppress(TimeoutError):
                # Not for longer: another edit may raise the limit, or be one to complain about.
                await asyncio.wait_for(self._runtime.live.wait_for_room(self._most), _LOOK_S)

    def is_over(self) -> bool:
        """Tell whether the server shuts down, and reloads no more."""
        return self._runtime.draining

    def begin(self) -> None:
        """Belong to the event loop that runs now; called when the runtime is opened."""
        self._turn = asyncio.Lock()

    async def in_thread(self, function: Callable[..., T], *args: Any) -> T:
        """Run what reads or builds in the one thread for it."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)

    def broken(self, reading: Reading, diagnostics: tuple[Diagnostic, ...]) -> None:
        """Take note of files that could not be served when the process began, and have been reported."""
        self.latest, self._refused = reading, reading.hashes
        self.last_error = self._refusal(reading, diagnostics)

    async def settle(self, timeout_s: float) -> None:
        """Wait for the reloads that have begun; no further one does anything once the runtime is draining."""
        if self._waiting is not None:
            self._waiting.cancel()
        if self._at_work:
            await asyncio.wait(set(self._at_work), timeout=timeout_s)

    async def _reload(self, asked: bool) -> Outcome:
        async with self._turn:
            with giving_way():
                outcome, news = await self._attempt(asked)
        if news:
            self._tell(outcome)
        return outcome

    async def _attempt(self, asked: bool) -> tuple[Outcome, bool]:
        started = time.perf_counter()
        current = self._runtime.generation
        if self.is_over():
            return self._outcome("unchanged", message="the server is shutting down"), False
        reading = await self._settled()
        if reading is None:
            return self._outcome("refused", diagnostics=(_restless(current.reading),)), True
        if reading.hashes == current.hashes:
            news = self.last_error is not None
            current.reading = reading  # the files themselves, where what served came from elsewhere
            self.last_error = self._refused = None
            return self._outcome("unchanged", message="the files hold what serves already"), news
        if not asked and reading.hashes == self._refused:
            return self.last_error or self._outcome("refused"), False
        self._refused = reading.hashes
        if not asked and (cut := reading.cut_short(current.reading, self._served)):
            message = f"{cut!r} is the beginning of what it was, as if it were being written: waiting for the rest"
            return self._outcome("held", message=message), True
        if reading.loaded.config is None or has_errors(reading.loaded.diagnostics):
            return self._refusal(reading, reading.loaded.diagnostics), True
        if not await self._make_room(reading):
            self._refused = None
            news, self._full = reading.hashes != self._full or asked, reading.hashes
            return self._outcome("full", message=f"{self._most} generations are alive, which is the limit"), news
        changes = await self.in_thread(changes_between, current.reading, reading)
        made = await self._build(reading)
        if not isinstance(made, Generation):
            return self._refusal(reading, made), True
        if self.is_over():
            await made.close()
            return self._outcome("unchanged", message="the server is shutting down"), False
        if len(self._served) > _MOST_SERVED:
            self._served.clear()
        self._served |= current.reading.fingerprints()
        self._runtime.live.swap(made)
        made.snapshot.code.publish()
        self.last_error = self._refused = self._full = None
        return self._outcome(
            "reloaded",
            took_s=time.perf_counter() - started,
            changes=changes,
            diagnostics=reading.loaded.diagnostics,
            sources=reading.loaded.sources,
            message=_loss(made.began_empty),
        ), True

    async def _settled(self) -> Reading | None:
        """Read the project until two readings, a moment apart, agree; None when the files never hold still."""
        loop = asyncio.get_running_loop()
        for _ in range(_MOST_READINGS):
            began = loop.time()
            reading = await self.in_thread(read_project, self._runtime.file, self._runtime.environ)
            self.latest = reading
            if reading.hashes == self._runtime.generation.hashes:
                return reading
            await asyncio.sleep(max(0.0, began + STABLE_S - loop.time()))
            if await self.in_thread(reading.still_holds):
                return reading
        return None

    async def _make_room(self, reading: Reading) -> bool:
        """Say whether one more generation may live; end the oldest one where the configuration says so."""
        assert reading.loaded.config is not None
        live, wanted = self._runtime.live, reading.loaded.config.reload
        self._most = wanted.generations
        if len(live.old) + 2 <= self._most:
            return True
        await live.wait_closed(_PATIENCE_S)
        if len(live.old) + 2 <= self._most:
            return True
        if wanted.at_limit == "wait":
            return False
        for oldest in live.old[: len(live.old) + 2 - self._most]:
            await self._runtime.server.end_turns(oldest, _END_OLDEST)
            await oldest.end_requests()
        await live.wait_closed(_PATIENCE_S)
        return len(live.old) + 2 <= self._most

    async def _build(self, reading: Reading) -> Generation | tuple[Diagnostic, ...]:
        slow = asyncio.get_running_loop().call_later(_PATIENCE_S, _say_slow)
        try:
            return await self._runtime.build(reading)
        finally:
            slow.cancel()

    def _refusal(self, reading: Reading, diagnostics: tuple[Diagnostic, ...]) -> Outcome:
        # What a build says may hold what it was given: an exception's words, say.
        shown = tuple(mask_diagnostics(diagnostics, reading.loaded.secrets))
        return self._outcome("refused", diagnostics=shown, sources=reading.loaded.sources)

    def _outcome(self, status: Status, **more: Any) -> Outcome:
        generation = self._runtime.generation
        return Outcome(status, generation.number, generation.hashes, **more)

    def _tell(self, outcome: Outcome) -> None:
        refused = outcome.status == "refused"
        self.count[f"refused:{outcome.cause}" if refused else outcome.status] += 1
        if refused or outcome.status == "held":
            self.last_error = outcome
        for listener in list(self.listeners):
            try:
                listener(outcome)
            except Exception:
                logger.exception("a listener to reloads failed")


def summary_of(outcome: Outcome) -> str:
    """One line that says what became of a reload."""
    serving = f"generation {outcome.number} goes on serving"
    match outcome.status:
        case "reloaded":
            loss = f"; {outcome.message}" if outcome.message else ""
            return f"generation {outcome.number} serves after {outcome.took_s * 1000:.0f} ms: {outcome.changes}{loss}"
        case "refused":
            errors = sum(d.severity == "error" for d in outcome.diagnostics)
            return f"reload refused, {errors} error{'s' if errors != 1 else ''}; {serving}"
        case "held":
            return f"{outcome.message}; {serving} (if it is meant so, ask for the reload: SIGHUP, or POST /-/reload)"
        case "full":
            return f"{outcome.message}; {serving}, the edit takes effect when an older one has ended"
        case "unchanged":
            return f"{outcome.message}; {serving}"


def log_outcome(outcome: Outcome) -> None:
    """Tell the log: one line for each outcome, and one more for each mistake."""
    level = logging.ERROR if outcome.status == "refused" else logging.INFO
    level = logging.WARNING if outcome.status in ("held", "full") else level
    logger.log(level, "%s", summary_of(outcome))
    for diagnostic in outcome.diagnostics:
        severity = logging.ERROR if diagnostic.severity == "error" else logging.WARNING
        hint = f" ({diagnostic.hint})" if diagnostic.hint else ""
        logger.log(severity, "%s: %s %s%s", diagnostic.place, diagnostic.code, diagnostic.message, hint)


def _loss(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    return f"made anew, without what it held in memory: {', '.join(names)} (give it dump() and load() to keep that)"


def _restless(reading: Reading) -> Diagnostic:
    place = Place(reading.loaded.file.name)
    return Diagnostic("A002", "the project's files don't hold still: something writes to them all the time", place)


def _say_slow() -> None:
    logger.warning("importing and building the project takes longer than %.0f s; the old one serves on", _PATIENCE_S)
