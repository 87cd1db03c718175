"""Tests of the project over the ChatKit protocol, without a network. Run them with `python -m pytest`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import httpx

from runtime import create_app
from runtime.testing import parse_events

PROJECT = Path(__file__).parent.parent


def ask(text: str) -> list[dict[str, Any]]:
    """Send a message in a new thread and return the events of the answer."""

    async def post() -> bytes:
        # Without a key, `offline:` answers, also where .env has one.
        app = create_app(PROJECT, environ={**os.environ, "CHATKIT_STORE": "memory", "OPENAI_API_KEY": ""}, offline=True)
        transport = httpx.ASGITransport(app=app)
        message = {"content": [{"type": "input_text", "text": text}], "attachments": [], "inference_options": {}}
        request = {"type": "threads.create", "params": {"input": message}}
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
        ):
            response = await client.post("/chatkit", json=request)
            response.raise_for_status()
            return response.content

    return parse_events(asyncio.run(post()))


def items(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return the completed items of one type."""
    return [event["item"] for event in events if event["type"] == "thread.item.done" and event["item"]["type"] == kind]


def test_a_greeting_is_shown_as_a_card() -> None:
    """The model calls the tool, and the card shows its result."""
    events = ask("Greet Ada")
    assert "error" not in {event["type"] for event in events}
    [widget] = items(events, "widget")
    assert widget["widget"]["children"][0]["value"] == "Hello, Ada!"
    assert widget["copy_text"] == "Hello, Ada!"


def test_any_other_message_gets_a_text_answer() -> None:
    """The model uses `otherwise` of the script."""
    [message] = items(ask("What is the capital of Norway?"), "assistant_message")
    assert "greet" in message["content"][0]["text"]
