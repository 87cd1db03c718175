"""Arguments and names of calls that are not as they should be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtime.assemble.answer_repairs import repaired_arguments, repaired_name, sendable_arguments

OSLO = '{"city": "Oslo"}'


@pytest.mark.parametrize(
    "arguments",
    [
        {"city": "Oslo"},
        json.dumps(OSLO),
        f"```json\n{OSLO}\n```",
        f"```\n{OSLO}```",
        f"{OSLO}</tool_call>",
        f"{OSLO}\n</function>\n</tool_call>",
        f"{OSLO}<|tool_call_end|>",
    ],
)
def test_arguments_whose_meaning_is_certain_become_an_object(arguments: Any) -> None:
    assert json.loads(repaired_arguments(arguments)) == {"city": "Oslo"}


@pytest.mark.parametrize("arguments", [None, "", {}])
def test_no_arguments_are_an_empty_object(arguments: Any) -> None:
    assert repaired_arguments(arguments) == "{}"


def test_line_breaks_inside_of_a_string_are_kept() -> None:
    assert json.loads(repaired_arguments('{"code": "a\n\tb"}')) == {"code": "a\n\tb"}


@pytest.mark.parametrize(
    "arguments",
    [
        OSLO,
        '{ "city":"Oslo"}',
        "null",
        "5",
        '["Oslo"]',
        '"Oslo"',
        '{"city": "Os',
        "{'city': 'Oslo'}",
        OSLO * 2,
        f"{OSLO} and more",
        f"I call it with {OSLO}",
        '"```json"',
    ],
)
def test_other_arguments_stay_as_they_are(arguments: str) -> None:
    assert repaired_arguments(arguments) == arguments


@pytest.mark.parametrize("arguments", [None, "", "null", "5", '["Oslo"]', '{"city": "Os', "Oslo"])
def test_arguments_are_an_object_for_later_requests(arguments: Any) -> None:
    assert json.loads(sendable_arguments(arguments)) == ({"arguments": arguments} if arguments else {})


def test_arguments_that_are_an_object_are_sent_as_they_are() -> None:
    assert sendable_arguments('{ "city":"Oslo"}') == '{ "city":"Oslo"}'


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("look_up", "look_up"),
        ("functions.look_up", "look_up"),
        ("tool:look_up", "look_up"),
        ("look_up:0", "look_up"),
        (" Look_Up\n", "look_up"),
        ("look_up<|channel|>commentary", "look_up"),
        ("look up!", "look_up_"),
        ("", "unnamed"),
        ("x" * 90, "x" * 64),
    ],
)
def test_a_name_is_repaired_or_made_one_that_a_request_may_contain(name: str, meant: str) -> None:
    assert repaired_name(name, lambda: ["look_up", "weigh"]) == meant
