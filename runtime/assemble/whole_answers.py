"""An answer that came as one JSON object, though a stream of it was asked for: some endpoints do not stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def events_of(body: bytes) -> Iterator[str]:
    """Yield the data of the events that a stream of the answer would have; none if the body is no answer."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return
    if not isinstance(answer, Mapping):
        return
    choices = [choice for choice in answer.get("choices") or () if isinstance(choice, Mapping)]
    if choices:
        yield json.dumps({**answer, "choices": [*map(_chunk, choices)]})
    elif isinstance(answer.get("output"), list):
        yield json.dumps({"type": "response.completed", "sequence_number": 0, "response": answer})


def _chunk(choice: Mapping[str, Any]) -> dict[str, Any]:
    """Return the choice of a completion as that of a chunk which has all of it."""
    message = choice.get("message") or {}
    calls = [{**call, "index": index} for index, call in enumerate(message.get("tool_calls") or ())]
    delta = {**message, "tool_calls": calls} if calls else message
    return {**choice, "delta": delta, "finish_reason": choice.get("finish_reason") or "stop"}
