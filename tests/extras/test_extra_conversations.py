"""A conversation with tools, a client tool, an approval and a handoff through LiteLLM and any-llm, on both APIs."""

from __future__ import annotations

import pytest

from runtime.testing import OpenAIStub
from tests.conversations.conftest import MakeChat, chat, player, turn
from tests.conversations.test_provider_conversations import ACTS, AGENTS, DECLARED, SCRIPT, have_a_conversation

__all__ = ["chat", "player", "turn"]
pytestmark = pytest.mark.filterwarnings("default")


@pytest.mark.parametrize(
    ("library", "model", "path"),
    [
        ("litellm", "openai/model-1", "/v1/chat/completions"),
        ("any_llm", "vllm/model-1", "/v1/chat/completions"),
        ("any_llm", "openai/model-1", "/v1/responses"),
    ],
    indirect=["library"],
    ids=["litellm", "any-llm-chat", "any-llm-responses"],
)
async def test_a_conversation_is_accepted_to_its_end(chat: MakeChat, library: str, model: str, path: str) -> None:
    with OpenAIStub(SCRIPT, provider="openai") as stub:
        models = {"default": {library: model, "base_url": stub.base_url, "api_key": "any"}}
        config = {"models": models, "entry": "desk", "agents": AGENTS, "tools": DECLARED}
        await have_a_conversation(await chat(config, acts_py=ACTS), stub)
        paths = {request.path for request in stub.requests if request.method == "POST"}
        assert paths == {path}
        assert {request.outcome for request in stub.requests} == {"answered"}
