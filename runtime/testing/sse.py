"""Read the body of a ChatKit response: the events it streamed."""

from __future__ import annotations

import json
from typing import Any


def parse_events(body: str | bytes) -> list[dict[str, Any]]:
    """Return the JSON of every `data:` field of a text/event-stream, in order; comments such as pings are left out.

    A body that was cut inside an event raises ValueError, since the client would have lost that event as well.
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
    # The OpenAI APIs end a stream with a word that is not JSON.
    if data == "[DONE]":
        return []
    event = json.loads(data)
    if not isinstance(event, dict):
        raise ValueError(f"an event is not a JSON object: {data[:80]!r}")
    return [event]
