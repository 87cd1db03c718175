"""The input of a request in the form that its endpoint accepts: items from elsewhere are converted or left out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from runtime.assemble.answer_repairs import sendable_arguments
from runtime.assemble.request_forms import BESIDE, IMAGES, has_thoughts, whole_message
from runtime.assemble.tool_limits import cut_text

Item = dict[str, Any]

_LONGEST_OUTPUT = 8_000
_LONGEST_OLD_OUTPUT = 2_000
"""The most bytes of each output of the current turn, where the conversation is too long for its model."""
_MESSAGE_TYPES = (None, "message")
_NOT_CONVERTED = frozenset({"mcp_list_tools", "compaction", "item_reference", "mcp_approval_request"})
_INPUT_KEYS = ("action", "queries", "code", "arguments", "operation", "input")
_OUTPUT_KEYS = ("results", "outputs", "output", "error")


def for_responses(items: Sequence[Mapping[str, Any]], endpoint: str, *, is_stored: bool = True) -> list[Item]:
    """Return the input of a Responses endpoint: thoughts of other endpoints, and what only they read, are left out.

    Ids name what the endpoint stores; unless it `is_stored`, thoughts come back encrypted or not at all.
    """
    prepared: list[Item] = []
    for item in map(_with_sendable_arguments, items):
        if not is_stored:
            if item.get("type") == "reasoning" and not item.get("encrypted_content"):
                continue
            item = {key: value for key, value in item.items() if key != "id"}
        data = item.get("provider_data")
        if data is None:
            prepared.append(dict(item))
            continue
        is_own = data.get("endpoint") == endpoint
        if item.get("type") == "reasoning" and not is_own:
            continue
        dropped = {"provider_data"} if is_own else {"provider_data", "id"}
        prepared.append({key: value for key, value in item.items() if key not in dropped})
    return prepared


def for_chat(items: Sequence[Mapping[str, Any]], endpoint: str) -> list[Item]:
    """Return the input of a Chat Completions endpoint.

    Hosted tools become function calls, and images of tools a message. Messages of one role in a row become one, because
    chat templates refuse them. Thoughts go back to the endpoint that they are from.
    """
    return _ChatInput(endpoint).convert(items)


class _ChatInput:
    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._prepared: list[Item] = []
        self._images: list[Item] = []

    def convert(self, items: Sequence[Mapping[str, Any]]) -> list[Item]:
        for item in items:
            kind = item.get("type")
            if kind != "function_call_output":
                self._add_images()
            if kind in _MESSAGE_TYPES and "role" in item:
                self._add_message(dict(item))
            elif kind == "function_call":
                self._add_call(_with_sendable_arguments(item))
            elif kind == "function_call_output":
                self._add_output(item)
            elif kind == "reasoning":
                if self._is_own(item):
                    self._prepared.append(dict(item))
            elif kind not in _NOT_CONVERTED:
                self._add_hosted(str(kind), item)
        self._add_images()
        return self._prepared

    def _is_own(self, item: Mapping[str, Any]) -> bool:
        data = item.get("provider_data") or {}
        return bool(data.get("endpoint", self._endpoint) == self._endpoint)

    def _add_message(self, item: Item) -> None:
        content = item["content"]
        if item["role"] == "assistant" and isinstance(content, list) and "id" not in item:
            # A run that was stored has its input in the form of the Responses API.
            item = {"role": "assistant", "content": "".join(part.get("text", "") for part in content)}
        last = self._prepared[-1] if self._prepared else {}
        same_role = last.get("role") == item["role"] and last.get("type") in _MESSAGE_TYPES
        are_texts = _is_text(last) and _is_text(item)
        if same_role and (item["role"] == "user" or (item["role"] == "assistant" and are_texts)):
            last["content"] = _joined(last["content"], item["content"])
        else:
            self._prepared.append(item)

    def _add_call(self, item: Mapping[str, Any]) -> None:
        last = self._prepared[-1] if self._prepared else {}
        if last.get("role") == "assistant" and _is_text(last):
            # What was said before a call is part of the same message.
            self._prepared[-1] = whole_message(last["content"])
        data = item.get("provider_data")
        if not data:
            self._prepared.append(dict(item))
            return
        if not self._is_own(item):
            self._prepared.append({key: value for key, value in item.items() if key != "provider_data"})
            return
        thoughts = data.get("reasoning")
        if thoughts is not None and not has_thoughts(self._prepared):
            self._prepared.append(dict(thoughts))
        kept = {key: value for key, value in data.items() if key not in ("reasoning", "endpoint")}
        self._prepared.append({**item, "provider_data": kept})

    def _add_output(self, item: Mapping[str, Any]) -> None:
        output = item["output"]
        if isinstance(output, list):
            images = [part for part in output if part.get("type") == "input_image"]
            self._images += images
            texts = [part if part.get("type") == "input_text" else _left_out(part) for part in output]
            output = "\n".join(part["text"] for part in texts)
        self._prepared.append({**item, "output": output})

    def _add_images(self) -> None:
        if self._images:
            content = [{"type": "input_text", "text": IMAGES}, *self._images]
            self._images = []
            self._add_message({"role": "user", "content": content})

    def _add_hosted(self, kind: str, item: Mapping[str, Any]) -> None:
        """Add a call of a tool that runs at OpenAI, which this API does not know, as the call of a function."""
        call_id = str(item.get("call_id") or item.get("id") or len(self._prepared))[-40:]
        if kind.endswith(("_output", "_response")):
            self._prepared.append({"type": "function_call_output", "call_id": call_id, "output": _text_of(item)})
            return
        given = {key: item[key] for key in _INPUT_KEYS if item.get(key) is not None}
        call = {"type": "function_call", "call_id": call_id, "name": kind.removesuffix("_call")}
        self._prepared.append({**call, "arguments": _json(given.get("arguments", given))})
        if not item.get("call_id"):
            self._prepared.append({"type": "function_call_output", "call_id": call_id, "output": _text_of(item)})


def _with_sendable_arguments(item: Mapping[str, Any]) -> Mapping[str, Any]:
    # vLLM, Ollama and LiteLLM read the arguments of earlier calls, and refuse a conversation with one that is no JSON.
    if item.get("type") != "function_call":
        return item
    arguments = sendable_arguments(item.get("arguments"))
    return item if arguments == item.get("arguments") else {**item, "arguments": arguments}


def shortened(items: Sequence[Mapping[str, Any]]) -> list[Item] | None:
    """Return a conversation that was too long for its model with at most half of the earlier turns.

    Without earlier turns, the outputs of tools are cut. None if nothing can be left out.
    """
    messages = [index for index, item in enumerate(items) if item.get("role") == "user"]
    first = next((index for index, item in enumerate(items) if item.get("role") != "system"), 0)
    current = messages[-1] if messages else 0
    if current > first:
        room = sum(map(_size, items)) // 2 - sum(map(_size, items[current:]))
        start = current
        for index in reversed([index for index in messages if first < index < current]):
            room -= sum(map(_size, items[index:start]))
            if room < 0:
                break
            start = index
        return [dict(item) for item in (*items[:first], *items[start:])]
    cut = [_with_short_output(item) for item in items]
    return cut if sum(map(_size, cut)) < sum(map(_size, items)) else None


def _with_short_output(item: Mapping[str, Any]) -> Item:
    output = item.get("output")
    if item.get("type") == "function_call_output" and isinstance(output, str):
        return {**item, "output": cut_text(output, _LONGEST_OLD_OUTPUT)}
    return dict(item)


def _size(item: Mapping[str, Any]) -> int:
    return len(str(item.get("content") or item.get("output") or item))


def _is_text(item: Mapping[str, Any]) -> bool:
    return isinstance(item.get("content"), str)


def _joined(first: Any, second: Any) -> Any:
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    return [*_parts(first), *_parts(second)]


def _parts(content: Any) -> list[Any]:
    return [{"type": "input_text", "text": content}] if isinstance(content, str) else list(content)


def _left_out(part: Mapping[str, Any]) -> dict[str, str]:
    if part.get("type") == "input_image":
        return {"type": "input_text", "text": BESIDE}
    name = part.get("filename") or part.get("file_id") or ""
    return {
        "type": "input_text",
        "text": f"[A file was left out, which this model can't read{f': {name}' if name else ''}.]",
    }


def _text_of(item: Mapping[str, Any]) -> str:
    value = next((item[key] for key in _OUTPUT_KEYS if item.get(key) is not None), None)
    if value is None:
        return "Done."
    return cut_text(value if isinstance(value, str) else _json(value), _LONGEST_OUTPUT)


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
