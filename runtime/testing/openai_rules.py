"""Requests that the OpenAI API rejects, with its messages, so that an invalid history fails in tests."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args, get_type_hints

from openai.types.responses import ResponseInputItemParam

from runtime.errors import RuntimeFault

_LONGEST_ID = 64
_LONGEST_CHAT_ID = 40
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ID_STARTS = {
    "message": "msg",
    "function_call": "fc",
    "reasoning": "rs",
    "mcp_call": "mcp",
    "mcp_approval_request": "mcpr",
}
_INPUT_PARTS = ("input_text", "input_image", "input_file", "input_audio")
_OUTPUT_PARTS = ("output_text", "refusal")
_RESPONSES_PARTS = {"user": _INPUT_PARTS, "system": _INPUT_PARTS, "developer": _INPUT_PARTS, "assistant": _OUTPUT_PARTS}
_CHAT_PARTS = {
    "user": ("text", "image_url", "input_audio", "file"),
    "system": ("text",),
    "developer": ("text",),
    "assistant": ("text", "refusal"),
    "tool": ("text",),
}


class Refusal(RuntimeFault):
    """A request that the API rejects with 400; `param` is the field."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        self.message, self.param, self.code = message, param, code
        super().__init__(message)


def _item_types() -> Iterator[str]:
    for item in get_args(ResponseInputItemParam):
        [literal, *_] = get_args(get_type_hints(item)["type"])
        # An optional type is a union that begins with the literal.
        yield literal if isinstance(literal, str) else get_args(literal)[0]


_ITEM_TYPES = tuple(dict.fromkeys(_item_types()))


def check_responses(body: Mapping[str, Any]) -> None:
    """Raise `Refusal` for a body that `POST /responses` rejects with 400."""
    _require(body, "model")
    _require(body, "input")
    _check_tools([(tool, f"tools[{i}]") for i, tool in enumerate(body.get("tools") or [])])
    items = body["input"]
    if isinstance(items, str):
        return
    if not isinstance(items, list):
        raise Refusal("Invalid type for 'input': expected one of a string or array of input items.", "input")
    for index, item in enumerate(items):
        _check_item(item, f"input[{index}]")
    _check_ids(items)
    _check_calls(items)
    _check_approvals(items)
    _check_hosted_servers(body.get("tools") or [])
    _check_reasoning(items)


def check_chat(body: Mapping[str, Any]) -> None:
    """Raise `Refusal` for a body that `POST /chat/completions` rejects with 400."""
    _require(body, "model")
    _require(body, "messages")
    tools = [(tool.get("function"), f"tools[{i}].function") for i, tool in enumerate(body.get("tools") or [])]
    _check_tools([({"type": "function", **(tool or {})}, path) for tool, path in tools])
    messages = body["messages"]
    if not isinstance(messages, list) or not messages:
        raise Refusal("Invalid 'messages': empty array. Expected an array with minimum length 1.", "messages")
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        _check_content(message, path, _CHAT_PARTS)
        for number, call in enumerate(message.get("tool_calls") or []):
            _check_length(call["id"], f"{path}.tool_calls[{number}].id", _LONGEST_CHAT_ID)
        if message["role"] == "assistant" and message.get("content") is None and not message.get("tool_calls"):
            raise Refusal("Invalid value for 'content': expected a string, got null.", f"{path}.content")
    _check_tool_messages(messages)


def _check_length(text: str, path: str, longest: int) -> None:
    if len(text) > longest:
        raise Refusal(
            f"Invalid '{path}': string too long. Expected a string with maximum length {longest}, but got a string "
            f"with length {len(text)} instead.",
            path,
            "string_above_max_length",
        )


def _require(body: Mapping[str, Any], name: str) -> None:
    if body.get(name) is None:
        raise Refusal(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")


def _check_item(item: object, path: str) -> None:
    if not isinstance(item, Mapping):
        raise Refusal(f"Invalid type for '{path}': expected an input item.", path, "invalid_type")
    kind = item.get("type", "message")
    if kind not in _ITEM_TYPES:
        raise _unsupported(kind, _ITEM_TYPES, path)
    if kind == "message":
        _check_content(item, path, _RESPONSES_PARTS)
    for field in ("id", "call_id"):
        _check_length(str(item.get(field) or ""), f"{path}.{field}", _LONGEST_ID)
    item_id, start = item.get("id"), _ID_STARTS.get(kind)
    if item_id and start and not item_id.startswith(start):
        raise Refusal(
            f"Invalid '{path}.id': '{item_id}'. Expected an ID that begins with '{start}'.",
            f"{path}.id",
            "invalid_value",
        )


def _check_content(message: object, path: str, parts: Mapping[str, Sequence[str]]) -> None:
    if not isinstance(message, Mapping):
        raise Refusal(f"Invalid type for '{path}': expected an object.", path, "invalid_type")
    role = str(message.get("role"))
    if role not in parts:
        raise _unsupported(role, tuple(parts), f"{path}.role")
    content = message.get("content")
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list):
        raise Refusal(
            f"Invalid type for '{path}.content': expected one of a string or array of objects.",
            f"{path}.content",
            "invalid_type",
        )
    for index, part in enumerate(content):
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind not in parts[role]:
            raise _unsupported(kind, parts[role], f"{path}.content[{index}]")


