"""The interface of every store of threads.

chatkit's own `Store` identifies the user by a context that tools pass, orders items by naive times, and writes one item
at a time. Here the owner is part of every call and query, items are ordered by a sequence number of the thread, and
related items are written in one transaction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal, TypedDict, Unpack

from chatkit.store import NotFoundError
from chatkit.types import (
    Attachment,
    HiddenContextItem,
    Page,
    SDKHiddenContextItem,
    ThreadItem,
    ThreadMetadata,
    ThreadStatus,
    UserMessageItem,
)
from pydantic import field_validator

from runtime.errors import RuntimeFault
from runtime.resources.token_usage import TokenUsage, UsageEntry
from runtime.stores.ids import new_id

ItemKind = Literal["visible", "hidden", "model"]
Order = Literal["asc", "desc"]
FeedbackKind = Literal["positive", "negative"]

VISIBLE: Final[frozenset[ItemKind]] = frozenset({"visible"})
VISIBLE_AND_HIDDEN: Final[frozenset[ItemKind]] = frozenset({"visible", "hidden"})
ALL_KINDS: Final[frozenset[ItemKind]] = frozenset({"visible", "hidden", "model"})

# More items than any thread has, within the integer range of every database.
_LARGEST_PAGE = 1_000_000_000
PAGE_SIZE: Final = 100
"""Entries per page where a store is read page by page."""
_MODEL_KEYS = ("model_items", "queued_client_tool", "pending_run", "left_out", "active_agent", "summary", "unfinished")


class ThreadChanges(TypedDict, total=False):
    """The fields of a thread that `ThreadStore.update_thread` changes."""

    title: str | None
    status: ThreadStatus
    allowed_image_domains: list[str] | None
    metadata: dict[str, Any]


class InvalidCursor(RuntimeFault, ValueError):
    """The cursor `after` of a page is not the id of an entry of the list."""


class AttachmentBound(RuntimeFault):
    """An attachment was sent in another thread already; `attachment_id` says which one."""

    def __init__(self, attachment_id: str) -> None:
        self.attachment_id = attachment_id
        super().__init__(f"attachment {attachment_id!r} was sent in another thread")


class StoreError(RuntimeFault):
    """The declared store can't be used, such as an unknown URL, a missing driver or a database of a newer version."""

    exit_code = 1


class StoreUnavailable(RuntimeFault):
    """The store can't be reached, does not answer in time, or refuses to write; a later request may succeed."""


@dataclass(frozen=True, slots=True)
class GenerationMark:
    """The generation of the project that answered last in a thread, as it is stored with the thread."""

    number: int
    """Counted from 1 in each process, so the number alone does not identify a generation."""
    config: str
    """The SHA-256 of the configuration, in hexadecimal."""
    code: str
    """The SHA-256 of the project's Python, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """A user's rating of one item."""

    owner: str
    thread_id: str
    item_id: str
    kind: str
    """`positive` or `negative`."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What an operator did to the data of a store."""

    at: datetime
    action: str
    """`export`, `erase`, `move`, `migrate` or `encrypt`."""
    subject: str
    """The SHA-256 of the user's id in hexadecimal, or an empty string for the whole store."""
    detail: str


class ModelItem(HiddenContextItem):
    """An item that only the model sees. It is part of the thread's sequence, so that retry and delete remove it too.

    `content` is `{"model_items": [raw Responses input items]}`, `{"queued_client_tool": {…}}`, `{"pending_run": {…}}`,
    `{"left_out": {…}}`, `{"active_agent": "key"}`, `{"unfinished": [ids]}`, which a retry keeps, or
    `{"summary": {"text": …, "until": id}}`, which covers the thread from its beginning to that item. Every store can
    store it, because it is written as a hidden context item and recognised by its content.
    """

    content: dict[str, Any]

    @field_validator("content")
    @classmethod
    def _has_one_known_key(cls, content: dict[str, Any]) -> dict[str, Any]:
        if not is_model_content(content):
            raise ValueError("must hold exactly one of " + ", ".join(map(repr, _MODEL_KEYS)))
        return content


def is_model_content(content: object) -> bool:
    """Return whether the content of a hidden item is that of a `ModelItem`: a dict with exactly one of its keys."""
    return isinstance(content, dict) and len(content) == 1 and next(iter(content)) in _MODEL_KEYS


def kind_of(item: ThreadItem) -> ItemKind:
    """Return who sees the item: `visible` (the user), `hidden` (tools), or `model` (only the model)."""
    if isinstance(item, HiddenContextItem):
        return "model" if is_model_content(item.content) else "hidden"
    return "hidden" if isinstance(item, SDKHiddenContextItem) else "visible"


