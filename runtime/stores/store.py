"""What every store of threads promises, whatever it is made of.

chatkit's own `Store` trusts a context object that tools pass as they like, orders by a naive clock, and writes one item
at a time. Here the owner is part of every call and every query, the order is a sequence number of the thread, and what
belongs together is written together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any, Final, Literal

from chatkit.store import NotFoundError
from chatkit.types import (
    Attachment,
    HiddenContextItem,
    Page,
    SDKHiddenContextItem,
    ThreadItem,
    ThreadMetadata,
    ThreadStatus,
)
from pydantic import field_validator

from runtime.errors import RuntimeFault
from runtime.resources.token_usage import TokenUsage, UsageEntry

ItemKind = Literal["visible", "hidden", "model"]
Order = Literal["asc", "desc"]
FeedbackKind = Literal["positive", "negative"]

VISIBLE: Final[frozenset[ItemKind]] = frozenset({"visible"})
VISIBLE_AND_HIDDEN: Final[frozenset[ItemKind]] = frozenset({"visible", "hidden"})
ALL_KINDS: Final[frozenset[ItemKind]] = frozenset({"visible", "hidden", "model"})

# More than any thread holds, and small enough for the integers of every database.
_LARGEST_PAGE = 1_000_000_000
_MODEL_KEYS = ("model_items", "queued_client_tool", "pending_run", "left_out", "active_agent", "summary")


class Unset(Enum):
    """The type of `UNSET`, which says that an argument was not given where None is a value."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


class InvalidCursor(RuntimeFault, ValueError):
    """The `after` of a page names nothing in the list that is being read."""


class StoreError(RuntimeFault):
    """The declared store can't be used: an unknown URL, a driver that is missing, a database of a newer version."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class GenerationMark:
    """Which generation of the configuration answered last in a thread, as the thread remembers it."""

    number: int
    """Counted from 1 by one process: after a restart, or on another replica, the same number is another generation."""
    config: str
    """The SHA-256 of the configuration, in hexadecimal."""
    code: str
    """The SHA-256 of the project's Python, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a user thinks of one item."""

    owner: str
    thread_id: str
    item_id: str
    kind: str
    """`positive` or `negative`."""


class ModelItem(HiddenContextItem):
    """What only the model sees of a thread, kept in the thread's sequence so that retry and delete cut it too.

    `content` is `{"model_items": [raw Responses input items]}` , `{"queued_client_tool": {…}}`,
    `{"pending_run": {…}}`, `{"left_out": {…}}`, `{"active_agent": "key"}` or `{"summary": {"text": …, "until": id}}`,
    which covers the thread from its beginning to that item. Every store can hold it, because it is written as a hidden
    context item and known again by its content.
    """

    content: dict[str, Any]

    @field_validator("content")
    @classmethod
    def _has_one_known_key(cls, content: dict[str, Any]) -> dict[str, Any]:
        if not is_model_content(content):
            raise ValueError("must hold exactly one of " + ", ".join(map(repr, _MODEL_KEYS)))
        return content


def is_model_content(content: object) -> bool:
    """Tell whether the content of a hidden item is that of a `ModelItem`: a dict with exactly one of its keys."""
    return isinstance(content, dict) and len(content) == 1 and next(iter(content)) in _MODEL_KEYS


def kind_of(item: ThreadItem) -> ItemKind:
    """Say who may see the item: the user, tools alone, or the model alone."""
    if isinstance(item, HiddenContextItem):
        return "model" if is_model_content(item.content) else "hidden"
    return "hidden" if isinstance(item, SDKHiddenContextItem) else "visible"


def page_size(limit: int) -> int:
    """Return `limit` as a number every database takes; raise ValueError when it is less than one."""
    if limit < 1:
        raise ValueError(f"a page holds at least one entry, not {limit!r}")
    return min(limit, _LARGEST_PAGE)


def thread_not_found(thread_id: str) -> NotFoundError:
    """Return the error for a thread that doesn't exist, or that belongs to somebody else: the two look alike."""
    return NotFoundError(f"thread {thread_id!r} not found")


def item_not_found(item_id: str) -> NotFoundError:
    """Return the error for an item that its thread doesn't hold."""
    return NotFoundError(f"item {item_id!r} not found")


def attachment_not_found(attachment_id: str) -> NotFoundError:
    """Return the error for an attachment that doesn't exist, or that belongs to somebody else."""
    return NotFoundError(f"attachment {attachment_id!r} not found")


def invalid_cursor(after: str) -> InvalidCursor:
    """Return the error for an `after` that names nothing in the list."""
    return InvalidCursor(f"cursor {after!r} names nothing in this list")


