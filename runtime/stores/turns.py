"""The interface of stores that several processes share: leases of turns, events of running turns, and clicks.

A turn holds a lease in its thread's row, with a number that is higher than that of every earlier turn of the thread.
Each write of the turn carries the number, and fails once a later turn has begun: nothing interleaves, even if a process
was only thought to be dead. Times are those of the database's clock.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date
from enum import IntFlag
from typing import Literal, Unpack

from chatkit.types import Attachment, ThreadItem, ThreadMetadata

from runtime.errors import RuntimeFault
from runtime.resources.token_usage import TokenUsage
from runtime.stores.store import GenerationMark, ThreadChanges, ThreadStore

Wait = Callable[[float], Awaitable[None]]
TurnState = Literal["ended", "running", "expired"]


class TurnConflict(RuntimeFault):
    """Another turn has begun in the thread since its status was read: read again, and decide anew."""


class TurnLost(RuntimeFault):
    """A later turn has begun in the thread: the lease of this one had run out."""


class Signals(IntFlag):
    """What other processes want of a running turn."""

    NONE = 0
    WATCHED = 1
    """They wait for its end, or read its events."""
    STOP = 2
    """The user has stopped it."""


@dataclass(frozen=True, slots=True)
class TurnLease:
    """The right of one turn to write to its thread."""

    owner: str
    thread_id: str
    number: int


@dataclass(frozen=True, slots=True)
class TurnStatus:
    """The last turn of a thread: `expired` if its process has died, or can't reach the database."""

    number: int
    state: TurnState = "ended"
    signals: Signals = Signals.NONE


@dataclass(frozen=True, slots=True)
class EventChunk:
    """A part of the events of a turn, as JSON; `first` is the number of its first event."""

    first: int
    events: str


@dataclass(frozen=True, slots=True)
class LastEvents:
    """The events of a turn that ends: `chunk` are those that are not written yet, None if there are none.

    Those who read on can read them for `keep_s` seconds. Nobody can, and they are deleted, unless `resumes` is true, or
    somebody watches the turn.
    """

    chunk: EventChunk | None
    keep_s: float
    resumes: bool


@dataclass(frozen=True, slots=True)
class Click:
    """A click in a widget of a thread."""

    owner: str
    thread_id: str
    item_id: str
    action: str
    """The type of the action."""
    payload: str
    """The hash of the payload, in hexadecimal."""


class TurnStore(ThreadStore):
    """A `ThreadStore` whose threads have leases. An owner, a thread or a mark means what it means there."""

    @abstractmethod
    async def load_turn(self, owner: str, thread_id: str) -> tuple[ThreadMetadata, TurnStatus]:
        """Return a thread and the status of its last turn. Raise NotFoundError."""

    @abstractmethod
    async def create_thread_in_turn(
        self,
        owner: str,
        thread: ThreadMetadata,
        items: Sequence[ThreadItem],
        *,
        generation: GenerationMark | None,
        attachments: Sequence[Attachment] = (),
        lease_s: float,
    ) -> TurnLease:
        """Create a thread as `create_thread` does, with a lease of `lease_s` seconds for its first turn."""

    @abstractmethod
    async def begin_turn(
        self,
        owner: str,
        thread_id: str,
        items: Sequence[ThreadItem],
        *,
        after: int,
        delete: Sequence[str] = (),
        generation: GenerationMark | None = None,
        attachments: Sequence[Attachment] = (),
        lease_s: float,
    ) -> TurnLease:
        """Write items as `write_items` does, and take the lease, in one transaction.

        `after` is the number of the last turn when the thread was read. Raise TurnConflict, with nothing written, if
        another turn has begun since or still runs; NotFoundError.
        """

    @abstractmethod
    async def write_in_turn(
        self,
        lease: TurnLease,
        items: Sequence[ThreadItem],
        *,
        delete: Sequence[str] = (),
        generation: GenerationMark | None = None,
        events: EventChunk | None = None,
        changes: ThreadChanges | None = None,
    ) -> Signals:
        """Write items as `write_items` does, events, and fields of the thread, in one transaction.

        Raise TurnLost, with nothing written; NotFoundError.
        """

    @abstractmethod
    async def write_events(self, chunks: Mapping[TurnLease, EventChunk]) -> Mapping[TurnLease, Signals]:
        """Write events of several turns in one transaction; the leases that are missing in the result were lost."""

    @abstractmethod
    async def update_thread_in_turn(self, lease: TurnLease, **changes: Unpack[ThreadChanges]) -> ThreadMetadata:
        """Change fields as `update_thread` does. Raise TurnLost, with nothing changed; NotFoundError."""

    @abstractmethod
    async def renew_turns(self, leases: Collection[TurnLease], lease_s: float) -> Mapping[TurnLease, Signals]:
        """Let leases run for `lease_s` seconds from now, in one statement; those that are missing were lost."""

    @abstractmethod
    async def end_turn(
        self,
        lease: TurnLease,
        *,
        usage: tuple[date, Mapping[str, TokenUsage]] | None = None,
        events: LastEvents | None = None,
    ) -> bool:
        """Release a lease, and add the turn's token usage, in one transaction; return whether events are kept.

        Without `events`, the turn has none. The store deletes those that are kept when they were kept for long enough,
        unless it is closed before.
        """

    @abstractmethod
    async def close_turn(
        self, owner: str, thread_id: str, number: int, items: Sequence[ThreadItem], *, delete: Sequence[str] = ()
    ) -> None:
        """Write the items that end an expired turn, and release its lease, so that its process can't write any more.

        Raise TurnConflict if the turn has not expired, or is not the last one any more.
        """

    @abstractmethod
    async def signal_turn(self, owner: str, thread_id: str, signal: Signals) -> int | None:
        """Send a signal to the running turn; return the turn's number, or None if none runs."""

    @abstractmethod
    def watch_turn(self, thread_id: str) -> AbstractAsyncContextManager[Wait]:
        """Yield a function that returns when a watched turn has ended or written events, or after so many seconds.

        It may return early or late: read again, and wait again.
        """

    @abstractmethod
    async def load_events(self, owner: str, thread_id: str, number: int, *, after: int = 0) -> list[EventChunk]:
        """Return the chunks of a turn that begin with an event after the `after`th, in order."""

    @abstractmethod
    async def forget_events(self) -> None:
        """Delete the events that were kept for long enough."""

    @abstractmethod
    async def claim_click(self, click: Click, lease_s: float) -> bool:
        """Claim a click for `lease_s` seconds; return False while another claim of it lasts. Raise NotFoundError."""

    @abstractmethod
    async def renew_click(self, click: Click, lease_s: float) -> bool:
        """Let the claim of this store last for `lease_s` seconds from now; return whether it has not been lost."""

    @abstractmethod
    async def end_click(self, click: Click, *, used_up: bool = False) -> None:
        """Release the claim of this store. `used_up` is whether the handler took the button away, with any payload."""

    @abstractmethod
    async def is_used_up(self, click: Click) -> bool:
        """Return whether the handler of an earlier click took the button away; the widget may have it again."""
