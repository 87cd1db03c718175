from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from chatkit.types import AssistantMessageContent, AssistantMessageItem, UserMessageItem, UserMessageTextContent

from runtime.config.model.chat import History
from runtime.server.history.window import find_uncovered


def _turn(thread: str, number: int) -> list[Any]:
    common = {"thread_id": thread, "created_at": datetime.now(UTC)}
    said = [UserMessageTextContent(text=f"old {number}")]
    return [
        UserMessageItem(id=f"u{number}", content=said, inference_options={}, **common),
        AssistantMessageItem(id=f"a{number}", content=[AssistantMessageContent(text="so be it")], **common),
    ]


def test_a_window_of_tokens_is_summed_up_as_well() -> None:
    history = History(tokens=500, summary=None)
    items = [item for number in range(3) for item in _turn("t", number)]
    assert find_uncovered(items, history) is None
    long = items[1].model_copy(update={"content": [AssistantMessageContent(text="a" * 1900)]})
    uncovered = find_uncovered([items[0], long, *items[2:4], *_turn("t", 7), *_turn("t", 8)], History(tokens=500))
    assert uncovered is None  # one turn alone, and not so long: nothing leaves the window yet
    huge = items[1].model_copy(update={"content": [AssistantMessageContent(text="a" * 4000)]})
    uncovered = find_uncovered([items[0], huge, *items[2:]], history)
    assert uncovered is not None
    assert ([item.id for item in uncovered.items], uncovered.until) == (["u0", "a0"], "a0")
