"""Threads and items as JSON and back: one place that decides what a round trip through a store does to them."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Union, get_args

from chatkit.store import NotFoundError
from chatkit.types import (
    ActiveStatus,
    Attachment,
    HiddenContextItem,
    Page,
    ThreadItem,
    ThreadMetadata,
    ThreadStatus,
    WidgetItem,
)
from chatkit.widgets import DynamicWidgetRoot
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from runtime.stores.store import GenerationMark, InvalidCursor, ItemKind, ModelItem, ThreadStore, is_model_content

# An escaped NUL, unless its backslash is itself escaped: then it is the six characters that somebody wrote.
_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_ZERO = timedelta(0)


class _StoredWidgetItem(WidgetItem):
    # The strict widget classes are deprecated and warn at each load; this one keeps every field that was stored.
    widget: DynamicWidgetRoot


def _as_widget_item(item: _StoredWidgetItem) -> WidgetItem:
    return WidgetItem.model_construct(item.model_fields_set, **item.__dict__)


def _as_model_item(item: HiddenContextItem) -> HiddenContextItem:
    if is_model_content(item.content):
        return ModelItem.model_construct(item.model_fields_set, **item.__dict__)
    return item


def _stored_union() -> Any:
    ours: dict[Any, Any] = {
        WidgetItem: Annotated[_StoredWidgetItem, AfterValidator(_as_widget_item)],
        HiddenContextItem: Annotated[HiddenContextItem, AfterValidator(_as_model_item)],
    }
    members = get_args(get_args(ThreadItem)[0])
    return Annotated[Union[tuple(ours.get(member, member) for member in members)], Field(discriminator="type")]  # noqa: UP007


_STORED_ITEM: Any = _stored_union()
_ITEM: TypeAdapter[ThreadItem] = TypeAdapter(_STORED_ITEM)
_ITEMS: TypeAdapter[list[ThreadItem]] = TypeAdapter(list[_STORED_ITEM])
_ATTACHMENT: TypeAdapter[Attachment] = TypeAdapter(Attachment)
_STATUS: TypeAdapter[ThreadStatus] = TypeAdapter(ThreadStatus)
_DOMAINS: TypeAdapter[list[str] | None] = TypeAdapter(list[str] | None)
_METADATA: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_GENERATION: TypeAdapter[GenerationMark] = TypeAdapter(GenerationMark)
_ITEM_PAGE = Page[ThreadItem]
_THREAD_PAGE = Page[ThreadMetadata]


def check_item(item: ThreadItem) -> None:
    """Raise ValueError where the item could be written but never read again, which would close its whole thread."""
    _ITEM.validate_json(item.model_dump_json())


def clean(text: str) -> str:
    """Return the text without U+0000, and with a question mark for each half of a surrogate pair."""
    text = text.replace("\0", "") if "\0" in text else text
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def check_owner(owner: str) -> str:
    """Return the owner; raise ValueError for text that would have to be cleaned: that could make one owner of two."""
    if clean(owner) != owner:
        raise ValueError(f"owner {owner!r} holds U+0000 or half a surrogate pair")
    return owner


def to_utc(moment: datetime) -> datetime:
    """Return the moment aware and in UTC; a naive one is local time, which is what chatkit makes."""
    return moment if moment.utcoffset() == _ZERO else moment.astimezone(UTC)


def dump_item(item: ThreadItem) -> str:
    """Return the item as JSON, its time in UTC, without U+0000; raise ValueError for content that JSON can't hold."""
    moment = to_utc(item.created_at)
    if moment is not item.created_at:
        item = item.model_copy(update={"created_at": moment})
    return _dump(item)


def load_item(payload: str) -> ThreadItem:
    """Return the item that `dump_item` wrote."""
    return _ITEM.validate_json(payload)


def load_items(payloads: Sequence[str]) -> list[ThreadItem]:
    """Return the items that `dump_item` wrote, in one pass."""
    return _ITEMS.validate_json("[" + ",".join(payloads) + "]")


def metadata_only(thread: ThreadMetadata) -> ThreadMetadata:
    """Return the thread without the items that a chatkit `Thread` carries, its time in UTC, and no U+0000 in it."""
    return ThreadMetadata.model_construct(
        title=None if thread.title is None else clean(thread.title),
        id=clean(thread.id),
        created_at=to_utc(thread.created_at),
        status=thread.status,
        allowed_image_domains=thread.allowed_image_domains,
        metadata=thread.metadata,
    )


def dump_thread(thread: ThreadMetadata) -> str:
    """Return the thread's metadata, and only that, as JSON."""
    return _dump(metadata_only(thread))


def load_thread(payload: str) -> ThreadMetadata:
    """Return the metadata that `dump_thread` wrote."""
    return ThreadMetadata.model_validate_json(payload)


def dump_attachment(attachment: Attachment) -> str:
    """Return the attachment's metadata as JSON."""
    return _dump(attachment)


def load_attachment(payload: str) -> Attachment:
    """Return the attachment that `dump_attachment` wrote."""
    return _ATTACHMENT.validate_json(payload)


