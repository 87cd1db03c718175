"""What the SDKs offer, held against surface.yaml: what a release adds fails here until it has a key or a reason.

The options of the component are those of its package, `@openai/chatkit`: ChatKitOptions and ComposerOption.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import os
import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import agents
import agents.mcp
import pytest
from ruamel.yaml import YAML

from runtime.config.schema import config_schema, resolve
from runtime.validation.icons import chat_icons
from tests.cli.compiling import MODULES, missing

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SURFACE: dict[str, Any] = YAML(typ="safe", pure=True).load((HERE / "surface.yaml").read_text(encoding="utf-8"))
REASONS, GROUPS = SURFACE["reasons"], SURFACE["groups"]
VOCABULARY = json.loads((ROOT / "tests" / "conversations" / "sdk_vocabulary.json").read_text(encoding="utf-8"))
PAGE = ROOT / "docs" / "surface.md"
COMPONENT = ("component options", "composer options")


def _fields(kind: Any) -> list[str]:
    return [field.name for field in dataclasses.fields(kind) if not field.name.startswith("_")]


def _parameters(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


def offered() -> dict[str, list[str]]:
    """What the installed SDKs offer, by group."""
    found = {
        f"agents.{kind.__name__}": _fields(kind) for kind in (agents.Agent, agents.ModelSettings, agents.RunConfig)
    }
    found["agents.Handoff"] = _fields(agents.Handoff)
    found["agents.Agent.as_tool"] = _parameters(agents.Agent.as_tool)
    for tool in typing.get_args(agents.Tool):
        kind = typing.get_origin(tool) or tool
        found[f"agents.{kind.__name__}"] = _fields(kind)
    servers = (agents.mcp.MCPServerStdio, agents.mcp.MCPServerSse, agents.mcp.MCPServerStreamableHttp)
    found["agents.mcp.MCPServer"] = [*dict.fromkeys(name for kind in servers for name in _parameters(kind.__init__))]
    for name in ("MCPServerStdioParams", "MCPServerStreamableHttpParams", "MCPServerSseParams"):
        found[f"agents.mcp.{name}"] = [*typing.get_type_hints(getattr(agents.mcp, name))]
    for chapter in ("items", "events", "item updates", "requests", "tasks"):
        found[f"chatkit {chapter}"] = VOCABULARY[chapter]
    found["chatkit widget components"] = sorted({*VOCABULARY["widget roots"], *VOCABULARY["widget components"]})
    return found


OFFERED = offered()


@pytest.mark.parametrize(("group", "declared"), [(COMPONENT[0], "ChatKitOptions"), (COMPONENT[1], "ComposerOption")])
def test_every_option_of_the_component_is_in_the_table(group: str, declared: str) -> None:
    modules = os.environ.get(MODULES)
    if not modules:
        missing(f"the types of @openai/chatkit are missing: `npm ci` in a copy of tests/browser, and {MODULES}")
    text = (Path(modules) / "@openai" / "chatkit" / "types" / "index.d.ts").read_text(encoding="utf-8")
    body = text.partition(f"export type {declared} = {{\n")[2].partition("\n};")[0]
    options = re.findall(r"^  (\w+)\??:", body, re.MULTILINE)
    assert len(options) > 4
    assert sorted(GROUPS[group]) == sorted(options)


def test_the_table_has_every_group_and_no_other() -> None:
    assert GROUPS.keys() - {*COMPONENT} == OFFERED.keys()


@pytest.mark.parametrize("group", OFFERED)
def test_everything_that_is_offered_has_a_key_or_a_reason(group: str) -> None:
    if "*" not in GROUPS[group]:
        assert sorted(GROUPS[group]) == sorted(OFFERED[group])


def _entries() -> Iterator[tuple[str, str, Any]]:
    for group, entries in GROUPS.items():
        for name, entry in entries.items():
            yield group, name, entry


def test_every_key_is_one_of_the_language_and_every_reason_one_of_the_list() -> None:
    reasons = {entry["why"] for _, _, entry in _entries() if isinstance(entry, dict)}
    assert reasons <= REASONS.keys()
    keys = {entry for _, _, entry in _entries() if isinstance(entry, str)}
    assert [key for key in sorted(keys) if not _is_key(key)] == []


def _is_key(path: str) -> bool:
    schema = config_schema()
    found = [schema]
    for step in path.split("."):
        found = [inner for part in found for inner in _below(part, step, schema)]
    return bool(found)


def _below(part: dict[str, Any], step: str, root: dict[str, Any]) -> Iterator[dict[str, Any]]:
    part = resolve(part, root)
    for branch in [*part.get("anyOf", []), *part.get("oneOf", [])]:
        yield from _below(branch, step, root)
    if step == "*":
        inner = part.get("additionalProperties") if part.get("type") == "object" else part.get("items")
        if isinstance(inner, dict):
            yield inner
    elif step in part.get("properties", {}):
        yield part["properties"][step]


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_a_seam_and_a_test_that_is_there(reason: str) -> None:
    file, _, name = REASONS[reason]["test"].partition("::")
    assert REASONS[reason]["seam"]
    assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


def draw() -> str:
    lines = [
        "# What the SDKs offer, and where it is declared",
        "",
        "Generated by a test from the installed openai-agents and openai-chatkit: every public field, parameter "
        "and type,",
        "type, with the key of `agents.yaml` that declares it. If there is none, the reason is one of these:",
        "",
        "| reason | | in Python |",
        "|---|---|---|",
        *(f"| {name} | {reason['text']} | {reason['seam']} |" for name, reason in REASONS.items()),
    ]
    for group, entries in GROUPS.items():
        lines += ["", f"## {group}", "", "| | |", "|---|---|"]
        for name, entry in entries.items():
            shown = f"`{entry}`" if isinstance(entry, str) else f"*{entry['why']}*"
            lines.append(f"| {'every one' if name == '*' else f'`{name}`'} | {shown} |")
        if not entries:
            lines.append("| (it has no fields) | *object* |")
    return "\n".join(lines) + "\n"


def test_the_page_is_the_table() -> None:
    if os.environ.get("UPDATE_EXPECTED"):
        PAGE.write_text(draw(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == draw()


def test_the_icons_are_those_of_the_component() -> None:
    modules = os.environ.get(MODULES)
    if not modules:
        missing(f"the types of @openai/chatkit are missing: `npm ci` in a copy of tests/browser, and {MODULES}")
    text = (Path(modules) / "@openai" / "chatkit" / "types" / "index.d.ts").read_text(encoding="utf-8")
    declared = text.partition("export type ChatKitIcon =")[2].partition(";")[0]
    *names, lucide = re.findall(r"\| '?([\w-]+)'?", declared)
    assert (sorted(names), lucide) == (sorted(chat_icons()), "LucideIcon")
