"""A model that calls the tool at a slow pace, and then says every stamp that it received."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from agents import Model, ModelResponse
from desk.inner.stamp import STAMP

from runtime.assemble.scripted_events import play
from runtime.scripts.player import Call, Say

_PACES_S = {"long": 0.04, "short": 0.001}


class StampModel(Model):
    """Says the instructions in the first call of a turn, so that the second call can read them."""

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Refuse: the server streams."""
        raise RuntimeError("this model only streams")

    async def stream_response(
        self, system_instructions: str | None, input: str | list[Any], *args: Any, **kwargs: Any
    ) -> AsyncIterator[Any]:
        """Answer the last message of the user."""
        items = [{"role": "user", "content": input}] if isinstance(input, str) else input
        pace_s = _PACES_S["long" if "long" in json.dumps(items[0]) else "short"]
        results = [item for item in items if item.get("type") == "function_call_output"]
        if not results:
            words = f"I begin as first={system_instructions} and look . . . ."
            steps: list[Any] = [Say(text=words, delay_s=pace_s), Call(name="stamp", arguments="{}")]
        else:
            before = json.dumps(items)
            first = before.partition("first=")[2].partition(" ")[0]
            words = (
                f"first={first} second={system_instructions} model={STAMP} {results[-1]['output']} . . . . That is all."
            )
            steps = [Say(text=words, delay_s=pace_s)]
        async for event in play(steps):
            yield event


def build() -> StampModel:
    """Return a model for one generation."""
    return StampModel()
