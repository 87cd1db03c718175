"""Requests that one provider rejects and OpenAI does not, with its messages: what a thread must not contain there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from runtime.testing.openai_rules import Refusal

Provider = Literal["deepseek", "gemini", "mistral", "local"]
"""`local` is a chat template of llama.cpp, vLLM or LM Studio in which the roles must alternate."""

_MISTRAL_ID = re.compile(r"[a-zA-Z0-9]{9}")


def check_provider(provider: Provider, body: Mapping[str, Any]) -> None:
    """Raise `Refusal` for a body of `POST /chat/completions` that the provider rejects; other bodies pass."""
    if "messages" in body:
        _RULES[provider](body["messages"])


def _calls(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    for message in messages:
        for call in message.get("tool_calls") or ():
            yield message, call


def _check_deepseek(messages: Sequence[Mapping[str, Any]]) -> None:
    for message, _ in _calls(messages):
        if not message.get("reasoning_content"):
            raise Refusal("Missing `reasoning_content` field in the assistant message with tool calls.", "messages")


def _check_gemini(messages: Sequence[Mapping[str, Any]]) -> None:
    first_calls = [message["tool_calls"][0] for message in messages if message.get("tool_calls")]
    for call in first_calls:
        if not ((call.get("extra_content") or {}).get("google") or {}).get("thought_signature"):
            name = call["function"]["name"]
            raise Refusal(f"Function call is missing a thought_signature in functionCall parts: `{name}`.", "messages")


def _check_mistral(messages: Sequence[Mapping[str, Any]]) -> None:
    for _, call in _calls(messages):
        if not _MISTRAL_ID.fullmatch(call["id"]):
            raise Refusal(f"Tool call id was {call['id']} but must be a-z, A-Z, 0-9, with a length of 9.", "messages")
    for message in messages:
        if "reasoning_content" in message or any("extra_content" in call for call in message.get("tool_calls") or ()):
            raise Refusal("Extra inputs are not permitted", "messages")


def _check_local(messages: Sequence[Mapping[str, Any]]) -> None:
    for index, message in enumerate(messages):
        if message["role"] in ("system", "developer") and index > 0:
            raise Refusal("System message must be at the beginning.", "messages")
    roles = [message["role"] for message in messages if message["role"] in ("user", "assistant")]
    is_call = [bool(message.get("tool_calls")) for message in messages if message["role"] in ("user", "assistant")]
    for before, after, called in zip(roles, roles[1:], is_call, strict=False):
        if before == after and not called:
            raise Refusal("Conversation roles must alternate user/assistant/user/assistant/...", "messages")


_RULES: Mapping[Provider, Callable[[Sequence[Mapping[str, Any]]], None]] = {
    "deepseek": _check_deepseek,
    "gemini": _check_gemini,
    "mistral": _check_mistral,
    "local": _check_local,
}
