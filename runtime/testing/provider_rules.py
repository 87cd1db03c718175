"""Requests that one provider rejects and OpenAI does not, with its messages: what a thread must not contain there.

Each rule is from the provider's documentation, its source, or reports of its users.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, get_args

from runtime.testing.openai_rules import Refusal

Provider = Literal[
    "openai",
    "azure",
    "openrouter",
    "ollama",
    "vllm",
    "llama_cpp",
    "lm_studio",
    "deepseek",
    "gemini",
    "anthropic",
    "mistral",
    "bedrock",
]
PROVIDERS: tuple[Provider, ...] = get_args(Provider)
"""The providers whose rules are known: those of docs/guide/providers.md."""

Body = Mapping[str, Any]
Rule = Callable[[Body], None]
_NINE = re.compile(r"[a-zA-Z0-9]{9}")
_CLAUDE_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
_MISTRAL_KEYS = frozenset({"role", "content", "name", "prefix", "tool_calls", "tool_call_id"})
_PARTS_OF_A_CALL = frozenset({"id", "type", "function", "index"})


def has_responses(provider: Provider) -> bool:
    """Return whether the provider has the Responses API."""
    return provider in _RESPONSES_RULES


def check_provider(provider: Provider, body: Body) -> None:
    """Raise `Refusal` for a body of `POST /chat/completions` or `POST /responses` that the provider rejects."""
    if "messages" in body:
        for rule in _CHAT_RULES[provider]:
            rule(body)
        return
    if provider not in _RESPONSES_RULES:
        raise Refusal("404 page not found", "input")
    for rule in _RESPONSES_RULES[provider]:
        rule(body)


def _messages(body: Body) -> list[Mapping[str, Any]]:
    return list(body["messages"])


def _calls(body: Body) -> Iterator[Mapping[str, Any]]:
    for message in body["messages"]:
        yield from message.get("tool_calls") or ()


def _texts(message: Mapping[str, Any]) -> list[str]:
    content = message.get("content")
    if isinstance(content, str):
        return [content]
    return [part["text"] for part in content or () if "text" in part]


# Chat Completions.


def _roles_alternate(body: Body) -> None:
    """The chat templates of many open models: Gemma, Mistral, Llama."""
    talk = [message for message in _messages(body) if message["role"] in ("user", "assistant")]
    for before, after in pairwise(talk):
        if before["role"] == after["role"] and not before.get("tool_calls"):
            raise Refusal("Conversation roles must alternate user/assistant/user/assistant/...", "messages")


def _system_comes_first(body: Body) -> None:
    for index, message in enumerate(_messages(body)):
        if message["role"] in ("system", "developer") and index > 0:
            raise Refusal("System message must be at the beginning.", "messages")


def _arguments_are_objects(body: Body) -> None:
    """Templates render the arguments of earlier calls as objects."""
    for call in _calls(body):
        try:
            arguments = json.loads(call["function"]["arguments"])
        except ValueError:
            arguments = None
        if not isinstance(arguments, dict):
            raise Refusal("invalid tool call arguments", "messages")


def _images_are_data(body: Body) -> None:
    for message in _messages(body):
        for part in message["content"] if isinstance(message.get("content"), list) else ():
            if part["type"] == "image_url" and not part["image_url"]["url"].startswith("data:"):
                raise Refusal("invalid image input", "messages")


def _no_tool_is_demanded_by_name(body: Body) -> None:
    if isinstance(body.get("tool_choice"), Mapping):
        raise Refusal("Invalid tool_choice type: 'object'. Supported string values: none, auto, required")


def _no_two_answers_at_the_end(body: Body) -> None:
    if [message["role"] for message in _messages(body)[-2:]] == ["assistant", "assistant"]:
        raise Refusal("Cannot have 2 or more assistant messages at the end of the list.", "messages")


def _no_developers(body: Body) -> None:
    for index, message in enumerate(_messages(body)):
        if message["role"] == "developer":
            raise Refusal(
                f"Failed to deserialize the JSON body into the target type: messages[{index}].role: unknown variant "
                "`developer`, expected one of `system`, `user`, `assistant`, `tool`",
                "messages",
            )


def _deepseek_thoughts_come_back(body: Body) -> None:
    for message in _messages(body):
        if message.get("tool_calls") and "reasoning_content" not in message:
            raise Refusal("The `reasoning_content` in the thinking mode must be passed back to the API.", "messages")


def _deepseek_reads_text(body: Body) -> None:
    if (body.get("response_format") or {}).get("type") == "json_schema":
        raise Refusal("This response_format type is unavailable now", "response_format")
    for index, message in enumerate(_messages(body)):
        for part in message["content"] if isinstance(message.get("content"), list) else ():
            if part["type"] != "text":
                raise Refusal(
                    f"Failed to deserialize the JSON body into the target type: messages[{index}]: unknown variant "
                    f"`{part['type']}`, expected `text`",
                    "messages",
                )


def _gemini_signatures_come_back(body: Body) -> None:
    for message in _messages(body):
        for call in (message.get("tool_calls") or ())[:1]:
            if not ((call.get("extra_content") or {}).get("google") or {}).get("thought_signature"):
                name = call["function"]["name"]
                raise Refusal(
                    f"Function call is missing a thought_signature in functionCall parts: `{name}`.", "messages"
                )


def _gemini_calls_follow_a_user(body: Body) -> None:
    talk = [message for message in _messages(body) if message["role"] != "system"]
    for before, message in pairwise([None, *talk]):
        if message is not None and message.get("tool_calls") and (before is None or before["role"] == "assistant"):
            raise Refusal(
                "Please ensure that function call turn comes immediately after a user turn or after a function "
                "response turn.",
                "messages",
            )


def _claude_texts_are_not_empty(body: Body) -> None:
    for message in _messages(body):
        if message["role"] != "system" and "" in _texts(message):
            raise Refusal("messages: text content blocks must be non-empty", "messages")


def _claude_begins_with_a_user(body: Body) -> None:
    first = next((message["role"] for message in _messages(body) if message["role"] != "system"), "none")
    if first != "user":
        raise Refusal('messages: first message must use the "user" role', "messages")


def _claude_does_not_continue_an_answer(body: Body) -> None:
    if _messages(body)[-1]["role"] == "assistant":
        raise Refusal(
            "This model does not support assistant message prefill. The conversation must end with a user message.",
            "messages",
        )


def _claude_ids(body: Body) -> None:
    for call in _calls(body):
        if not _CLAUDE_ID.fullmatch(call["id"]):
            raise Refusal("tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'", "messages")


def _bedrock_history_has_its_tools(body: Body) -> None:
    if any(_calls(body)) and not body.get("tools"):
        raise Refusal("The toolConfig field must be defined when using toolUse and toolResult content blocks.", "tools")


def _mistral_ids(body: Body) -> None:
    for call in _calls(body):
        if not _NINE.fullmatch(call["id"]):
            raise Refusal(f"Tool call id was {call['id']} but must be a-z, A-Z, 0-9, with a length of 9.", "messages")


def _mistral_fields(body: Body) -> None:
    if "stream_options" in body:
        raise Refusal("extra_forbidden: body.stream_options: Extra inputs are not permitted", "stream_options")
    for message in _messages(body):
        unknown = set(message) - _MISTRAL_KEYS
        unknown |= {key for call in message.get("tool_calls") or () for key in set(call) - _PARTS_OF_A_CALL}
        if unknown:
            raise Refusal(f"extra_forbidden: {sorted(unknown)}: Extra inputs are not permitted", "messages")


def _mistral_order(body: Body) -> None:
    for before, after in pairwise(_messages(body)):
        if before["role"] == "tool" and after["role"] in ("user", "system"):
            raise Refusal(f"Unexpected role '{after['role']}' after role 'tool'", "messages", "3230")
        if before["role"] in ("user", "assistant") and after["role"] == "system":
            raise Refusal(f"Unexpected role 'system' after role '{before['role']}'", "messages", "3230")


_TEMPLATE: tuple[Rule, ...] = (_roles_alternate, _system_comes_first, _arguments_are_objects)
_CLAUDE: tuple[Rule, ...] = (
    _claude_texts_are_not_empty,
    _claude_begins_with_a_user,
    _claude_does_not_continue_an_answer,
    _claude_ids,
)
_CHAT_RULES: Mapping[Provider, tuple[Rule, ...]] = {
    "openai": (),
    "azure": (),
    # It passes requests on to others.
    "openrouter": (_mistral_order, _gemini_calls_follow_a_user),
    "ollama": (_arguments_are_objects, _images_are_data),
    "vllm": _TEMPLATE,
    "llama_cpp": (*_TEMPLATE, _no_two_answers_at_the_end),
    "lm_studio": (*_TEMPLATE, _no_tool_is_demanded_by_name),
    "deepseek": (_no_developers, _deepseek_thoughts_come_back, _deepseek_reads_text),
    "gemini": (_gemini_signatures_come_back, _gemini_calls_follow_a_user),
    "anthropic": _CLAUDE,
    "mistral": (_no_developers, _mistral_ids, _mistral_fields, _mistral_order),
    "bedrock": (*_CLAUDE, _bedrock_history_has_its_tools),
}


# Responses.


def _items(body: Body) -> Sequence[Mapping[str, Any]]:
    return body["input"] if isinstance(body["input"], list) else ()


def _messages_are_whole(body: Body) -> None:
    """Endpoints that validate strictly: a message of the assistant has all fields that it was sent with."""
    for index, item in enumerate(_items(body)):
        if item.get("role") != "assistant" or isinstance(item["content"], str):
            continue
        missing = [key for key in ("type", "id", "status") if not item.get(key)]
        missing += ["annotations" for part in item["content"] if "annotations" not in part]
        if missing:
            raise Refusal(f"input[{index}].{missing[0]}: Field required", "input", "invalid_prompt")


def _llama_cpp_knows_the_items(body: Body) -> None:
    if body.get("previous_response_id"):
        raise Refusal("llama.cpp does not support 'previous_response_id'.")
    if any(tool["type"] != "function" for tool in body.get("tools") or ()):
        raise Refusal("'type' of tool must be 'function'", "tools")
    for item in _items(body):
        _check_llama_cpp_item(item)


def _check_llama_cpp_item(item: Mapping[str, Any]) -> None:
    kind, role, content = item.get("type"), item.get("role"), item.get("content")
    if role == "assistant":
        if isinstance(content, str) or kind != "message":
            raise Refusal("Cannot determine type of 'item'", "input")
        if any(part["type"] != "output_text" for part in content or ()):
            raise Refusal("'type' must be 'output_text'", "input")
    elif role is not None:
        if isinstance(content, list) and any(part["type"] == "input_file" for part in content):
            raise Refusal("'input_file' is not supported by llamacpp at this moment", "input")
    elif kind == "reasoning":
        if not content:
            raise Refusal("item['content'] is empty", "input")
    elif kind == "function_call_output":
        if isinstance(item["output"], list) and any(part["type"] != "input_text" for part in item["output"]):
            raise Refusal("Output of tool call should be 'Input text'", "input")
    elif kind != "function_call":
        raise Refusal("Cannot determine type of 'item'", "input")


def _thoughts_were_stored(body: Body) -> None:
    """What was not stored can't be named: without `store`, thoughts come back encrypted."""
    for item in _items(body) if body.get("store") is False else ():
        if item.get("type") == "reasoning" and item.get("id"):
            raise Refusal(
                f"Item with id '{item['id']}' not found. Items are not persisted when `store` is set to false. Try "
                "again with `store` set to true, or remove this item from your input.",
                "input",
            )


_RESPONSES_RULES: Mapping[Provider, tuple[Rule, ...]] = {
    "openai": (_thoughts_were_stored,),
    "azure": (_thoughts_were_stored,),
    "openrouter": (_messages_are_whole,),
    "ollama": (),
    "vllm": (_messages_are_whole,),
    "llama_cpp": (_llama_cpp_knows_the_items,),
    "lm_studio": (),
    "bedrock": (_thoughts_were_stored,),
}
