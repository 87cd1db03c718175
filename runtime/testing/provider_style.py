"""How the stub answers in the manner of one provider: the ids of calls, signatures, and where thoughts are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runtime.testing.provider_rules import Provider


@dataclass(frozen=True, slots=True)
class Style:
    """What is different in the answers of a provider.

    `call_id` is the id of every call, if the provider makes no other. `call` are fields that each call has as well.
    `thoughts` is the field of thoughts on Chat Completions; Mistral's are parts of the
    content. With `raw_thoughts`, a reasoning item of the Responses API
    has its text itself and no summary.
    """

    call_id: str | None = None
    call: Mapping[str, Any] = field(default_factory=dict)
    thoughts: str | None = "reasoning_content"
    raw_thoughts: bool = False

    def styled_call(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """Return a call as the provider sends it."""
        return {**call, **({} if self.call_id is None else {"id": self.call_id}), **self.call}

    def thought(self, text: str, content: str | None = None) -> dict[str, Any]:
        """Return the fields of a piece of a message that has a thought, and this content."""
        if self.thoughts is not None:
            return {self.thoughts: text}
        parts: list[dict[str, Any]] = [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]
        return {"content": [*parts, *([{"type": "text", "text": content}] if content else [])]}


OPENAI_STYLE = Style()
_STYLES: Mapping[Provider, Style] = {
    "openrouter": Style(thoughts="reasoning"),
    "ollama": Style(thoughts="reasoning", raw_thoughts=True),
    "vllm": Style(thoughts="reasoning", raw_thoughts=True),
    "llama_cpp": Style(call_id="call_0", raw_thoughts=True),
    "lm_studio": Style(raw_thoughts=True),
    "mistral": Style(thoughts=None),
    "gemini": Style(call={"extra_content": {"google": {"thought_signature": "c2lnbmVk"}}}),
}


def style_of(provider: Provider | None) -> Style:
    """Return the style of a provider; OpenAI's for None, and where nothing is different."""
    return OPENAI_STYLE if provider is None else _STYLES.get(provider, OPENAI_STYLE)
