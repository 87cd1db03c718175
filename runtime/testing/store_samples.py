"""Threads and items for the conformance tests of stores, and functions that read all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from chatkit.store import NotFoundError
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    ClientToolCallItem,
    CustomTask,
    EndOfTurnItem,
    FileAttachment,
    GeneratedImage,
    GeneratedImageItem,
    HiddenContextItem,
    InferenceOptions,
    Page,
    SDKHiddenContextItem,
    StructuredInputFreeform,
    StructuredInputItem,
    TaskItem,
    ThreadItem,
    ThreadMetadata,
    UserMessageItem,
    UserMessageTextContent,
    WidgetItem,
    Workflow,
    WorkflowItem,
)
from chatkit.widgets import DynamicWidgetRoot

from runtime.stores.ids import new_id
from runtime.stores.store import (
    ALL_KINDS,
    VISIBLE,
    VISIBLE_AND_HIDDEN,
    GenerationMark,
    ItemKind,
    ModelItem,
    Order,
    ThreadStore,
)

_T = TypeVar("_T")

ORDERS: tuple[Order, ...] = ("asc", "desc")
KIND_SETS: tuple[frozenset[ItemKind], ...] = (
    VISIBLE,
    VISIBLE_AND_HIDDEN,
    ALL_KINDS,
    frozenset({"hidden"}),
    frozenset({"model"}),
)
_WIDGET = {"type": "Card", "children": [{"type": "Text", "value": "Oslo"}, {"type": "Row", "children": []}]}
CALL: dict[str, Any] = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"}


def now() -> datetime:
    """Return the current time, aware."""
    return datetime.now(UTC)


def new_metadata(**fields: Any) -> ThreadMetadata:
    """Return a new thread with these fields, not stored."""
    return ThreadMetadata(**{"id": new_id("thread"), "created_at": now(), **fields})


async def new_thread(store: ThreadStore, owner: str, *, count: int = 0, **fields: Any) -> ThreadMetadata:
    """Store a new thread with `count` messages and return it."""
    thread = new_metadata(**fields)
    await store.create_thread(owner, thread, [new_message(thread.id, str(number)) for number in range(count)])
    return thread


def new_message(thread_id: str, text: str, **fields: Any) -> AssistantMessageItem:
    """Return a new message with these fields, not stored."""
    return AssistantMessageItem(
        **{"id": new_id("message"), "created_at": now(), **fields},
        thread_id=thread_id,
        content=[AssistantMessageContent(text=text)],
    )


def new_mark(number: int) -> GenerationMark:
    """Return the mark of a generation with this number, and with hashes derived from it."""
    config, code = (hashlib.sha256(f"{part} {number}".encode()).hexdigest() for part in ("config", "code"))
    return GenerationMark(number, config, code)


def new_file(thread_id: str | None) -> FileAttachment:
    """Return the metadata of a file of this thread, or of one that was not sent."""
    return FileAttachment(id=new_id("attachment"), name="a.pdf", mime_type="application/pdf", thread_id=thread_id)


def new_hidden(thread_id: str, content: Any, cls: type[HiddenContextItem] = HiddenContextItem) -> HiddenContextItem:
    """Return a hidden item with this content."""
    return cls(id=new_id("message"), thread_id=thread_id, created_at=now(), content=content)


def new_of_kind(kind: str) -> ThreadItem:
    """Return an item of this kind."""
    if kind == "visible":
        return new_message("thr", kind)
    return new_hidden("thr", {"model_items": [CALL]}, ModelItem) if kind == "model" else new_hidden("thr", kind)


def one_of_each(thread_id: str) -> list[ThreadItem]:
    """Return one item of every chatkit type."""
    at: dict[str, Any] = {"thread_id": thread_id, "created_at": now()}
    task = CustomTask(title="Look it up", icon="search")
    question = StructuredInputFreeform(id="q", question="Where to?")
    return [
        UserMessageItem(
            id="msg_u",
            content=[UserMessageTextContent(text="hi")],
            attachments=[new_file(thread_id)],
            inference_options=InferenceOptions(),
            **at,
        ),
        AssistantMessageItem(id="msg_a", content=[AssistantMessageContent(text="hello")], **at),
        ClientToolCallItem(id="tc_1", call_id="c", name="pick", arguments={"n": [1, None]}, output={"ok": 1.5}, **at),
        WidgetItem(id="msg_w", widget=DynamicWidgetRoot.model_validate(_WIDGET), copy_text="Oslo", **at),
        GeneratedImageItem(id="msg_i", image=GeneratedImage(id="img", url="https://a.example/i.png"), **at),
        StructuredInputItem(id="msg_s", inputs=[question], **at),
        WorkflowItem(id="wf_1", workflow=Workflow(type="custom", tasks=[task]), **at),
        TaskItem(id="tsk_1", task=task, **at),
        HiddenContextItem(id="msg_h", content={"clicked": ["a"]}, **at),
        SDKHiddenContextItem(id="shcx_1", content="stopped", **at),
        EndOfTurnItem(id="msg_e", **at),
    ]


def type_of(member: Any) -> str:
    """Return the `type` of a class of items."""
    return str(member.model_fields["type"].default)


def as_json(item: ThreadItem) -> str:
    """Return the JSON that the browser gets."""
    return item.model_dump_json(by_alias=True, exclude_none=True)


def unstorable(thread_id: str) -> HiddenContextItem:
    """Return an item that can't be represented in JSON."""
    return new_hidden(thread_id, object())


def text_of(item: ThreadItem) -> str:
    """Return the text of a message."""
    assert isinstance(item, AssistantMessageItem)
    return item.content[0].text


async def assert_not_found(*calls: Awaitable[object]) -> None:
    """Check that each call raises NotFoundError."""
    for call in calls:
        with pytest.raises(NotFoundError):
            await call


async def all_ids(store: ThreadStore, owner: str, thread_id: str) -> list[str]:
    """Return the ids of all items of a thread, of every kind, in order."""
    page = await store.load_items(owner, thread_id, limit=1000, order="asc", kinds=ALL_KINDS)
    return [item.id for item in page.data]


async def all_pages(load: Callable[..., Awaitable[Page[_T]]]) -> list[Page[_T]]:
    """Return all pages of a list; `load` takes the cursor as `after`."""
    pages = [await load(after=None)]
    while pages[-1].has_more:
        pages.append(await load(after=pages[-1].after))
    return pages
