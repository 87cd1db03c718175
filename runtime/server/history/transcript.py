"""A thread as lines of text, for the model that summarizes it: items as the model gets them, long ones shortened."""

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

_MESSAGE_CHARACTERS = 8_000
_RESULT_CHARACTERS = 500


async def to_transcript(converter: ThreadItemConverter, items: Sequence[ThreadItem], most: int) -> str:
    """Convert items, oldest first, to at most `most` characters; the oldest items are left out first.

    Items that the project's own converter hides from the model are left out; attachments are given by name.
    """
    lines: list[str] = []
    for item in reversed(items):
        without_files = item.model_copy(update={"attachments": []}) if isinstance(item, UserMessageItem) else item
        model_input = cast(list[dict[str, Any]], await converter.to_agent_input([without_files]))
        for line in reversed(list(_lines(item, model_input))):
            most -= len(line) + 1
            if most < 0 and lines:
                return "\n".join(reversed(lines))
            lines.append(line)
    return "\n".join(reversed(lines))


def _lines(item: ThreadItem, model_input: Sequence[dict[str, Any]]) -> Iterator[str]:
    label, most = _label(item)
    if isinstance(item, UserMessageItem) and item.attachments:
        yield f"{label} attached: {_shorten(', '.join(file.name for file in item.attachments), _RESULT_CHARACTERS)}"
    for raw in model_input:
        match raw.get("type", "message"):
            case "message":
                text = getattr(item, "copy_text", None) or _text(raw.get("content"))
                if text:
                    yield f"{label}: {_shorten(text, most)}"
            case "function_call":
                yield f"Tool call: {raw.get('name')} {_shorten(_text(raw.get('arguments')), _RESULT_CHARACTERS)}"
            case "function_call_output":
                yield f"Tool result: {_shorten(_text(raw.get('output')), _RESULT_CHARACTERS)}"


def _label(item: ThreadItem) -> tuple[str, int]:
    match item:
        case UserMessageItem():
            return "User", _MESSAGE_CHARACTERS
        case AssistantMessageItem():
            return "Assistant", _MESSAGE_CHARACTERS
        case WidgetItem():
            return "Shown to the user", _RESULT_CHARACTERS
        case HiddenContextItem() | SDKHiddenContextItem() if not isinstance(item, ModelItem):
            return "Noted", _MESSAGE_CHARACTERS
        case _:
            return "Noted", _RESULT_CHARACTERS


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return " ".join(part["text"] for part in content if isinstance(part, dict) and part.get("text"))
    return "" if content is None else json.dumps(content, ensure_ascii=False, default=str)


def _shorten(text: str, most: int) -> str:
    text = text.strip()
    text = text if len(text) <= most else text[: most - 1].rstrip() + "…"
    # Indented, so that no line of a message looks like another message.
    return text.replace("\n", "\n  ")
