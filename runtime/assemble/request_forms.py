"""Forms of a request that some endpoints demand and others reject: learned from what an endpoint rejects.

Endpoints that speak OpenAI's APIs do not say what they accept. The first request of a form that they reject is changed
and sent once more; from then on the model's requests have the form at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, Literal

from agents import AgentOutputSchemaBase, FunctionTool, Tool

from runtime.assemble.model_failures import failure_kind, words_of

Item = dict[str, Any]
Form = Literal[
    "uncounted",
    "with_thoughts",
    "signed",
    "without_thoughts",
    "answered_tools",
    "declared_tools",
    "whole_messages",
    "plain_outputs",
    "without_images",
    "described_output",
]

_REJECTIONS: Mapping[Form, str] = {
    # Tokens of a stream are not counted on request.
    "uncounted": r"stream_options",
    # DeepSeek: calls that another model made came without its thoughts.
    "with_thoughts": r"reasoning_content.{0,60}(must be passed back|missing)|missing .?reasoning_content",
    # Gemini: calls that another model made came without its signature.
    "signed": r"thought_signature",
    # Mistral, Groq: thoughts are fields that they do not know.
    "without_thoughts": (
        r"reasoning(_content)?\b.{0,80}(not permitted|unsupported|unexpected|unrecognized|unknown)|"
        r"(not permitted|unsupported|unexpected|unrecognized|unknown)\b.{0,80}\breasoning(_content)?\b"
    ),
    # Mistral, and templates of open models: a user may not speak before the model has read a tool's result.
    "answered_tools": r"unexpected role .?(user|system).{0,3} after role .?tool",
    # Bedrock, and LiteLLM for Anthropic: a conversation with calls wants the tools declared.
    "declared_tools": r"toolConfig field must be defined|without .?tools=.? param|must define .?tools",
    # llama.cpp: a message of the assistant is an item with parts, and a tool returns text.
    "whole_messages": r"cannot determine type of 'item'",
    "plain_outputs": r"output of tool call should be",
    # DeepSeek, and models without eyes.
    "without_images": (
        r"unknown variant .?(image_url|input_image)|(image|vision|multimodal).{0,40}(not support|unsupported)|"
        r"(not|n't) support.{0,20}(image|vision|multimodal)|not a multimodal model"
    ),
    # DeepSeek, and older servers: JSON, but of no schema.
    "described_output": (
        r"(response_format|json_schema|text\.format).{0,60}(unavailable|not support|unsupported|must be)|"
        r"(not|n't) support.{0,30}(response_format|json_schema)"
    ),
}
# The endpoint's documentation names it for calls of other models.
_ANY_SIGNATURE = "skip_thought_signature_validator"
_NO_THOUGHTS = "Another model has made this call; its thoughts are not known."
_READ = "I have read the results."
_UNSEEN = "[An image was left out, which this model can't read.]"
BESIDE = "[The image is in the next message.]"
"""Stands for an image in the output of a tool, where an endpoint takes texts alone."""
IMAGES = "Images from the tools that were just called:"
"""Introduces them in the next message."""


def form_after(failure: Exception) -> Form | None:
    """Return the form that an endpoint demands with the rejection of a request, or None for other failures."""
    if failure_kind(failure) != "refused":
        return None
    text = words_of(failure)
    return next((form for form, pattern in _REJECTIONS.items() if re.search(pattern, text, re.IGNORECASE)), None)


def reform_items(items: Sequence[Item], forms: Set[Form]) -> list[Item]:
    """Return the items of a prepared input in these forms."""
    reformed = _Reformed(forms)
    for item in items:
        reformed.add(item)
    return reformed.end()


class _Reformed:
    def __init__(self, forms: Set[Form]) -> None:
        self._forms, self._items, self._images = forms, list[Item](), list[Item]()

    def add(self, item: Item) -> None:
        kind, forms = item.get("type"), self._forms
        if kind == "reasoning" and "without_thoughts" in forms:
            return
        if kind == "function_call":
            item = self._call(item)
        elif kind == "function_call_output":
            item = self._output(item)
        else:
            self._flush()
        if item.get("role") in ("user", "system"):
            self._read_results()
        if item.get("role") == "assistant" and isinstance(item["content"], str) and "whole_messages" in forms:
            item = {key: value for key, value in whole_message(item["content"]).items() if key != "id"}
        if isinstance(item.get("content"), list) and "without_images" in forms:
            item = {**item, "content": [_without_image(part) for part in item["content"]]}
        self._items.append(item)

    def end(self) -> list[Item]:
        self._flush()
        return self._items

    def _call(self, item: Item) -> Item:
        if "with_thoughts" in self._forms and not has_thoughts(self._items):
            thoughts = [{"type": "summary_text", "text": _NO_THOUGHTS}]
            self._items.append({"type": "reasoning", "id": "rs_none", "summary": thoughts})
        data = item.get("provider_data") or {}
        if "signed" in self._forms and not data.get("thought_signature"):
            return {**item, "provider_data": {**data, "thought_signature": _ANY_SIGNATURE}}
        return item

    def _output(self, item: Item) -> Item:
        output = item["output"]
        if not isinstance(output, list) or self._forms.isdisjoint({"plain_outputs", "without_images"}):
            return item
        if "without_images" in self._forms:
            output = [_without_image(part) for part in output]
        if "plain_outputs" in self._forms:
            self._images += [part for part in output if part.get("type") == "input_image"]
            output = "\n".join(part.get("text", BESIDE) for part in output)
        return {**item, "output": output}

    def _flush(self) -> None:
        images, self._images = self._images, []
        if images:
            self.add({"role": "user", "content": [{"type": "input_text", "text": IMAGES}, *images]})

    def _read_results(self) -> None:
        last = self._items[-1] if self._items else {}
        if "answered_tools" in self._forms and last.get("type") == "function_call_output":
            self._items.append({"role": "assistant", "content": _READ})


def _without_image(part: Item) -> Item:
    return {"type": "input_text", "text": _UNSEEN} if part.get("type") == "input_image" else part


def whole_message(text: str) -> Item:
    """Return a message of the assistant as an item with parts."""
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"id": "msg_said", "type": "message", "role": "assistant", "status": "completed", "content": [part]}


def declared_tools(tools: Iterable[Tool], items: Sequence[Mapping[str, Any]]) -> list[Tool]:
    """Return the tools of a request: where it has none, those that were called before, which can't be called now."""
    offered = list(tools)
    called = dict.fromkeys(str(item["name"]) for item in items if item.get("type") == "function_call")
    return offered or [_past_tool(name) for name in called]


def _past_tool(name: str) -> FunctionTool:
    async def refuse(ctx: Any, arguments: str) -> str:
        return f"The tool {name} is not available now."

    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    return FunctionTool(name, "Was called earlier. It is not available now.", schema, refuse, strict_json_schema=False)


def has_thoughts(items: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the answer whose calls are being added to these items has its thoughts already."""
    for item in reversed(items):
        if item.get("type") == "reasoning":
            return True
        if item.get("role") == "user" or item.get("type") == "function_call_output":
            return False
    return False


def with_schema(instructions: str | None, schema: AgentOutputSchemaBase) -> str:
    """Return instructions that describe the output, for an endpoint that takes no schema."""
    wanted = json.dumps(schema.json_schema(), ensure_ascii=False)
    said = f"Answer with one JSON value of this JSON Schema and nothing else: {wanted}"
    return f"{instructions}\n\n{said}" if instructions else said
