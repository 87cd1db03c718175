"""What the stub rejects for a provider: one body that breaks each rule, and one that breaks none."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.testing.openai_rules import Refusal
from runtime.testing.provider_rules import PROVIDERS, Provider, check_provider, has_responses
from tests.testing.bodies import assistant, called, result, user

GOOD = {"messages": [{"role": "system", "content": "Help."}, user("Hi"), assistant("Yes."), user("Thanks")]}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_plain_conversation_is_accepted_everywhere(provider: Provider) -> None:
    check_provider(provider, GOOD)
    if has_responses(provider):
        check_provider(provider, {"input": [user("Hi")]})
        check_provider(provider, {"input": "Hi"})


@pytest.mark.parametrize(
    ("provider", "messages", "words"),
    [
        ("vllm", [user("Hi"), user("Hi")], "must alternate"),
        ("llama_cpp", [user("Hi"), assistant("A"), assistant("B")], "must alternate"),
        ("lm_studio", [user("Hi"), {"role": "system", "content": "Help."}], "must be at the beginning"),
        ("ollama", [user("Hi"), called("abc", arguments="[1]"), result("abc")], "invalid tool call arguments"),
        ("ollama", [user([{"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}])], "invalid image"),
        ("deepseek", [user("Hi"), called("abc"), result("abc")], "must be passed back"),
        ("deepseek", [{"role": "developer", "content": "Help."}], "unknown variant"),
        ("deepseek", [user([{"type": "image_url", "image_url": {"url": "data:"}}])], "expected `text`"),
        ("gemini", [user("Hi"), called("abc"), result("abc")], "thought_signature"),
        ("openrouter", [user("Hi"), assistant("A"), called("abc"), result("abc")], "function call turn"),
        ("openrouter", [user("Hi"), called("abc"), result("abc"), user("Hi")], "Unexpected role 'user'"),
        ("anthropic", [user(""), assistant("A"), user("Hi")], "non-empty"),
        ("anthropic", [assistant("A"), user("Hi")], "first message"),
        ("anthropic", [user("Hi"), assistant("A")], "prefill"),
        ("anthropic", [user("Hi"), called("a.b"), result("a.b")], "should match pattern"),
        ("bedrock", [user("Hi"), called("abc"), result("abc")], "toolConfig"),
        ("mistral", [user("Hi"), called("abc"), result("abc")], "length of 9"),
        ("mistral", [user("Hi"), {**assistant("A"), "reasoning_content": "B"}], "not permitted"),
        ("mistral", [user("Hi"), called("abcdefghi"), result("abcdefghi"), user("Hi")], "after role 'tool'"),
        ("mistral", [user("Hi"), {"role": "system", "content": "Help."}], "after role 'user'"),
    ],
)
def test_a_provider_rejects_what_it_does_not_know(provider: Provider, messages: list[Any], words: str) -> None:
    with pytest.raises(Refusal, match=words):
        check_provider(provider, {"messages": messages})


@pytest.mark.parametrize(
    ("provider", "more", "words"),
    [
        ("lm_studio", {"tool_choice": {"type": "function"}}, "tool_choice"),
        ("mistral", {"stream_options": {"include_usage": True}}, "stream_options"),
        ("deepseek", {"response_format": {"type": "json_schema"}}, "response_format"),
    ],
)
def test_a_provider_rejects_settings(provider: Provider, more: dict[str, Any], words: str) -> None:
    with pytest.raises(Refusal, match=words):
        check_provider(provider, {**GOOD, **more})


PART = {"type": "output_text", "text": "A", "annotations": []}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [PART]}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": []}
IMAGES = {"type": "function_call_output", "call_id": "abc", "output": [{"type": "input_image"}]}


@pytest.mark.parametrize(
    ("provider", "body", "words"),
    [
        ("deepseek", {"input": "Hi"}, "not found"),
        ("openai", {"input": [THOUGHT], "store": False}, "not persisted"),
        ("vllm", {"input": [{**MESSAGE, "id": None}]}, "id: Field required"),
        ("openrouter", {"input": [{**MESSAGE, "content": [{"type": "output_text", "text": "A"}]}]}, "annotations"),
        ("llama_cpp", {"input": [assistant("A")]}, "Cannot determine"),
        ("llama_cpp", {"input": [{**MESSAGE, "content": [{"type": "refusal"}]}]}, "output_text"),
        ("llama_cpp", {"input": [THOUGHT]}, "is empty"),
        ("llama_cpp", {"input": [IMAGES]}, "Input text"),
        ("llama_cpp", {"input": [user([{"type": "input_file"}])]}, "input_file"),
        ("llama_cpp", {"input": [{"type": "web_search_call"}]}, "Cannot determine"),
        ("llama_cpp", {"input": "Hi", "tools": [{"type": "web_search"}]}, "'function'"),
        ("llama_cpp", {"input": "Hi", "previous_response_id": "resp_1"}, "previous_response_id"),
    ],
)
def test_a_provider_rejects_items_that_it_does_not_know(provider: Provider, body: dict[str, Any], words: str) -> None:
    with pytest.raises(Refusal, match=words):
        check_provider(provider, body)


def test_whole_items_are_accepted() -> None:
    for provider in ("openrouter", "vllm", "llama_cpp"):
        check_provider(provider, {"input": [user("Hi"), MESSAGE, user("Hi")]})
    check_provider("openai", {"input": [THOUGHT], "store": True})
