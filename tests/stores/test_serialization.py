"""What a round trip through JSON does to items."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from chatkit.types import (
    ActiveStatus,
    AssistantMessageContent,
    AssistantMessageItem,
    HiddenContextItem,
    ThreadItem,
    WidgetItem,
)
from chatkit.widgets import DynamicWidgetRoot
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from runtime.stores.serialization import (
    ACTIVE_STATUS,
    dump_item,
    dump_value,
    load_item,
    load_items,
    load_status,
    to_utc,
)
from runtime.stores.store import ModelItem, kind_of

AT: dict[str, Any] = {"id": "msg_1", "thread_id": "thr_1", "created_at": datetime(2026, 1, 2, tzinfo=UTC)}
# Any text that UTF-8 can carry, rich in what has to be told apart: NUL, backslashes, and the escape spelt out.
PIECES = st.sampled_from(["\0", "\\", "u0000", "\\u0000", '"', "é", "🏔"])
TEXTS = st.lists(PIECES | st.characters(codec="utf-8")).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def wire(item: ThreadItem) -> str:
    return item.model_dump_json(by_alias=True, exclude_none=True)


@given(TEXTS)
def test_text_comes_back_without_nul_and_otherwise_as_it_was(text: str) -> None:
    item = load_item(dump_item(AssistantMessageItem(content=[AssistantMessageContent(text=text)], **AT)))
    assert isinstance(item, AssistantMessageItem)
    assert item.content[0].text == text.replace("\0", "")


@given(JSON)
def test_hidden_content_comes_back_as_it_was(content: Any) -> None:
    loaded = load_item(dump_item(HiddenContextItem(content=content, **AT)))
    assert isinstance(loaded, HiddenContextItem)
    assert loaded.content == without_nul(content)


def without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {without_nul(key): without_nul(entry) for key, entry in value.items()}
    return [without_nul(entry) for entry in value] if isinstance(value, list) else value


def test_a_widget_of_any_make_comes_back_alike_and_without_a_warning() -> None:
    tree = {"type": "Card", "size": "sm", "children": [{"type": "Text", "value": "x", "made_up": {"a": None}}]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        strict = WidgetItem.model_validate({"widget": {"type": "Basic", "children": []}, **AT})
        dynamic = WidgetItem(widget=DynamicWidgetRoot.model_validate(tree), copy_text="x", **AT)
    for item in (strict, dynamic):
        loaded = load_item(dump_item(item))
        assert type(loaded) is WidgetItem
        assert wire(loaded) == wire(item)


def test_many_items_are_read_as_one_by_one() -> None:
    items: list[ThreadItem] = [
        HiddenContextItem(content="a", **AT),
        ModelItem(content={"model_items": []}, **AT),
        AssistantMessageItem(content=[], **AT),
    ]
    payloads = [dump_item(item) for item in items]
    assert load_items(payloads) == items == [load_item(payload) for payload in payloads]
    assert load_items([]) == []


def test_the_item_that_is_dumped_is_left_as_it_was() -> None:
    naive = datetime(2026, 1, 2, 3)
    item = HiddenContextItem(content="a", **AT | {"created_at": naive})
    dump_item(item)
    assert item.created_at is naive


@pytest.mark.parametrize("hours", [0, 2, -7])
def test_an_aware_time_keeps_its_moment(hours: int) -> None:
    moment = datetime(2026, 1, 2, 3, tzinfo=timezone(timedelta(hours=hours)))
    assert to_utc(moment) == moment
    assert to_utc(moment).utcoffset() == timedelta(0)


@pytest.mark.parametrize("content", [{}, {"model_items": [], "queued_client_tool": {}}, {"other": 1}])
def test_a_model_item_holds_exactly_one_of_its_keys(content: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="exactly one of 'model_items', 'queued_client_tool'"):
        ModelItem(content=content, **AT)
    assert kind_of(HiddenContextItem(content=content, **AT)) == "hidden"


def test_hidden_content_that_reads_like_a_model_item_is_one() -> None:
    item = HiddenContextItem(content={"queued_client_tool": {"name": "pick"}}, **AT)
    assert kind_of(item) == "model"
    assert type(load_item(dump_item(item))) is ModelItem


def test_the_status_that_nearly_every_thread_has_is_known_at_sight() -> None:
    payload = dump_value(ActiveStatus())
    assert payload == ACTIVE_STATUS
    assert load_status(payload) == ActiveStatus()
    assert load_status(payload) is not load_status(payload)