def dump_generation(generation: GenerationMark | None) -> str | None:
    """Return the mark as JSON, and None for None."""
    return None if generation is None else dump_value(generation)


def load_generation(payload: str | None) -> GenerationMark | None:
    """Return the mark that `dump_generation` wrote; None for None, and for anything else that may stand there."""
    if payload is None:
        return None
    try:
        return _GENERATION.validate_json(payload, strict=True)
    except ValidationError:
        return None


def dump_value(value: Any) -> str:
    """Return a part of a thread, such as its status or its metadata, as JSON."""
    try:
        return _without_nul(to_json(value).decode())
    except PydanticSerializationError:
        return _without_nul(to_json(_without_surrogates(value)).decode())


# What nearly every thread has: not worth a parser.
_ACTIVE = '{"type":"active"}'


def load_status(payload: str) -> ThreadStatus:
    """Return a thread's status."""
    return ActiveStatus() if payload == _ACTIVE else _STATUS.validate_json(payload)


def load_domains(payload: str) -> list[str] | None:
    """Return a thread's allowed image domains."""
    return _DOMAINS.validate_json(payload)


def load_metadata(payload: str) -> dict[str, Any]:
    """Return a thread's metadata dict."""
    return {} if payload == "{}" else _METADATA.validate_json(payload)


def item_page(found: list[ThreadItem], limit: int) -> Page[ThreadItem]:
    """Return the page of the first `limit` items found; one more than that says that there are more."""
    data = found[:limit]
    more = len(found) > limit
    return _ITEM_PAGE.model_construct(data=data, has_more=more, after=data[-1].id if more else None)


def thread_page(found: list[ThreadMetadata], limit: int) -> Page[ThreadMetadata]:
    """Return the page of the first `limit` threads found; one more than that says that there are more."""
    data = found[:limit]
    more = len(found) > limit
    return _THREAD_PAGE.model_construct(data=data, has_more=more, after=data[-1].id if more else None)


def _dump(model: BaseModel) -> str:
    try:
        return _without_nul(model.model_dump_json())
    except PydanticSerializationError:
        return _without_nul(to_json(_without_surrogates(model.model_dump())).decode())


def _without_nul(payload: str) -> str:
    return _ESCAPED_NUL.sub(r"\1", payload) if "\\u0000" in payload else payload


def _without_surrogates(value: Any) -> Any:
    # Half of an emoji is a Python string and no UTF-8: models stream such text, and it must not cost the whole answer.
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(entry) for entry in value]
    return _without_surrogates(value.model_dump()) if isinstance(value, BaseModel) else value


# Summaries of threads: read from their items, and gone with any item that they tell of.

_PAGE = 100
_MODEL: frozenset[ItemKind] = frozenset({"model"})


@dataclass(frozen=True, slots=True)
class Summary:
    """What sums up a thread from its beginning to the item `until`; `item_id` is where it is stored."""

    item_id: str
    text: str
    until: str


def summary_in(item: ThreadItem) -> Summary | None:
    """The summary that an item holds, if it is one."""
    kept = item.content.get("summary") if isinstance(item, ModelItem) else None
    return Summary(item.id, kept["text"], kept["until"]) if kept is not None else None


def summaries_in(items: Iterable[ThreadItem]) -> list[Summary]:
    """Every summary among the items, in their order."""
    return [summary for item in items if (summary := summary_in(item)) is not None]


async def delete_item(backend: ThreadStore, owner: str, thread_id: str, item_id: str) -> None:
    """Delete an item, and the summaries that tell of it; nothing happens when it is gone. Raise NotFoundError."""
    gone = [item_id]
    try:
        async with aclosing(_summaries_after(backend, owner, thread_id, item_id)) as later:
            found = [summary async for summary in later]
        if found:
            told = {item_id, *await backend.item_ids_after(owner, thread_id, item_id)}
            gone += [summary.item_id for summary in found if summary.until in told]
    except (InvalidCursor, NotFoundError):
        pass  # the item is gone already
    await backend.write_items(owner, thread_id, (), delete=gone)


async def _summaries_after(
    backend: ThreadStore, owner: str, thread_id: str, item_id: str
) -> AsyncGenerator[Summary, None]:
    """Yield what stands after an item: a summary is always written later than what it covers."""
    after, kinds = item_id, _MODEL
    while True:
        page = await backend.load_items(owner, thread_id, limit=_PAGE, after=after, order="asc", kinds=kinds)
        for summary in summaries_in(page.data):
            yield summary
        if not page.has_more:
            return
        after = page.data[-1].id


def cut_after(items: Sequence[ThreadItem], stale: Sequence[str], item_id: str) -> tuple[list[ThreadItem], list[str]]:
    """Cut a thread after an item, after which the `stale` ones stand: return what stays, and the ids of what goes.

    A summary stays that ends before the item, wherever it was written; one that tells of the item goes, because the
    item is told again.
    """
    gone = {item_id, *stale}
    summaries = summaries_in(items)
    stays = {summary.item_id for summary in summaries if summary.until not in gone}
    goes = {*stale, *(summary.item_id for summary in summaries)} - stays
    kept = [item for item in items if item.id not in goes]
    return kept, [old for old in stale if old not in stays]
