"""What the bare Agents SDK makes of the quirks of providers: the other side of the rows in docs/sdk-differences.md."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
from agents import (
    Agent,
    ModelBehaviorError,
    ModelRefusalError,
    ModelSettings,
    OpenAIChatCompletionsModel,
    RunConfig,
    Runner,
    RunState,
    UserError,
    function_tool,
    retry_policies,
)
from agents.retry import ModelRetrySettings
from openai import AsyncOpenAI
from pydantic import BaseModel

from runtime.testing import OpenAIStub

QUIET = RunConfig(tracing_disabled=True)


class Answer(BaseModel):
    answer: str


@function_tool
def look_up(city: str) -> str:
    """Look a city up."""
    return f"{city} has 7 parks"


@function_tool(needs_approval=True)
def refund(order: str) -> str:
    """Refund an order."""
    return "ok"


@pytest.fixture
def stub() -> Iterator[OpenAIStub]:
    with OpenAIStub(
        {"turns": [{"user": "refund", "reply": {"call": {"refund": {"order": "A1"}}}}], "otherwise": "Yes."}
    ) as running:
        yield running


@pytest.fixture
async def agent(stub: OpenAIStub) -> AsyncIterator[Agent[Any]]:
    async with AsyncOpenAI(base_url=stub.base_url, api_key="any", max_retries=0) as client:
        model = OpenAIChatCompletionsModel("quirky-1", client)
        yield Agent(name="helper", model=model, tools=[look_up, refund])


async def _run(agent: Agent[Any], text: Any = "hello") -> Any:
    result = Runner.run_streamed(agent, text, run_config=QUIET)
    async for _ in result.stream_events():
        continue
    return result


async def test_the_bare_sdk_does_not_repeat_a_request_that_failed_inside_of_a_stream(
    agent: Agent[Any], stub: OpenAIStub
) -> None:
    policy = retry_policies.http_status([429, 500])
    agent.model_settings = ModelSettings(retry=ModelRetrySettings(max_retries=2, policy=policy))
    stub.replay("rate_limit_in_stream")
    with pytest.raises(openai.APIError):
        await _run(agent)
    assert len(stub.requests) == 1


async def test_the_bare_sdk_takes_a_page_of_html_for_an_empty_answer(agent: Agent[Any], stub: OpenAIStub) -> None:
    stub.replay("html_page")
    assert (await _run(agent)).final_output in ("", None)


async def test_the_bare_sdk_takes_an_answer_that_was_cut_off_for_a_whole_one(
    agent: Agent[Any], stub: OpenAIStub
) -> None:
    stub.replay("cut_off")
    assert (await _run(agent)).final_output == "Oslo has "


async def test_the_bare_sdk_raises_at_a_refusal(agent: Agent[Any], stub: OpenAIStub) -> None:
    stub.replay("refusal")
    with pytest.raises(ModelRefusalError):
        await _run(agent)


async def test_the_bare_sdk_ends_the_run_at_a_tool_that_does_not_exist(agent: Agent[Any], stub: OpenAIStub) -> None:
    stub.replay("tool_with_prefix")
    with pytest.raises(ModelBehaviorError):
        await _run(agent)


async def test_the_bare_sdk_shows_thoughts_between_tags(agent: Agent[Any], stub: OpenAIStub) -> None:
    stub.replay("think_tags")
    assert "<think>" in (await _run(agent)).final_output


async def test_the_bare_sdk_reads_no_json_inside_of_a_fence(agent: Agent[Any], stub: OpenAIStub) -> None:
    agent.output_type = Answer
    stub.replay("json_in_a_fence")
    with pytest.raises(ModelBehaviorError):
        await _run(agent)


async def test_the_bare_sdk_counts_no_tokens_where_the_endpoint_counts_none(
    agent: Agent[Any], stub: OpenAIStub
) -> None:
    stub.replay("no_usage")
    assert (await _run(agent)).context_wrapper.usage.total_tokens == 0


async def test_the_bare_sdk_sends_thoughts_back_to_models_named_deepseek_alone(
    agent: Agent[Any], stub: OpenAIStub
) -> None:
    stub.replay("reasoning_content")
    await _run(agent)
    assert "reasoning_content" not in json.dumps(stub.requests[-1].body)


async def test_the_bare_sdk_sends_two_messages_of_one_role_in_a_row(agent: Agent[Any], stub: OpenAIStub) -> None:
    await _run(agent, [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}])
    assert [message["role"] for message in stub.requests[-1].body["messages"]] == ["user", "user"]


async def test_the_bare_sdk_can_not_resume_a_chat_run_behind_an_earlier_answer(
    agent: Agent[Any], stub: OpenAIStub
) -> None:
    history = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello."}]
    result = await _run(agent, [*history, {"role": "user", "content": "refund A1"}])
    stored = json.loads(json.dumps(result.to_state().to_json()))
    state: RunState[Any, Any] = await RunState.from_json(agent, stored)
    state.approve(state.get_interruptions()[0])
    with pytest.raises(UserError, match="Unhandled item type"):
        await _run(agent, state)


async def test_the_bare_sdk_hides_wrong_arguments_from_the_model(agent: Agent[Any], stub: OpenAIStub) -> None:
    stub.replay("arguments_without_a_field")
    await _run(agent)
    assert "city" not in stub.requests[-1].body["messages"][-1]["content"]


async def test_the_bare_sdk_ends_the_run_at_two_calls_with_one_id(agent: Agent[Any], stub: OpenAIStub) -> None:
    stub.replay("same_call_id_twice")
    with pytest.raises(ModelBehaviorError, match="reused a tool call ID"):
        await _run(agent)