def _check_ids(items: Sequence[Mapping[str, Any]]) -> None:
    ids = Counter(item["id"] for item in items if item.get("id"))
    for item_id, count in ids.items():
        if count > 1:
            raise Refusal(
                f"Duplicate item found with id {item_id}. Remove duplicate items from your input and try again.",
                "input",
            )


def _check_calls(items: Sequence[Mapping[str, Any]]) -> None:
    outputs = {item["call_id"] for item in items if item.get("type") == "function_call_output"}
    calls: set[str] = set()
    for item in items:
        if item.get("type") == "function_call":
            calls.add(item["call_id"])
            if item["call_id"] not in outputs:
                raise Refusal(f"No tool output found for function call {item['call_id']}.", "input")
        if item.get("type") == "function_call_output" and item["call_id"] not in calls:
            raise Refusal(f"No tool call found for function call output with call_id {item['call_id']}.", "input")


def _check_approvals(items: Sequence[Mapping[str, Any]]) -> None:
    requests: set[str] = set()
    for item in items:
        if item.get("type") == "mcp_approval_request":
            requests.add(item["id"])
        if item.get("type") == "mcp_approval_response" and item["approval_request_id"] not in requests:
            raise Refusal(
                f"Approval response for '{item['approval_request_id']}' does not match any approval request.", "input"
            )


def _check_hosted_servers(tools: Sequence[Mapping[str, Any]]) -> None:
    seen: set[str] = set()
    for index, tool in enumerate(tools):
        if tool.get("type") != "mcp":
            continue
        path = f"tools[{index}]"
        if not tool.get("server_label"):
            raise Refusal(f"Missing required parameter: '{path}.server_label'.", f"{path}.server_label")
        if len([field for field in ("server_url", "connector_id", "tunnel_id") if tool.get(field)]) != 1:
            raise Refusal("Exactly one of 'server_url', 'connector_id' or 'tunnel_id' must be provided.", path)
        if tool["server_label"] in seen:
            raise Refusal(f"Duplicate MCP server label '{tool['server_label']}'.", path)
        seen.add(tool["server_label"])


def _check_reasoning(items: Sequence[Mapping[str, Any]]) -> None:
    for item, following in zip(items, [*items[1:], None], strict=True):
        if item.get("type") != "reasoning":
            continue
        if following is None or following.get("role") == "user" or following.get("type") == "function_call_output":
            raise Refusal(
                f"Item '{item.get('id')}' of type 'reasoning' was provided without its required following item.",
                "input",
            )


def _check_tool_messages(messages: Sequence[Mapping[str, Any]]) -> None:
    waiting: list[str] = []
    for index, message in enumerate([*messages, {"role": "end"}]):
        if message["role"] == "tool":
            if message.get("tool_call_id") not in waiting:
                raise Refusal(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                    f"messages.[{index}].role",
                )
            waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            raise Refusal(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(waiting)}",
                f"messages.[{index - 1}].role",
            )
        waiting = [call["id"] for call in message.get("tool_calls") or []]


def _check_tools(tools: Sequence[tuple[Mapping[str, Any], str]]) -> None:
    for tool, path in tools:
        if tool.get("type") != "function":
            continue
        name = str(tool.get("name", ""))
        if not _TOOL_NAME.fullmatch(name):
            raise Refusal(
                f"Invalid '{path}.name': string does not match pattern. Expected a string that matches the pattern "
                "'^[a-zA-Z0-9_-]+$'.",
                f"{path}.name",
                "invalid_value",
            )
        if tool.get("strict"):
            for problem in _strict_problems(tool.get("parameters") or {}, ()):
                raise Refusal(
                    f"Invalid schema for function '{name}': {problem}",
                    f"{path}.parameters",
                    "invalid_function_parameters",
                )


def _strict_problems(schema: object, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(schema, list):
        for inner in schema:
            yield from _strict_problems(inner, path)
    if not isinstance(schema, Mapping):
        return
    if schema.get("type") == "object" or "properties" in schema:
        if schema.get("additionalProperties") is not False:
            yield f"In context={path}, 'additionalProperties' is required to be supplied and to be false."
        missing = sorted(set(schema.get("properties") or {}) - set(schema.get("required") or []))
        if missing:
            yield (
                f"In context={path}, 'required' is required to be supplied and to be an array including every key in "
                f"properties. Missing '{missing[0]}'."
            )
    for name, inner in (schema.get("properties") or {}).items():
        yield from _strict_problems(inner, (*path, "properties", name))
    for word in ("items", "anyOf"):
        yield from _strict_problems(schema.get(word), (*path, word))
    for name, inner in (schema.get("$defs") or {}).items():
        yield from _strict_problems(inner, (*path, "$defs", name))


def _unsupported(value: object, known: Sequence[str], path: str) -> Refusal:
    listed = ", ".join(f"'{name}'" for name in known[:-1])
    supported = f"{listed} and '{known[-1]}'" if listed else f"'{known[-1]}'"
    return Refusal(f"Invalid value: '{value}'. Supported values are: {supported}.", path, "invalid_value")
