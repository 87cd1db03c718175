"""The quirks of real providers, byte for byte, through the whole server: no turn ends in silence, or without a name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from runtime.testing import PROVIDER_CASES, OpenAIStub
from runtime.testing.provider_rules import Provider
from tests.conversations.conftest import MakeChat
from tests.conversations.provider_outcomes import hold_column, outcome

APIS = pytest.mark.parametrize("api", ["chat_completions", "responses"])


@APIS
async def test_every_case_ends_as_the_docs_say(chat: MakeChat, api: str) -> None:
    hold_column(api, {case: await outcome(chat, api, case) for case in PROVIDER_CASES})


PAGE = (Path(__file__).parents[2] / "docs/guide/providers.md").read_text(encoding="utf-8")
SNIPPETS = dict(re.findall(r"^## (.+?)\n+```yaml\n(.*?)```", PAGE, re.M | re.S))
TOOLS = "def look_up(city: str) -> str:\n    'Look a city up.'\n    return city + ' has 7 parks'\n"
SCRIPT = {"turns": [{"user": "parks", "reply": [{"call": {"look_up": {"city": "Oslo"}}}, "{{ result }}"]}]}


@pytest.mark.parametrize("name", [name for name in SNIPPETS if name != "Anthropic"])
async def test_what_the_page_of_providers_says_to_write_answers(chat: MakeChat, name: str) -> None:
    """The stub applies the rules of each provider's endpoint; Anthropic's snippet needs a library and is left out."""
    provider: Any = name.lower().replace(".", "_").replace(" ", "_")
    assert provider in get_args(Provider)
    with OpenAIStub({**SCRIPT, "otherwise": "Yes."}, provider=provider) as stub:
        config = yaml.safe_load(re.sub(r"base_url: \S+?(?=[,}])", f'base_url: "{stub.base_url}"', SNIPPETS[name]))
        environ = dict.fromkeys(re.findall(r"\$\{(\w+)\}", SNIPPETS[name]), "any")
        # What follows needs LiteLLM.
        config["models"].pop("claude", None)
        config["agents"] = {"assistant": {"instructions": "You help.", "tools": ["look_up"]}}
        config["tools"] = {"look_up": "acts:look_up"}
        if "base_url" not in config["models"]["default"]:
            environ |= {"OPENAI_BASE_URL": stub.base_url, "OPENAI_API_KEY": "any"}
        client = await chat(config, environ=environ, acts_py=TOOLS)
        first = await client.say("How many parks?")
        second = await client.say("thanks", first.thread_id)
    assert (first.said, first.of("error")) == (["Oslo has 7 parks"], [])
    assert (second.said, second.of("error")) == (["Yes."], [])
