"""Reads of a context and of a payload in source code, and the list of the context's attributes."""

from __future__ import annotations

import ast

import pytest
from pydantic import BaseModel

from runtime import RuntimeContext
from runtime.static_analysis.receivers import CONTEXT_ATTRIBUTES, payload_keys


def test_the_attributes_of_the_context_are_those_of_the_class() -> None:
    names = {*dir(RuntimeContext), *RuntimeContext.model_fields} - set(dir(BaseModel))
    assert {name for name in names if not name.startswith("_")} == CONTEXT_ATTRIBUTES


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        ('return action.payload["id"]', {"id"}),
        ('payload = action.payload\n    send(payload["id"], payload["name"])', {"id", "name"}),
        ('if action.payload["a"]:\n        return action.payload["b"]', set()),
        ('x = action.payload["a"] if ready else None\n    return action.payload["b"]', {"b"}),
        ('if done:\n        return\n    return action.payload["b"]', set()),
        ('return action.payload.get("a", action.payload["b"])', {"b"}),
        ('payload = other\n    payload = action.payload\n    return payload["id"]', set()),
        ('action = other\n    return action.payload["id"]', set()),
        ('action.payload["id"] = 1', set()),
        ('return [action.payload["a"] for _ in rows]', set()),
        ('async with lock:\n        return action.payload["id"]', {"id"}),
        ('action.payload.setdefault("id", 1)\n    return action.payload["id"]', set()),
    ],
)
def test_the_keys_that_every_call_reads_are_found(body: str, keys: set[str]) -> None:
    tree = ast.parse(f"async def handle(ctx, action, sender):\n    {body}\n")
    [function] = tree.body
    assert isinstance(function, ast.AsyncFunctionDef)
    assert payload_keys(function, "action") == keys