def page_size(limit: int) -> int:
    """Return `limit`, capped for the databases. Raise ValueError if it is less than one."""
    if limit < 1:
        raise ValueError(f"a page has at least one entry, not {limit!r}")
    return min(limit, _LARGEST_PAGE)


def not_found(kind: Literal["thread", "item", "attachment"], entry_id: str) -> NotFoundError:
    """Return the error for an entry that does not exist or has another owner; callers can't tell which."""
    return NotFoundError(f"{kind} {entry_id!r} not found")


def invalid_cursor(after: str) -> InvalidCursor:
    """Return the error for an `after` that is not in the list."""
    return InvalidCursor(f"cursor {after!r} is not in this list")


class ThreadStore(ABC):
    """Threads with their items, attachments, feedback and token usage, each of one owner.

    Entries of another owner are not found (NotFoundError). Lists are in the order of creation, independent of
    `created_at`. Naive times are local time; stored times are aware and in UTC. U+0000 is removed from every text,
    because PostgreSQL rejects it. Methods raise ValueError for an `owner` with U+0000 and for a `limit` below one.
    """

    is_shared: bool = False
    """Whether processes on other machines may use the store at the same time."""

    async def open(self) -> None:  # noqa: B027
        """Connect. Raise StoreError if that is impossible."""

    async def close(self) -> None:  # noqa: B027
        """Disconnect. No other method is called afterwards."""

    async def check(self) -> None:
        """Raise an exception unless threads can be read and written. By default, one thread is read."""
        await self.load_threads("", limit=1, after=None, order="desc")

    def new_thread_id(self, owner: str) -> str:
        """Return an id for a new thread."""
        return new_id("thread")

    def new_item_id(self, owner: str, kind: str, thread: ThreadMetadata | None) -> str:
        """Return an id for a new item of a thread; `kind` is one of the SDK's types of ids, such as `message`."""
        return new_id(kind)

    @abstractmethod
    async def load_thread(self, owner: str, thread_id: str) -> ThreadMetadata:
        """Return the thread's metadata. Raise NotFoundError."""

    @abstractmethod
    async def create_thread(
        self,
        owner: str,
        thread: ThreadMetadata,
        items: Sequence[ThreadItem] = (),
        *,
        generation: GenerationMark | None = None,
        attachments: Sequence[Attachment] = (),
    ) -> None:
        """Store a new thread with its first items, generation and attachments, in one transaction.

        The attachments are bound as by `write_items`. Raise AttachmentBound, NotFoundError.
        """

    @abstractmethod
    async def save_thread(self, owner: str, thread: ThreadMetadata) -> None:
        """Insert or replace the metadata, without the items. Raise NotFoundError if the id has another owner."""

    @abstractmethod
    async def update_thread(
        self, owner: str, thread_id: str, *, only_if_untitled: bool = False, **changes: Unpack[ThreadChanges]
    ) -> ThreadMetadata:
        """Change the given fields and return the updated thread. Raise NotFoundError.

        With `only_if_untitled` an existing title is kept; the other fields are changed.
        """

    @abstractmethod
    async def load_threads(self, owner: str, *, limit: int, after: str | None, order: Order) -> Page[ThreadMetadata]:
        """Return a page of the owner's threads, in the order of creation. Raise InvalidCursor.

        `after` is the id of a thread of this owner.
        """

    @abstractmethod
    async def delete_thread(self, owner: str, thread_id: str) -> None:
        """Delete the thread with its items, feedback and attachment metadata, if it exists. Its token usage is kept."""

    @abstractmethod
    async def write_items(
        self,
        owner: str,
        thread_id: str,
        items: Sequence[ThreadItem],
        *,
        delete: Sequence[str] = (),
        generation: GenerationMark | None = None,
        attachments: Sequence[Attachment] = (),
    ) -> None:
        """Delete items, then insert or replace items in order, in one transaction. Raise NotFoundError.

        A new id is appended to the thread, an existing one keeps its position; ids to delete may be missing.
        `generation` is stored with the thread; None leaves the stored one. `attachments` are bound to the thread: they
        exist as long as it does. Raise AttachmentBound if another thread has one, NotFoundError if one was deleted.
        """

    @abstractmethod
    async def load_generation(self, owner: str, thread_id: str) -> GenerationMark | None:
        """Return the generation that was written last, or None if there is none or it can't be parsed.

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
        """Return a page of the items of these kinds, full unless it is the last. Raise NotFoundError, InvalidCursor.

        `after` is the id of an item of the thread, of any kind.
        """

    @abstractmethod
    async def load_item(self, owner: str, thread_id: str, item_id: str) -> ThreadItem:
        """Return one item of any kind. Raise NotFoundError."""

    @abstractmethod
    async def item_ids_after(self, owner: str, thread_id: str, item_id: str) -> list[str]:
        """Return the ids of all items of any kind that follow this one, oldest first. Raise NotFoundError."""

    @abstractmethod
    async def save_attachment(self, owner: str, attachment: Attachment) -> None:
        """Insert or replace an attachment's metadata. Raise NotFoundError if the id has another owner.

        An attachment that is bound to a thread stays bound to it.
        """

    @abstractmethod
    async def load_attachment(self, owner: str, attachment_id: str) -> Attachment:
        """Return an attachment's metadata. Raise NotFoundError."""

    @abstractmethod
    async def delete_attachment(self, owner: str, attachment_id: str) -> None:
        """Delete an attachment's metadata, if it exists."""

    async def iterate_threads(self, owner: str) -> AsyncGenerator[ThreadMetadata, None]:
        """Yield the owner's threads, in the order of creation."""
        after = None
        while True:
            page = await self.load_threads(owner, limit=PAGE_SIZE, after=after, order="asc")
            for thread in page.data:
                yield thread
            if not page.has_more:
                return
            after = page.data[-1].id

    async def iterate_items(self, owner: str, thread_id: str) -> AsyncGenerator[ThreadItem, None]:
        """Yield the items of a thread, of every kind, oldest first. Raise NotFoundError."""
        after = None
        while True:
            page = await self.load_items(owner, thread_id, limit=PAGE_SIZE, after=after, order="asc", kinds=ALL_KINDS)
            for item in page.data:
                yield item
            if not page.has_more:
                return
            after = page.data[-1].id

    async def list_attachments(self, owner: str) -> list[Attachment]:
        """Return the metadata of the owner's attachments, by default of those that were sent."""
        sent: dict[str, Attachment] = {}
        async for thread in self.iterate_threads(owner):
            async for item in self.iterate_items(owner, thread.id):
                if isinstance(item, UserMessageItem):
                    sent |= {attachment.id: attachment for attachment in item.attachments}
        return list(sent.values())

    async def erase_owner(self, owner: str) -> None:
        """Delete the owner's threads with all that belongs to them, attachment metadata and token usage."""
        for attachment in await self.list_attachments(owner):
            await self.delete_attachment(owner, attachment.id)
        for thread_id in [thread.id async for thread in self.iterate_threads(owner)]:
            await self.delete_thread(owner, thread_id)

    @abstractmethod
    async def delete_unsent_attachment(self, owner: str, attachment_id: str) -> bool:
        """Delete an attachment's metadata if it is bound to no thread; return whether it does not exist now.

        Of this and a concurrent `write_items` that binds it, one fails.
        """

    @abstractmethod
    async def delete_unsent_attachments(self, before: datetime) -> list[tuple[str, str]]:
        """Delete the metadata of all attachments that are bound to no thread and older than `before` (aware).

        Return the owner and the id of each.
        """

    @abstractmethod
    async def count_unsent_attachments(self, owner: str) -> int:
        """Return the number of the owner's attachments that are bound to no thread."""

    @abstractmethod
    async def save_feedback(self, owner: str, thread_id: str, item_ids: Sequence[str], kind: FeedbackKind) -> None:
        """Store a rating of these items; it replaces an earlier one. Raise NotFoundError."""

    @abstractmethod
    async def list_feedback(self) -> list[Feedback]:
        """Return the ratings of all owners, sorted by thread and item."""

    @abstractmethod
    async def add_usage(self, owner: str, thread_id: str, day: date, used: Mapping[str, TokenUsage]) -> None:
        """Add the usage of one turn, by model. The thread need not exist, and deleting it keeps its usage."""

    @abstractmethod
    async def sum_usage(
        self, owner: str | None, *, thread_id: str | None = None, day: date | None = None
    ) -> TokenUsage:
        """Return the total usage of an owner, or of all for None, optionally of one thread or one day (UTC)."""

    @abstractmethod
    async def list_usage(self, since: date) -> list[UsageEntry]:
        """Return the usage of all owners since a day (UTC), sorted by day, owner, thread and model."""

    @abstractmethod
    async def load_feedback(self, owner: str, thread_id: str) -> dict[str, str]:
        """Return the ratings in a thread: item id to `positive` or `negative`. Raise NotFoundError."""
