"""Convert threads and items to JSON and back, and find the summaries among items.

Every store uses these functions, so that a round trip has the same effect in all of them.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Union, get_args

from chatkit import types
from chatkit.store import NotFoundError
from chatkit.widgets import DynamicWidgetRoot, StrictWidgetRoot
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from runtime.documents.untrusted import clean as clean
from runtime.documents.untrusted import clean_value
from runtime.stores.store import (
    PAGE_SIZE,
    GenerationMark,
    InvalidCursor,
    ItemKind,
    ModelItem,
    ThreadStore,
    is_model_content,
)

# An escaped NUL. If its backslash is escaped, too, the text contains the six characters `\u0000` literally.
_ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_ZERO = timedelta(0)


class _StoredWidgetItem(types.WidgetItem):
    # The strict widget classes are deprecated and warn at each load; this one keeps every stored field.
    widget: DynamicWidgetRoot


def _as_widget_item(item: _StoredWidgetItem) -> types.WidgetItem:
    return types.WidgetItem.model_construct(item.model_fields_set, **item.__dict__)


def with_sdk_widget(item: types.ThreadItem) -> types.ThreadItem:
    """Return the item with a widget of the SDK's classes, such as `Card`, as the SDK reads it; others stay as they are.

    So does a widget with fields that those classes do not know, and would drop.
    """
    if not isinstance(item, types.WidgetItem) or not isinstance(item.widget, DynamicWidgetRoot):
        return item
    tree = item.widget.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            widget = _SDK_WIDGET.validate_python(tree)
    except ValidationError:
        return item
    if widget.model_dump(mode="json", exclude_unset=True, exclude_none=True) != tree:
        return item
    return item.model_copy(update={"widget": widget})


def _as_model_item(item: types.HiddenContextItem) -> types.HiddenContextItem:
    if is_model_content(item.content):
        return ModelItem.model_construct(item.model_fields_set, **item.__dict__)
    return item


def _stored_union() -> Any:
    ours: dict[Any, Any] = {
        types.WidgetItem: Annotated[_StoredWidgetItem, AfterValidator(_as_widget_item)],
        types.HiddenContextItem: Annotated[types.HiddenContextItem, AfterValidator(_as_model_item)],
    }
    members = get_args(get_args(types.ThreadItem)[0])
    return Annotated[Union[tuple(ours.get(member, member) for member in members)], Field(discriminator="type")]  # noqa: UP007


_STORED_ITEM: Any = _stored_union()
_SDK_WIDGET: TypeAdapter[Any] = TypeAdapter(StrictWidgetRoot)
_ITEM: TypeAdapter[types.ThreadItem] = TypeAdapter(_STORED_ITEM)
_ITEMS: TypeAdapter[list[types.ThreadItem]] = TypeAdapter(list[_STORED_ITEM])
_ATTACHMENT: TypeAdapter[types.Attachment] = TypeAdapter(types.Attachment)
_STATUS: TypeAdapter[types.ThreadStatus] = TypeAdapter(types.ThreadStatus)
_DOMAINS: TypeAdapter[list[str] | None] = TypeAdapter(list[str] | None)
_METADATA: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_GENERATION: TypeAdapter[GenerationMark] = TypeAdapter(GenerationMark)
_ITEM_PAGE = types.Page[types.ThreadItem]
_THREAD_PAGE = types.Page[types.ThreadMetadata]


def check_item(item: types.ThreadItem) -> None:
    """Raise ValueError for an item that can be written but not read again, which would make its thread unreadable."""
    _ITEM.validate_json(_dump(item))


def check_owner(owner: str) -> str:
    """Return the owner. Raise ValueError if `clean` would change it: two owners could become one."""
    if clean(owner) != owner:
        raise ValueError(f"owner {owner!r} holds U+0000 or half a surrogate pair")
    return owner


def to_utc(moment: datetime) -> datetime:
    """Return the moment aware and in UTC. A naive one is local time, as in chatkit."""
    return moment if moment.utcoffset() == _ZERO else moment.astimezone(UTC)


def dump_item(item: types.ThreadItem) -> str:
    """Return the item as JSON, its time in UTC, without U+0000. Raise ValueError for content that JSON can't hold."""
    moment = to_utc(item.created_at)
    if moment is not item.created_at:
        item = item.model_copy(update={"created_at": moment})
    return _dump(item)


def load_item(payload: str) -> types.ThreadItem:
    """Return the item that `dump_item` wrote."""
    return _ITEM.validate_json(payload)


def load_items(payloads: Sequence[str]) -> list[types.ThreadItem]:
    """Return the items that `dump_item` wrote; faster than `load_item` for each."""
    return _ITEMS.validate_json("[" + ",".join(payloads) + "]")


def metadata_only(thread: types.ThreadMetadata) -> types.ThreadMetadata:
    """Return the metadata of a thread, without the items of a chatkit `Thread`; its time in UTC, without U+0000."""
    return types.ThreadMetadata.model_construct(
        title=None if thread.title is None else clean(thread.title),
        id=clean(thread.id),
        created_at=to_utc(thread.created_at),
        status=thread.status,
        allowed_image_domains=thread.allowed_image_domains,
        metadata=thread.metadata,
    )


