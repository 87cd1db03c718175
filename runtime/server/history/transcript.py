"""Items of a thread as lines of text, for whoever sums them up: told as a model is told them, long ones shortened."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, cast

from chatkit.agents import ThreadItemConverter
from chatkit.types import (
    AssistantMessageItem,
    HiddenContextItem,
    SDKHiddenContextItem,
    ThreadItem,
    UserMessageItem,
    WidgetItem,
)

from runtime.stores.store import ModelItem

LONGEST_MESSAGE = 8_000
LONGEST_RESULT = 500


async def as_text(converter: ThreadItemConverter, items: Sequence[ThreadItem], most: int) -> str:
    """Tell the items, oldest first, in at most so many characters: the oldest are left out first.

    What the project's own converter keeps from the model stays out; of what was attached only the name is told.
    """
    lines: list[str] = []
    for item in reversed(items):
        read = item.model_copy(update={"attachments": []}) if isinstance(item, UserMessageItem) else item
        told = cast(list[dict[str, Any]], await converter.to_agent_input([read]))
        for line in reversed(list(_lines(item, told))):
            most -= len(line) + 1
            if most < 0 and lines:
                return "\n".join(reversed(lines))
            lines.append(line)
    return "\n".join(reversed(lines))


def _lines(item: ThreadItem, told: Sequence[dict[str, Any]]) -> Iterator[str]:
    label, most = _label(item)
    if isinstance(item, UserMessageItem) and item.attachments:
        yield f"{label} attached: {_short(', '.join(file.name for file in item.attachments), LONGEST_RESULT)}"
    for raw in told:
        match raw.get("type", "message"):
            case "message":
                text = getattr(item, "copy_text", None) or _text(raw.get("content"))
                if text:
                    yield f"{label}: {_short(text, most)}"
            case "function_call":
                yield f"Tool call: {raw.get('name')} {_short(_text(raw.get('arguments')), LONGEST_RESULT)}"
            case "function_call_output":
                yield f"Tool result: {_short(_text(raw.get('output')), LONGEST_RESULT)}"


def _label(item: ThreadItem) -> tuple[str, int]:
    match item:
        case UserMessageItem():
            return "User", LONGEST_MESSAGE
        case AssistantMessageItem():
            return "Assistant", LONGEST_MESSAGE
        case WidgetItem():
            return "Shown to the user", LONGEST_RESULT
        case HiddenContextItem() | SDKHiddenContextItem() if not isinstance(item, ModelItem):
            return "Noted", LONGEST_MESSAGE
        case _:
            return "Noted", LONGEST_RESULT


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return " ".join(part["text"] for part in content if isinstance(part, dict) and part.get("text"))
    return "" if content is None else json.dumps(content, ensure_ascii=False, default=str)


def _short(text: str, most: int) -> str:
    text = text.strip()
    text = text if len(text) <= most else text[: most - 1].rstrip() + "…"
    # Indented, so that no line of a message looks like somebody else's.
    return text.replace("\n", "\n  ")
