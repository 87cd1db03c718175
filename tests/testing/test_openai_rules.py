from typing import Any

import pytest

from runtime.testing.openai_rules import Refusal, check_chat, check_responses

USER = {"role": "user", "content": "hi"}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "t", "arguments": "{}"}
ASKED = {"type": "mcp_approval_request", "id": "mcpr_1", "server_label": "s", "name": "t", "arguments": "{}"}
ALLOWED = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "x"}
REASONING = {"type": "reasoning", "id": "rs_1", "summary": []}
ASKS = {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function"}]}
TOOL = {"role": "tool", "tool_call_id": "call_1", "content": "x"}
STRICT = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


def message(role: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": "x"}], **more}


def responses(*items: Any, **body: Any) -> None:
    check_responses({"model": "m", "input": list(items), **body})


def chat(*messages: Any, **body: Any) -> None:
    check_chat({"model": "m", "messages": list(messages), **body})


@pytest.mark.parametrize(
    "items",
    [
        [USER],
        [message("user", "input_text"), message("assistant", "output_text"), USER],
        [message("user", "input_image"), message("user", "input_file"), message("developer", "input_text")],
        [USER, CALL, OUTPUT],
        [USER, ASKED, ALLOWED],
        [USER, REASONING, CALL, OUTPUT, message("assistant", "output_text", id="msg_1")],
        [USER, CALL, {**CALL, "id": "fc_2", "call_id": "call_2"}, OUTPUT, {**OUTPUT, "call_id": "call_2"}],
    ],
)
def test_a_whole_history_is_accepted(items: list[Any]) -> None:
    assert responses(*items) is None


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([USER, CALL], "No tool output found for function call call_1."),
        ([USER, OUTPUT], "No tool call found for function call output with call_id call_1."),
        ([USER, ALLOWED], "Approval response for 'mcpr_1' does not match any approval request."),
        ([USER, ALLOWED, ASKED], "does not match any approval request."),
        ([USER, {**ASKED, "id": "req_1"}], "Expected an ID that begins with 'mcpr'."),
        ([USER, OUTPUT, CALL], "No tool call found for function call output with call_id call_1."),
        ([message("user", "output_text")], "Invalid value: 'output_text'. Supported values are: 'input_text', "),
        ([message("user", "text")], "Invalid value: 'text'. Supported values are: "),
        ([message("assistant", "input_text")], "Supported values are: 'output_text' and 'refusal'."),
        ([message("tool", "input_text")], "Invalid value: 'tool'. Supported values are: 'user', "),
        ([{"type": "widget"}], "Invalid value: 'widget'. Supported values are: 'message', "),
        (["hi"], "Invalid type for 'input[0]'"),
        ([message("user", "input_text", id="x1")], "Expected an ID that begins with 'msg'."),
        ([USER, {**CALL, "id": "__fake_id__"}, OUTPUT], "Expected an ID that begins with 'fc'."),
        ([USER, {**CALL, "call_id": "c" * 65}], "string too long. Expected a string with maximum length 64"),
        (
            [message("assistant", "output_text", id="msg_1"), message("assistant", "output_text", id="msg_1")],
            "Duplicate item found with id msg_1.",
        ),
        ([USER, REASONING], "'rs_1' of type 'reasoning' was provided without its required following item."),
        ([USER, REASONING, USER], "without its required following item."),
    ],
)
def test_a_broken_history_is_refused_in_openais_words(items: list[Any], text: str) -> None:
    with pytest.raises(Refusal) as caught:
        responses(*items)
    assert text in caught.value.message


@pytest.mark.parametrize("missing", ["model", "input"])
def test_a_missing_parameter_is_named(missing: str) -> None:
    body = {"model": "m", "input": "x"}
    del body[missing]
    with pytest.raises(Refusal) as caught:
        check_responses(body)
    assert (caught.value.message, caught.value.param) == (f"Missing required parameter: '{missing}'.", missing)


@pytest.mark.parametrize(
    "messages",
    [
        [USER],
        [{"role": "system", "content": "x"}, USER, {"role": "assistant", "content": "x"}],
        [USER, ASKS, TOOL, USER],
        [{"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {}}]}],
    ],
)
def test_a_whole_chat_is_accepted(messages: list[Any]) -> None:
    assert chat(*messages) is None


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([], "Invalid 'messages': empty array."),
        ([USER, ASKS], "The following tool_call_ids did not have response messages: call_1"),
        ([USER, ASKS, USER, TOOL], "The following tool_call_ids did not have response messages: call_1"),
        ([USER, TOOL], "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."),
        ([USER, ASKS, TOOL, TOOL], "must be a response to a preceeding message"),
        ([message("user", "input_text")], "Invalid value: 'input_text'. Supported values are: 'text', "),
        ([message("assistant", "output_text")], "Supported values are: 'text' and 'refusal'."),
        ([message("tool", "image_url")], "Supported values are: 'text'."),
        ([USER, {"role": "assistant"}], "Invalid value for 'content': expected a string, got null."),
        ([{"role": "bot", "content": "x"}], "Invalid value: 'bot'."),
        ([{**ASKS, "tool_calls": [{"id": "c" * 41}]}], "Expected a string with maximum length 40"),
    ],
)
def test_a_broken_chat_is_refused_in_openais_words(messages: list[Any], text: str) -> None:
    with pytest.raises(Refusal) as caught:
        chat(*messages)
    assert text in caught.value.message


@pytest.mark.parametrize(
    ("function", "text"),
    [
        ({"name": "a b"}, "string does not match pattern"),
        (
            {"name": "a", "strict": True, "parameters": {**STRICT, "additionalProperties": True}},
            "'additionalProperties'",
        ),
        ({"name": "a", "strict": True, "parameters": {**STRICT, "required": []}}, "Missing 'a'."),
        (
            {"name": "a", "strict": True, "parameters": {**STRICT, "properties": {"a": {"items": {"type": "object"}}}}},
            "In context=('properties', 'a', 'items'), 'additionalProperties'",
        ),
    ],
)
def test_a_tool_that_openai_refuses_is_refused_on_both_apis(function: dict[str, Any], text: str) -> None:
    with pytest.raises(Refusal) as caught:
        responses(USER, tools=[{"type": "function", **function}])
    assert text in caught.value.message
    with pytest.raises(Refusal) as caught:
        chat(USER, tools=[{"type": "function", "function": function}])
    assert text in caught.value.message


def test_a_strict_tool_with_a_strict_schema_is_accepted() -> None:
    assert responses(USER, tools=[{"type": "function", "name": "a", "strict": True, "parameters": STRICT}]) is None


SERVER = {"type": "mcp", "server_label": "s", "server_url": "https://mcp.example.com"}


@pytest.mark.parametrize(
    ("tools", "text"),
    [
        ([{**SERVER, "server_label": ""}], "Missing required parameter: 'tools[0].server_label'."),
        ([{"type": "mcp", "server_label": "s"}], "Exactly one of 'server_url'"),
        ([{**SERVER, "connector_id": "connector_gmail"}], "Exactly one of 'server_url'"),
        ([SERVER, SERVER], "Duplicate MCP server label 's'."),
    ],
)
def test_a_hosted_server_that_can_not_be_used_is_refused(tools: list[Any], text: str) -> None:
    with pytest.raises(Refusal) as caught:
        responses(USER, tools=tools)
    assert text in caught.value.message
    assert responses(USER, tools=[SERVER, {**SERVER, "server_label": "t"}]) is None
