"""The input of a request as its endpoint accepts it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from agents.models.chatcmpl_converter import Converter

from runtime.assemble.provider_input import for_chat, for_responses, shortened
from runtime.testing.openai_rules import check_chat

HOSTED: list[dict[str, Any]] = [
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "Oslo"}},
    {"type": "file_search_call", "id": "fs_1", "queries": ["parks"], "results": [{"text": "7 parks"}]},
    {"type": "code_interpreter_call", "id": "ci_1", "code": "1 + 1", "outputs": [{"type": "logs", "logs": "2"}]},
    {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "AAAA"},
    {"type": "mcp_call", "id": "mcp_1", "name": "find", "server_label": "lib", "arguments": "{}", "output": "found"},
    {"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "lib", "tools": []},
]
COMMANDS: list[dict[str, Any]] = [
    {"type": "shell_call", "id": "sh_1", "call_id": "call_sh", "action": {"commands": ["ls"]}},
    {"type": "shell_call_output", "call_id": "call_sh", "output": "a.txt"},
]


def _messages(items: list[dict[str, Any]]) -> list[Any]:
    return json.loads(json.dumps(Converter.items_to_messages(items, model="quirky-1")))  # type: ignore[arg-type]


def _user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


@pytest.mark.parametrize("hosted", [*([item] for item in HOSTED), COMMANDS], ids=lambda items: items[0]["type"])
def test_the_work_of_hosted_tools_reaches_a_chat_model_as_calls_of_functions(hosted: list[dict[str, Any]]) -> None:
    handoff = [
        {"type": "function_call", "call_id": "abc", "name": "transfer_to_b", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "abc", "output": "{}"},
    ]
    messages = _messages(for_chat([_user("hi"), *hosted, *handoff], "here"))
    check_chat({"model": "m", "messages": messages})


def test_messages_of_one_role_in_a_row_become_one() -> None:
    parts = [{"type": "input_text", "text": "three"}]
    items = [_user("one"), _user("two"), _user(parts), {"role": "assistant", "content": "A"}]
    given = [*items, {"role": "assistant", "content": "B"}, _user("four")]
    assert for_chat(given, "here") == [
        _user([{"type": "input_text", "text": "one\n\ntwo"}, *parts]),
        {"role": "assistant", "content": "A\n\nB"},
        _user("four"),
    ]
    assert items[0] == _user("one")


def test_thoughts_of_another_endpoint_are_left_out() -> None:
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "provider_data": {"endpoint": "there"}}
    call = {"type": "function_call", "call_id": "abc", "name": "f", "arguments": "{}", "id": "fc_1"}
    items = [_user("hi"), thought, {**call, "provider_data": {"endpoint": "there", "reasoning": thought}}]
    for convert in (for_chat, for_responses):
        prepared = convert(items, "here")
        assert [item.get("type") for item in prepared] == [None, "function_call"]
        assert "provider_data" not in prepared[1]


def test_thoughts_stand_before_their_call_once() -> None:
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "provider_data": {"endpoint": "here"}}
    call = {"type": "function_call", "call_id": "abc", "name": "f", "arguments": "{}"}
    stored = {**call, "provider_data": {"endpoint": "here", "reasoning": thought}}
    for given in ([_user("hi"), stored], [_user("hi"), thought, stored]):
        assert [item.get("type") for item in for_chat(given, "here")] == [None, "reasoning", "function_call"]


def test_a_conversation_is_shortened_by_turns_and_never_in_the_current_one() -> None:
    turns = [
        item for n in range(6) for item in (_user(f"{n} " + "x" * 100), {"role": "assistant", "content": "y" * 100})
    ]
    short = shortened([*turns, _user("now")])
    assert short is not None
    assert short[0]["content"].startswith("4 ")
    assert short[-1] == _user("now")
    output = {"type": "function_call_output", "call_id": "a", "output": "z" * 50_000}
    cut = shortened([_user("now"), output])
    assert cut is not None
    assert len(cut[1]["output"]) < 3_000
    assert shortened([_user("now")]) is None
