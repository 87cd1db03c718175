"""Every text that a client sends has a limit, as has the number of entries and the depth of what it sends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import pytest
from chatkit.types import ChatKitReq
from pydantic import BaseModel

from runtime.config.model.limits import Limits
from runtime.errors import RequestError
from runtime.server.turns.request_limits import (
    BUDGETS,
    MAX_DEPTH,
    MAX_ENTRIES,
    MAX_PARTS,
    MAX_SHORT_TEXT,
    OPAQUE,
    budget_of,
    check_texts,
)
from runtime.server.turns.request_parsing import parse_request

SHORT = {
    "params.thread_id",
    "params.item_id",
    "params.item_ids",
    "params.after",
    "params.attachment_id",
    "params.name",
    "params.mime_type",
    "params.action.type",
    "params.input.attachments",
    "params.input.content.id",
    "params.input.content.group",
    "params.input.inference_options.model",
    "params.input.inference_options.tool_choice.id",
}
"""The texts that are ids, cursors and names: a new text of ChatKit's requests is none of these until it is listed."""
LIMITS = Limits()


def fields(kind: Any, path: str = "", owner: type[BaseModel] | None = None) -> Iterator[tuple[str, Any, Any]]:
    """Yield every text and opaque value of a type: its path, the class that has it, and the kind of value."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        kind.model_rebuild()
        for name, field in kind.model_fields.items():
            yield from fields(field.annotation, f"{path}.{name}" if path else name, kind)
    elif kind is str or kind is Any:
        yield path, owner, kind
    elif get_origin(kind) is dict:
        inner = get_args(kind)[1]
        yield from [(path, owner, Any)] if inner is Any else fields(inner, path, owner)
    elif get_origin(kind) is not Literal:
        for inner in get_args(kind):
            yield from fields(inner, path, owner)


def requests() -> list[type[BaseModel]]:
    union = get_args(ChatKitReq)[0]
    return [kind for part in get_args(union) for kind in (get_args(part) or (part,))]


def texts() -> list[tuple[str, Any, Any]]:
    return [found for request in requests() for found in fields(request)]


def test_every_text_that_a_client_sends_has_a_limit() -> None:
    assert len(requests()) == 16
    unlimited = {
        path for path, owner, _ in texts() if budget_of(owner, path.rsplit(".", 1)[-1]) is None and path not in SHORT
    }
    assert not unlimited, "new texts of ChatKit's requests: give each a budget, or list it as short"


def test_what_is_listed_exists() -> None:
    assert {path for path, _, _ in texts()} >= SHORT
    for kind, name in BUDGETS:
        assert name in kind.model_fields, (kind, name)


def test_only_opaque_fields_contain_any_json() -> None:
    assert {path.rsplit(".", 1)[-1] for path, _, kind in texts() if kind is Any} == OPAQUE


def message(**more: Any) -> dict[str, Any]:
    content = [{"type": "input_text", "text": "hello"}]
    return {"content": content, "attachments": [], "inference_options": {}, **more}


def ask(kind: str, metadata: Any = None, /, **params: Any) -> None:
    body = {"type": kind, "params": params, "metadata": metadata or {}}
    check_texts(parse_request(json.dumps(body).encode()), LIMITS)


LONG = "x" * 900_000
NESTED: Any = json.loads("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))
TAG = {"type": "input_tag", "id": "a", "text": "a", "data": {}}
ACTION = {"thread_id": "t", "item_id": "i"}


@pytest.mark.parametrize(
    ("kind", "params", "status", "code"),
    [
        ("threads.create", {"input": message(quoted_text=LONG)}, 413, "message_too_large"),
        ("threads.create", {"input": message(quoted_text="é" * 16_500)}, 413, "message_too_large"),
        ("threads.create", {"input": message(content=[{**TAG, "text": LONG}])}, 413, "message_too_large"),
        ("threads.create", {"input": message(content=[{**TAG, "data": {"a": LONG}}])}, 413, "payload_too_large"),
        ("threads.create", {"input": message(content=[{**TAG, "group": LONG}])}, 400, "text_too_long"),
        ("threads.create", {"input": message(content=[TAG] * (MAX_PARTS + 1))}, 400, "too_many_entries"),
        ("threads.create", {"input": message(attachments=[LONG])}, 400, "text_too_long"),
        ("threads.create", {"input": message(attachments=["a"] * 101)}, 400, "too_many_entries"),
        ("threads.create", {"input": message(inference_options={"model": LONG})}, 400, "text_too_long"),
        ("threads.update", {"thread_id": "t", "title": LONG}, 413, "title_too_large"),
        ("threads.update", {"thread_id": LONG, "title": "a"}, 400, "text_too_long"),
        ("threads.list", {"after": LONG}, 400, "text_too_long"),
        ("items.feedback", {"thread_id": "t", "item_ids": ["a"] * 101, "kind": "positive"}, 400, "too_many_entries"),
        ("items.feedback", {"thread_id": "t", "item_ids": [LONG], "kind": "positive"}, 400, "text_too_long"),
        ("attachments.create", {"name": LONG, "size": 1, "mime_type": "a/b"}, 400, "text_too_long"),
        ("attachments.create", {"name": "a", "size": 1, "mime_type": LONG}, 400, "text_too_long"),
        (
            "threads.custom_action",
            {**ACTION, "action": {"type": "a", "payload": {"a": LONG}}},
            413,
            "payload_too_large",
        ),
        ("threads.custom_action", {**ACTION, "action": {"type": "a", "payload": NESTED}}, 400, "too_deep"),
        ("threads.sync_custom_action", {**ACTION, "action": {"type": LONG}}, 400, "text_too_long"),
        ("threads.add_client_tool_output", {"thread_id": "t", "result": LONG}, 413, "result_too_large"),
        ("threads.add_client_tool_output", {"thread_id": "t", "result": NESTED}, 400, "too_deep"),
        (
            "threads.add_structured_input",
            {**ACTION, "input": {"answers": {"q": {"values": ["x" * 10_000] * 4}}}},
            413,
            "answers_too_large",
        ),
        ("threads.add_structured_input", {**ACTION, "input": {"answers": {LONG: {}}}}, 400, "text_too_long"),
        (
            "threads.add_structured_input",
            {**ACTION, "input": {"answers": {str(number): {} for number in range(101)}}},
            400,
            "too_many_entries",
        ),
    ],
)
def test_what_is_too_large_is_refused_with_its_limit(kind: str, params: Any, status: int, code: str) -> None:
    with pytest.raises(RequestError) as refused:
        ask(kind, **params)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert len(refused.value.message) < 200
    assert any(character.isdigit() for character in refused.value.message)


@pytest.mark.parametrize("metadata", [{"a": LONG}, {LONG: 1}, {"a": NESTED}])
def test_the_metadata_of_a_request_has_a_limit(metadata: Any) -> None:
    with pytest.raises(RequestError) as refused:
        ask("threads.list", metadata)
    assert refused.value.code in ("metadata_too_large", "too_deep")


def test_what_a_chat_sends_is_accepted() -> None:
    tag = {**TAG, "id": "x" * MAX_SHORT_TEXT, "data": {"name": "x" * 1000}}
    ask("threads.create", {"page": "/home"}, input=message(content=[tag] * 50, quoted_text="é" * 10_000))
    ask("items.feedback", thread_id="t", item_ids=["i"] * MAX_ENTRIES, kind="negative")
    ask("threads.add_client_tool_output", thread_id="t", result=[{"row": list(range(20))}] * 2000)
    ask("threads.custom_action", thread_id="t", action={"type": "a", "payload": {"rows": [1.5, None, "é"] * 1000}})
    ask("threads.add_client_tool_output", thread_id="t", result=None)


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"items.feedback","params":{"thread_id":"a","kind":"positive","item_ids":['
        + b"1," * 300_000
        + b"1]}}",
        b'{"type":"threads.create","params":{"input":{"content":[' + b'{"type":"x"},' * 60_000 + b"{}]}}}",
        b'{"type":"threads.list","params":{},"x":' + b"[[],[[],[]]," * 50_000 + b"1" + b"]" * 50_000 + b"}",
        b"[" * 1_000_000,
        b'{"type":"threads.list","metadata":{"a":' + b"[" * 400_000 + b"]" * 400_000 + b'},"params":{}}',
        b'{"type":"' + b"x" * 900_000 + b'"}',
        b'{"type":"threads.add_structured_input","params":{"input":{"answers":{"' + b"k" * 900_000 + b'":1}}}}',
    ],
    ids=[
        "numbers for ids",
        "unknown parts",
        "lists of lists",
        "open brackets",
        "deep metadata",
        "long type",
        "long key",
    ],
)
def test_a_large_invalid_body_is_refused_with_a_short_message(body: bytes) -> None:
    with pytest.raises(RequestError) as refused:
        parse_request(body)
    assert refused.value.status == 400
    assert len(refused.value.message) < 2000
