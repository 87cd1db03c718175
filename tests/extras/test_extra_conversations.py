"""A conversation with tools, a client tool, an approval and a handoff through LiteLLM and any-llm, on both APIs."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from runtime.testing import OpenAIStub
from tests.conversations.conftest import MakeChat, chat, player, turn
from tests.conversations.test_provider_conversations import ACTS, AGENTS, DECLARED, SCRIPT, have_a_conversation

__all__ = ["chat", "player", "turn"]
pytestmark = pytest.mark.filterwarnings("default")


@pytest.mark.parametrize(
    "model",
    [{"litellm": "openai/model-1"}, {"any_llm": "vllm/model-1"}, {"any_llm": "openai/model-1"}],
    ids=["litellm", "any-llm-chat", "any-llm-responses"],
)
async def test_a_conversation_is_accepted_to_its_end(
    chat: MakeChat, monkeypatch: pytest.MonkeyPatch, model: dict[str, Any]
) -> None:  # the fixture
    [library] = model
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed (chatkit-runtime[litellm,any-llm])")
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    with OpenAIStub(SCRIPT, provider="openai") as stub:
        models = {"default": {**model, "base_url": stub.base_url, "api_key": "any"}}
        config = {"models": models, "entry": "desk", "agents": AGENTS, "tools": DECLARED}
        await have_a_conversation(await chat(config, acts_py=ACTS), stub)
        paths = {request.path for request in stub.requests if request.method == "POST"}
        assert paths == {"/v1/responses" if model.get("any_llm") == "openai/model-1" else "/v1/chat/completions"}
        assert {request.outcome for request in stub.requests} == {"answered"}