class ThreadStore(ABC):
    """Threads, their items, attachments and feedback, each belonging to one owner.

    What belongs to another owner is not found. Order is the order of creation, never `created_at`; times go in as they
    are (naive ones are local time) and come back aware, in UTC. U+0000 is removed from every text, because PostgreSQL
    refuses it. An `owner` with U+0000 is refused with ValueError, and so is a `limit` below one.
    """

    async def open(self) -> None:  # noqa: B027
        """Make ready for use; raise StoreError when that is impossible."""

    async def close(self) -> None:  # noqa: B027
        """Release whatever `open` took; nothing else is called afterwards."""

    @abstractmethod
    async def load_thread(self, owner: str, thread_id: str) -> ThreadMetadata:
        """Return the thread's metadata; raise NotFoundError."""

    @abstractmethod
    async def create_thread(
        self,
        owner: str,
        thread: ThreadMetadata,
        items: Sequence[ThreadItem] = (),
        *,
        generation: GenerationMark | None = None,
    ) -> None:
        """Store a new thread together with its first items and its generation: all of it or nothing."""

    @abstractmethod
    async def save_thread(self, owner: str, thread: ThreadMetadata) -> None:
        """Insert or replace the metadata, and only that; raise NotFoundError when the id belongs to another owner."""

    @abstractmethod
    async def update_thread(
        self,
        owner: str,
        thread_id: str,
        *,
        title: str | Unset | None = UNSET,
        status: ThreadStatus | Unset = UNSET,
        allowed_image_domains: list[str] | Unset | None = UNSET,
        metadata: dict[str, Any] | Unset = UNSET,
        only_if_untitled: bool = False,
    ) -> ThreadMetadata:
        """Change the given fields alone and return the thread as it is now; raise NotFoundError.

        With `only_if_untitled` a title that is already there stays; the other fields change all the same.
        """

    @abstractmethod
    async def load_threads(self, owner: str, *, limit: int, after: str | None, order: Order) -> Page[ThreadMetadata]:
        """Return a page of the owner's threads, in the order of creation; raise InvalidCursor."""

    @abstractmethod
    async def delete_thread(self, owner: str, thread_id: str) -> None:
        """Delete the thread, its items and feedback, and its attachments' metadata; nothing happens when it is gone."""

    @abstractmethod
    async def write_items(
        self,
        owner: str,
        thread_id: str,
        items: Sequence[ThreadItem],
        *,
        delete: Sequence[str] = (),
        generation: GenerationMark | None = None,
    ) -> None:
        """Delete some items, then insert or replace others, in order: all of it or nothing; raise NotFoundError.

        A new id takes the next place in its thread, an existing one keeps its own; deleting what is gone is fine. The
        thread remembers `generation` from then on; with None it remembers what it did.
        """

    @abstractmethod
    async def load_generation(self, owner: str, thread_id: str) -> GenerationMark | None:
        """Return the generation that was last written, None where there is none or it can't be read.

        Raise NotFoundError. `save_thread` and `update_thread` don't change it.
        """

    @abstractmethod
    async def load_items(
        self,
        owner: str,
        thread_id: str,
        *,
        limit: int,
        after: str | None = None,
        order: Order = "desc",
        kinds: frozenset[ItemKind] = VISIBLE,
    ) -> Page[ThreadItem]:
        """Return a page of the items of these kinds, full unless it is the last; raise NotFoundError, InvalidCursor.

        `after` is the id of any item of the thread, of these kinds or not.
        """

    @abstractmethod
    async def load_item(self, owner: str, thread_id: str, item_id: str) -> ThreadItem:
        """Return one item of any kind; raise NotFoundError."""

    @abstractmethod
    async def item_ids_after(self, owner: str, thread_id: str, item_id: str) -> list[str]:
        """Return the ids of every item, of every kind, that follows this one, oldest first; raise NotFoundError."""

    @abstractmethod
    async def save_attachment(self, owner: str, attachment: Attachment) -> None:
        """Insert or replace an attachment's metadata; raise NotFoundError when the id belongs to another owner."""

    @abstractmethod
    async def load_attachment(self, owner: str, attachment_id: str) -> Attachment:
        """Return an attachment's metadata; raise NotFoundError."""

    @abstractmethod
    async def delete_attachment(self, owner: str, attachment_id: str) -> None:
        """Delete an attachment's metadata; nothing happens when it is gone."""

    @abstractmethod
    async def save_feedback(self, owner: str, thread_id: str, item_ids: Sequence[str], kind: FeedbackKind) -> None:
        """Store what the user thinks of these items, in place of what was said before; raise NotFoundError."""

    @abstractmethod
    async def list_feedback(self) -> list[Feedback]:
        """Return what every owner thinks of every item that was rated, by thread and item."""

    @abstractmethod
    async def add_usage(self, owner: str, thread_id: str, day: date, used: Mapping[str, TokenUsage]) -> None:
        """Add what a turn has used of each model; it is kept when the thread goes, and needs none to be there."""

    @abstractmethod
    async def sum_usage(
        self, owner: str | None, *, thread_id: str | None = None, day: date | None = None
    ) -> TokenUsage:
        """Return what was used in all: by this owner, or by everybody; in one thread, or on one day, or ever."""

    @abstractmethod
    async def list_usage(self, since: date) -> list[UsageEntry]:
        """Return what every owner has used from that day on, by day, owner, thread and model."""

    @abstractmethod
    async def load_feedback(self, owner: str, thread_id: str) -> dict[str, str]:
        """Return item id -> `positive` or `negative`; raise NotFoundError."""
