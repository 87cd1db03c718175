"""Forms of a request that an endpoint demands, read from the words with which it rejects the others."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest

from runtime.assemble.model_failures import ModelFailure
from runtime.assemble.request_forms import declared_tools, form_after, reform_items

CALL = {"type": "function_call", "call_id": "abc", "name": "look_up", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "abc", "output": "7 parks"}
USER = {"role": "user", "content": "Hi"}
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}


def _rejection(message: str, status: int = 400) -> Exception:
    request = httpx.Request("POST", "http://localhost/v1")
    body = {"message": message, "type": "invalid_request_error"}
    return openai.APIStatusError(message, response=httpx.Response(status, request=request), body=body)


@pytest.mark.parametrize(
    ("message", "form"),
    [
        ('{"loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}', "uncounted"),
        ("The `reasoning_content` in the thinking mode must be passed back to the API.", "with_thoughts"),
        ("Missing `reasoning_content` field in the assistant message at message index 2.", "with_thoughts"),
        ("Function call is missing a thought_signature in functionCall parts: `look_up`.", "signed"),
        ("'messages.2' : property 'reasoning_content' is unsupported", "without_thoughts"),
        ("'loc': ['messages', 2, 'reasoning_content'], 'msg': 'Extra inputs are not permitted'", "without_thoughts"),
        ("Additional properties are not allowed ('reasoning' was unexpected)", "without_thoughts"),
        ("Unexpected role 'user' after role 'tool'", "answered_tools"),
        ("The toolConfig field must be defined when using toolUse and toolResult content blocks.", "declared_tools"),
        ("Anthropic doesn't support tool calling without `tools=` param specified.", "declared_tools"),
        ("Requests which have `tool_use` blocks in `messages` must define `tools`", "declared_tools"),
        ("Cannot determine type of 'item'", "whole_messages"),
        ("Output of tool call should be 'Input text'", "plain_outputs"),
        ("messages[1]: unknown variant `image_url`, expected `text`", "without_images"),
        ("This model does not support image input", "without_images"),
        ("This response_format type is unavailable now", "described_output"),
        ("'response_format' of type 'json_schema' is not supported with this model.", "described_output"),
        ("Invalid value for 'temperature'", None),
        ("The model `reasoning-1` does not exist", None),
    ],
)  # fmt: skip
def test_what_an_endpoint_demands_is_read_from_its_rejection(message: str, form: str | None) -> None:
    assert form_after(_rejection(message)) == form


def test_other_failures_demand_no_form() -> None:
    assert form_after(_rejection("stream_options", 500)) is None
    assert form_after(ModelFailure("silent", "stream_options")) is None
    assert form_after(ValueError("stream_options")) is None


def _kinds(items: list[dict[str, Any]]) -> list[str]:
    return [item.get("type") or item["role"] for item in items]


def test_calls_of_another_model_get_what_the_endpoint_wants_of_its_own() -> None:
    thoughtful = reform_items([USER, CALL, CALL, RESULT, CALL], frozenset({"with_thoughts"}))
    assert _kinds(thoughtful) == [
        "user", "reasoning", "function_call", "function_call", "function_call_output", "reasoning", "function_call",
    ]  # fmt: skip
    signed = reform_items([CALL, {**CALL, "provider_data": {"thought_signature": "own"}}], frozenset({"signed"}))
    assert [item["provider_data"]["thought_signature"] for item in signed] == [
        "skip_thought_signature_validator",
        "own",
    ]


def test_thoughts_are_left_out_where_they_are_not_known() -> None:
    assert reform_items([{"type": "reasoning", "summary": []}, CALL], frozenset({"without_thoughts"})) == [CALL]


def test_the_results_of_tools_are_read_before_a_user_speaks() -> None:
    items = reform_items([CALL, RESULT, USER, USER], frozenset({"answered_tools"}))
    assert _kinds(items) == ["function_call", "function_call_output", "assistant", "user", "user"]


def test_images_of_tools_stand_in_a_message_behind_all_results() -> None:
    output = {**RESULT, "output": [{"type": "input_text", "text": "see"}, IMAGE]}
    forms = frozenset({"plain_outputs", "answered_tools"})
    items = reform_items([CALL, CALL, output, output], forms)  # type: ignore[arg-type]
    assert _kinds(items)[-4:] == ["function_call_output", "function_call_output", "assistant", "user"]
    assert items[2]["output"] == "see\n[The image is in the next message.]"
    assert items[-1]["content"][1:] == [IMAGE, IMAGE]


def test_a_line_stands_for_an_image_that_a_model_can_not_read() -> None:
    items = reform_items(
        [{**RESULT, "output": [IMAGE]}, {"role": "user", "content": [IMAGE]}], frozenset({"without_images"})
    )
    assert "input_image" not in str(items)
    assert str(items).count("An image was left out") == 2


def test_tools_that_were_called_are_declared_where_there_are_none() -> None:
    [past] = declared_tools([], [CALL, RESULT, CALL])
    assert past.name == "look_up"
    assert declared_tools([past], [{**CALL, "name": "other"}]) == [past]
    assert declared_tools([], [USER]) == []


def test_nothing_is_changed_without_a_form() -> None:
    items = [USER, CALL, {**RESULT, "output": [IMAGE]}, {"role": "assistant", "content": "A"}, USER]
    assert reform_items(items, frozenset()) == items