def dump_thread(thread: types.ThreadMetadata) -> str:
    """Return the thread's metadata as JSON, without items."""
    return _dump(metadata_only(thread))


def load_thread(payload: str) -> types.ThreadMetadata:
    """Return the metadata that `dump_thread` wrote."""
    return types.ThreadMetadata.model_validate_json(payload)


def dump_attachment(attachment: types.Attachment) -> str:
    """Return the attachment's metadata as JSON."""
    return _dump(attachment)


def load_attachment(payload: str) -> types.Attachment:
    """Return the attachment that `dump_attachment` wrote."""
    return _ATTACHMENT.validate_json(payload)


def dump_generation(generation: GenerationMark | None) -> str | None:
    """Return the mark as JSON, or None."""
    return None if generation is None else dump_value(generation)


def load_generation(payload: str | None) -> GenerationMark | None:
    """Return the mark that `dump_generation` wrote, or None for anything else."""
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
        return _without_nul(to_json(clean_value(to_jsonable_python(value))).decode())


ACTIVE_STATUS = '{"type":"active"}'
"""The status of nearly every thread, which `load_status` recognises without a parser."""


def load_status(payload: str) -> types.ThreadStatus:
    """Return a thread's status."""
    return types.ActiveStatus() if payload == ACTIVE_STATUS else _STATUS.validate_json(payload)


def load_domains(payload: str) -> list[str] | None:
    """Return a thread's allowed image domains."""
    return _DOMAINS.validate_json(payload)


def load_metadata(payload: str) -> dict[str, Any]:
    """Return a thread's metadata dict."""
    return {} if payload == "{}" else _METADATA.validate_json(payload)


def item_page(items: list[types.ThreadItem], limit: int) -> types.Page[types.ThreadItem]:
    """Return a page of the first `limit` items; `items` has one more if there is a further page."""
    data = items[:limit]
    more = len(items) > limit
    return _ITEM_PAGE.model_construct(data=data, has_more=more, after=data[-1].id if more else None)


def thread_page(threads: list[types.ThreadMetadata], limit: int) -> types.Page[types.ThreadMetadata]:
    """Return a page of the first `limit` threads; `threads` has one more if there is a further page."""
    data = threads[:limit]
    more = len(threads) > limit
    return _THREAD_PAGE.model_construct(data=data, has_more=more, after=data[-1].id if more else None)


def _dump(model: BaseModel) -> str:
    try:
        return _without_nul(model.model_dump_json())
    except PydanticSerializationError:
        # Models stream halves of emojis, which are valid in Python strings but not in UTF-8; the answer must be stored.
        return _without_nul(to_json(clean_value(model.model_dump())).decode())


def _without_nul(payload: str) -> str:
    return _ESCAPED_NUL.sub(r"\1", payload) if "\\u0000" in payload else payload


_MODEL: frozenset[ItemKind] = frozenset({"model"})


@dataclass(frozen=True, slots=True)
class Summary:
    """A summary of a thread from its beginning to the item `until`; `item_id` is the item that contains it."""

    item_id: str
    text: str
    until: str


def summary_in(item: types.ThreadItem) -> Summary | None:
    """Return the summary that an item contains, or None."""
    content = item.content.get("summary") if isinstance(item, ModelItem) else None
    return None if content is None else Summary(item.id, content["text"], content["until"])


def summaries_in(items: Iterable[types.ThreadItem]) -> list[Summary]:
    """Return the summaries among the items, in order."""
    return [summary for item in items if (summary := summary_in(item)) is not None]


async def deleted_with(backend: ThreadStore, owner: str, thread_id: str, item_id: str) -> list[str]:
    """Return the ids to delete in order to delete an item: its own, and those of the summaries that cover it."""
    deleted = [item_id]
    try:
        async with aclosing(_summaries_after(backend, owner, thread_id, item_id)) as later:
            summaries = [summary async for summary in later]
        if summaries:
            covering = {item_id, *await backend.item_ids_after(owner, thread_id, item_id)}
            deleted += [summary.item_id for summary in summaries if summary.until in covering]
    except (InvalidCursor, NotFoundError):
        pass  # the item does not exist
    return deleted


async def _summaries_after(
    backend: ThreadStore, owner: str, thread_id: str, item_id: str
) -> AsyncGenerator[Summary, None]:
    """Yield the summaries after an item: a summary is always written after the items that it covers."""
    after, kinds = item_id, _MODEL
    while True:
        page = await backend.load_items(owner, thread_id, limit=PAGE_SIZE, after=after, order="asc", kinds=kinds)
        for summary in summaries_in(page.data):
            yield summary
        if not page.has_more:
            return
        after = page.data[-1].id


def cut_after(
    items: Sequence[types.ThreadItem], stale: Sequence[str], item_id: str
) -> tuple[list[types.ThreadItem], list[str]]:
    """Cut a thread after an item, which the `stale` ones follow; return the remaining items and the ids to delete.

    A summary remains if it ends before the item, wherever it was written. One that covers the item is deleted, because
    the item becomes part of the history again.
    """
    cut = {item_id, *stale}
    summaries = summaries_in(items)
    remaining = {summary.item_id for summary in summaries if summary.until not in cut}
    deleted = {*stale, *(summary.item_id for summary in summaries)} - remaining
    return [item for item in items if item.id not in deleted], [old for old in stale if old not in remaining]
