"""What a user gets of each case of `PROVIDER_CASES`, and the table of it in the docs, which tests write and hold."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runtime.config.model.chat import Errors
from runtime.testing import PROVIDER_CASES, OpenAIStub, ProviderCase
from tests.conversations.conftest import MakeChat

PAGE = Path(__file__).parents[2] / "docs/provider-cases.md"
COLUMNS = {"chat_completions": "Chat Completions", "responses": "Responses", "litellm": "LiteLLM", "any_llm": "any-llm"}
NONE = "-"
TOOLS = "def look_up(city: str) -> str:\n    'Look a city up.'\n    return city + ' has 7 parks'\n"
_ROW = re.compile(r"^\| `(\w+)` \| (.+) \|$", re.MULTILINE)


def model_of(api: str, stub: OpenAIStub, **more: Any) -> dict[str, Any]:
    """The declaration of a model at the stub: of one of the two APIs, or through LiteLLM or any-llm."""
    endpoint = {"base_url": stub.base_url, "api_key": "any", **more}
    if api == "litellm":
        return {"litellm": "openai/quirky-1", **endpoint}
    if api == "any_llm":
        return {"any_llm": "vllm/quirky-1", **endpoint}
    return {"name": "quirky-1", "api": api, "retries": 0, "timeout": "180s", **endpoint}


def project(api: str, stub: OpenAIStub, **more: Any) -> dict[str, Any]:
    """A project whose agent has the tool of the cases."""
    return {
        "models": {"default": model_of(api, stub)},
        "tools": {"look_up": "acts:look_up"},
        "agents": {"helper": {"tools": ["look_up"]}},
        **more,
    }


def is_answered_by(case: ProviderCase, api: str) -> bool:
    return bool(case.responses if api == "responses" else case.chat)


async def outcome(chat: MakeChat, api: str, case: str) -> str:
    """What comes of a case: `answer`, or the key of `chat.errors` whose text is shown, and if a retry is offered."""
    if not is_answered_by(PROVIDER_CASES[case], api):
        return NONE
    with OpenAIStub({"otherwise": "Yes."}) as stub:
        stub.replay(case)
        errors = {key: f"key {key}" for key in Errors.model_fields}
        client = await chat(project(api, stub, chat={"errors": errors}), name=f"{api}-{case}", acts_py=TOOLS)
        answer = await client.say("How many parks has Oslo?")
    if not answer.of("error"):
        assert answer.said, f"{case} on {api}: neither an answer nor a reason"
        return "answer"
    error = answer.of("error")[-1]
    assert error["message"].startswith("key "), f"{case} on {api}: {error}"
    key = error["message"].removeprefix("key ")
    assert key != "unexpected", f"{case} on {api} has no name"
    return f"`{key}`, retry" if error["allow_retry"] else f"`{key}`"


def documented(api: str) -> dict[str, str]:
    """The column of the table in the docs."""
    rows = _ROW.findall(PAGE.read_text("utf-8")) if PAGE.exists() else []
    cells = {name: rest.split(" | ")[1:] for name, rest in rows}
    index = list(COLUMNS).index(api)
    return {name: row[index] for name, row in cells.items() if index < len(row)}


def hold_column(api: str, outcomes: Mapping[str, str]) -> None:
    """Compare a column with the docs, or write it with UPDATE_EXPECTED=1."""
    if os.environ.get("UPDATE_EXPECTED"):
        columns = {each: documented(each) for each in COLUMNS} | {api: outcomes}
        before = PAGE.read_text("utf-8").partition("| case |")[0]
        lines = [f"| case | what is unusual | {' | '.join(COLUMNS.values())} |", "|---" * (2 + len(COLUMNS)) + "|"]
        for name, case in PROVIDER_CASES.items():
            cells = " | ".join(columns[each].get(name, NONE) for each in COLUMNS)
            lines.append(f"| `{name}` | {case.summary} | {cells} |")
        PAGE.write_text(before + "\n".join(lines) + "\n", encoding="utf-8")
    assert documented(api) == outcomes, (
        "run UPDATE_EXPECTED=1 python3 dev.py test tests/conversations/test_providers.py"
    )
