"""Parse the events of a streamed ChatKit response."""

from __future__ import annotations

import json
from typing import Any


def parse_events(body: str | bytes) -> list[dict[str, Any]]:
    """Return the JSON object of every event of a `text/event-stream` body, in order, without comments such as pings.

    Raise ValueError if the body ends inside an event, or if an event is not a JSON object.
    """
    text = body.decode("utf-8") if isinstance(body, bytes) else body
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    events: list[dict[str, Any]] = []
    data: list[str] = []
    for line in lines:
        if line.startswith("data:"):
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and data:
            events += _event("\n".join(data))
            data = []
    if data:
        raise ValueError(f"the stream was cut inside an event: {data[-1][:80]!r}")
    return events


def _event(data: str) -> list[dict[str, Any]]:
    # The OpenAI APIs end a stream with this text, which is not JSON.
    if data == "[DONE]":
        return []
    event = json.loads(data)
    if not isinstance(event, dict):
        raise ValueError(f"an event is not a JSON object: {data[:80]!r}")
    return [event]
