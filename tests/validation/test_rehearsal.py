"""Start prompts against the script: a step that the agent certainly can't take is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from runtime.config.load import load_config
from runtime.validation.project import check_project

PROJECT = """version: 1
entry: guide
models: {m: {scripted: s.yaml}}
chat:
  title: {model: m}
  start_prompts: [{label: Pack, prompt: Add water to my list}, {label: Boots, prompt: Which boots}]
tools:
  show: {effect: show}
  pack: {effect: pack}
  ask: {ask: [{id: x, question: What}]}
agents:
  guide: {model: m, tools: [show, ask], handoffs: [gear], instructions: "Help {{ user.name }}."}
  gear: {model: m, tools: [pack], handoffs: [guide], instructions: You know gear.}
"""


def found(folder: Path, turns: str, project: str = PROJECT) -> list[str]:
    (folder / "agents.yaml").write_text(project)
    (folder / "s.yaml").write_text(f"turns: [{{instructions: title, reply: x}}, {turns}]\notherwise: fine\n")
    return [
        f"{each.severity}: {each.message} ({each.hint})"
        for each in check_project(load_config(folder, environ={}))
        if each.code == "A623"
    ]


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        (
            "{user: water, reply: [{call: pack}, done]}",
            "'Add water to my list' fails: the agent 'guide' has no tool 'pack' ('gear' can: write an 'agent' at the",
        ),
        (
            "{user: /boots/, reply: [{call: show}, {call: pack}, done]}",
            "'Which boots' fails: the agent 'guide' has no tool 'pack'",
        ),
        (
            "{user: boots, reply: {handoff: gear}}, {user: boots, agent: gear, reply: x}",
            "'Which boots' fails: the agent 'gear' gets this turn, too, and no step is left (write an 'agent' at the",
        ),
        (
            "{reply: {handoff: gear}}",
            "'Add water to my list' fails: the agent 'gear' gets this turn, too, and no step is left",
        ),
        (
            "{agent: guide, user: boots, reply: {handoff: gear}}, {user: boots, reply: [{call: show}, x]}",
            "'Which boots' fails: the agent 'gear' has no tool 'show' ('guide' can",
        ),
        (
            "{user: boots, reply: [It is, {say: '{{ data.x }}'}]}",
            "'Which boots' fails: the template reads a result, and no tool was called (call a tool in a step before)",
        ),
        (
            "{user: boots, reply: {handoff: guide}}",
            "'Which boots' fails: the agent 'guide' can't hand over to 'guide' ('gear' can",
        ),
    ],
)
def test_a_start_prompt_whose_steps_the_agent_cannot_take_is_an_error(
    tmp_path: Path, turns: str, expected: str
) -> None:
    (line,) = found(tmp_path, turns)
    assert line.startswith(f"error: the start prompt {expected}")


@pytest.mark.parametrize(
    "turns",
    [
        "{agent: gear, user: [water, boots], reply: [{call: pack}, x]}, {user: boots, reply: {handoff: gear}}",
        "{user: boots, reply: [{handoff: gear}, {call: pack}, done]}",
        "{user: boots, reply: [{call: show}, '{{ result }}']}",
        "{user: boots, reply: [{handoff: gear}, '{{ data.assistant }}']}",
        "{user: boots, reply: '{{ result | default(1) }}{{ data if data is defined }}'}",
        # Only the user's words in the middle of a conversation come here.
        "{user: yes please, reply: [{call: pack}, done]}",
        # The turn ends, or waits for the user.
        "{user: boots, reply: [{call: ask}, {call: pack}, done]}",
        "{tools: [pack], reply: [{call: pack}, x]}, {user: boots, reply: [{call: show}, x]}",
        # A template of guide may make this turn the one that answers.
        "{instructions: help ida, reply: x}, {user: water, reply: [{call: pack}, done]}",
    ],
)
def test_what_may_go_well_is_not_refused(tmp_path: Path, turns: str) -> None:
    assert [line for line in found(tmp_path, turns) if "start prompt" in line] == []


def test_a_turn_for_titles_does_not_hide_a_reply_that_ends_too_early(tmp_path: Path) -> None:
    (line,) = found(tmp_path, "{user: maps, reply: {call: show}}")
    assert line.startswith("error: the reply has no step left after the call of 'show'")
    # A template of guide's instructions may bring these words after the call.
    assert found(tmp_path, "{instructions: ida, reply: x}, {user: maps, reply: {call: show}}") == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("entry: guide", "entry: [{when: '{{ user.id }}', agent: gear}, guide]"),
        ("tools: [show, ask]", "tools: [show, ask, 'app:pack']"),
        ("tools: [show, ask]", "tools: [show, ask], tool_use_behavior: stop_on_first_tool"),
        ("{label: Pack, prompt: Add water to my list}", "{label: Pack, prompt: [Add water to my list]}"),
    ],
)
def test_where_python_or_the_user_decides_nothing_is_said(tmp_path: Path, old: str, new: str) -> None:
    turns = "{user: water, reply: [{call: pack}, done]}"
    assert found(tmp_path, turns)
    assert [line for line in found(tmp_path, turns, PROJECT.replace(old, new)) if "start prompt" in line] == []


def test_a_converter_may_send_another_text_than_the_start_prompt(tmp_path: Path) -> None:
    turns = "{user: water, reply: [{call: pack}, done]}"
    (tmp_path / "app.py").write_text(
        "class C(ThreadItemConverter):\n    async def tag_to_message_content(self, tag): ...\n"
    )
    assert found(tmp_path, turns)
    (tmp_path / "app.py").write_text(
        "class C(ThreadItemConverter):\n    async def user_message_to_input(self, item): ...\n"
    )
    assert found(tmp_path, turns) == []
