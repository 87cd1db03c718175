"""Failures inside of a stream through LiteLLM and any-llm: each has the status of its code, whatever its words are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from runtime.testing import OpenAIStub, ProviderCase, RawReply
from tests.conversations.conftest import MakeChat, chat, player, turn
from tests.conversations.provider_outcomes import TOOLS, model_of, project

__all__ = ["chat", "player", "turn"]
# The libraries warn of themselves.
pytestmark = pytest.mark.filterwarnings("default")
WORDS = "No."


@pytest.fixture
def stub() -> Iterator[OpenAIStub]:
    with OpenAIStub({"otherwise": "Yes."}) as server:
        yield server


def _fails_once(error: dict[str, Any]) -> ProviderCase:
    body = "data: " + json.dumps({"error": {"message": WORDS, "type": None, "param": None, **error}}) + "\n\n"
    return ProviderCase("failure", "a failure whose words say nothing", (RawReply(body.encode()),))


def _retrying(library: str, stub: OpenAIStub) -> dict[str, Any]:
    settings = {"retry": {"max": 2, "backoff": {"initial": 0, "max": 0, "jitter": False}}}
    return project(library, stub, models={"default": model_of(library, stub, settings=settings)})


@pytest.mark.parametrize(
    "error",
    [{"code": "rate_limit_exceeded"}, {"code": 429}, {"code": "429"}, {"code": "server_error"}, {"code": 503}, {}],
)
async def test_a_failure_that_passes_is_tried_again(
    chat: MakeChat, stub: OpenAIStub, library: str, error: dict[str, Any]
) -> None:
    client = await chat(_retrying(library, stub), acts_py=TOOLS)
    stub.replay(_fails_once(error))
    assert (await client.say("hello")).said == ["Yes."]
    assert len(stub.requests) == 2


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ({"code": "insufficient_quota"}, "The assistant has used up its quota"),
        ({"code": 402}, "The assistant has used up its quota"),
        ({"type": "insufficient_quota"}, "The assistant has used up its quota"),
        ({"code": "content_filter"}, "The content filter"),
        ({"code": 400}, "The model refused the request"),
    ],
)
async def test_a_failure_that_lasts_is_not_tried_again(
    chat: MakeChat, stub: OpenAIStub, library: str, error: dict[str, Any], words: str
) -> None:
    client = await chat(_retrying(library, stub), acts_py=TOOLS)
    stub.replay(_fails_once(error))
    answer = await client.say("hello")
    assert len(stub.requests) == 1
    told = answer.of("error")[-1]
    assert (told["allow_retry"], told["message"][: len(words)]) == (False, words)


async def test_a_failure_gives_way_to_the_fallback_where_another_model_may_answer(
    chat: MakeChat, stub: OpenAIStub, library: str
) -> None:
    with OpenAIStub({"otherwise": "I am here."}) as other:
        models = {"default": {**model_of(library, stub), "fallback": ["next"]}, "next": model_of(library, other)}
        client = await chat(project(library, stub, models=models), acts_py=TOOLS)
        for error, said in (({"code": 402}, ["I am here."]), ({"code": 503}, ["I am here."]), ({"code": 400}, [])):
            stub.replay(_fails_once(error))
            assert (await client.say("hello")).said == said, error
