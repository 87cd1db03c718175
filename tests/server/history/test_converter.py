from __future__ import annotations

from typing import Any

from runtime.server.history.converter import repair


def test_calls_that_share_an_id_keep_their_own_outputs() -> None:
    # Small endpoints count their calls anew in each response.
    def turn(city: str) -> list[Any]:
        return [
            {"type": "function_call", "call_id": "call_0", "name": "look_up", "arguments": city},
            {"type": "function_call_output", "call_id": "call_0", "output": city},
            {"role": "assistant", "content": city},
        ]

    history = [*turn("Oslo"), *turn("Rome")]
    assert repair(history) == history
