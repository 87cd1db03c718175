"""Items of a thread as lines of text, for whoever sums them up: what was said as it was, the rest shortened."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from chatkit.types import (
    AssistantMessageItem,
    ClientToolCallItem,
    EndOfTurnItem,
    GeneratedImageItem,
    HiddenContextItem,
    SDKHiddenContextItem,
    StructuredInputItem,
    TaskItem,
    ThreadItem,
    UserMessageItem,
    WidgetItem,
    WorkflowItem,
)

from runtime.stores.store import ModelItem

LONGEST_MESSAGE = 8_000
LONGEST_RESULT = 500


def as_text(items: Sequence[ThreadItem], most: int) -> str:
    """Tell the items, oldest first, in at most so many characters: the oldest are left out first."""
    lines: list[str] = []
    for item in reversed(items):
        for line in reversed(list(_lines(item))):
            most -= len(line) + 1
            if most < 0 and lines:
                return "\n".join(reversed(lines))
            lines.append(line)
    return "\n".join(reversed(lines))


def _lines(item: ThreadItem) -> Iterator[str]:
    match item:
        case UserMessageItem():
            yield f"User: {_short(_said(item), LONGEST_MESSAGE)}"
        case AssistantMessageItem():
            yield f"Assistant: {_short(''.join(part.text for part in item.content), LONGEST_MESSAGE)}"
        case ClientToolCallItem():
            yield f"Tool call: {item.name} {_json(item.arguments)}"
            yield f"Tool result: {_json(item.output)}"
        case WidgetItem():
            shown = _short(item.copy_text, LONGEST_RESULT) if item.copy_text else _json(item.widget)
            yield f"Shown to the user: {shown}"
        case StructuredInputItem():
            yield f"Questions and answers: {_json([question.model_dump(mode='json') for question in item.inputs])}"
        case GeneratedImageItem():
            yield "Shown to the user: an image that was made for them"
        case ModelItem():
            for raw in item.content.get("model_items", ()):
                yield from _call(raw)
        case HiddenContextItem() | SDKHiddenContextItem():
            content = item.content
            yield f"Noted: {_short(content, LONGEST_MESSAGE) if isinstance(content, str) else _json(content)}"
        case WorkflowItem() | TaskItem() | EndOfTurnItem():
            return  # what the user saw of the work: its results are told


def _said(item: UserMessageItem) -> str:
    said = "".join(part.text if part.type == "input_text" else f"@{part.text}" for part in item.content)
    quoted = f"(about: {_short(item.quoted_text, LONGEST_RESULT)}) " if item.quoted_text else ""
    return quoted + said + "".join(f" [attached: {attachment.name}]" for attachment in item.attachments)


def _call(raw: dict[str, Any]) -> Iterator[str]:
    match raw.get("type"):
        case "function_call":
            yield f"Tool call: {raw.get('name')} {_short(str(raw.get('arguments', '')), LONGEST_RESULT)}"
        case "function_call_output":
            output = raw.get("output", "")
            yield f"Tool result: {_short(output, LONGEST_RESULT) if isinstance(output, str) else _json(output)}"


def _json(value: Any) -> str:
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json", exclude_none=True)
    return _short(json.dumps(value, ensure_ascii=False, default=str), LONGEST_RESULT)


def _short(text: str, most: int) -> str:
    line = " ".join(text.split()) if most == LONGEST_RESULT else text.strip()
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
