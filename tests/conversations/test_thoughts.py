"""The thoughts of a reasoning model are shown as a workflow that ends with the answer."""

from __future__ import annotations

import pytest

from runtime.testing import OpenAIStub
from tests.conversations.conftest import MakeChat
from tests.conversations.playing import call, think

SCRIPT = {"turns": [{"user": "why", "reply": [{"think": "Because of the tide."}, "The moon."]}]}


async def test_thoughts_are_tasks_of_a_workflow_before_the_answer(chat: MakeChat) -> None:
    client = await chat({"agents": {"helper": {"settings": {"reasoning": {"effort": "low", "summary": "auto"}}}}})
    client.player.replies = [[think("The tide, I think."), "The moon."]]
    answer = await client.say("why?")
    [workflow] = answer.done("workflow")
    assert workflow["workflow"]["type"] == "reasoning"
    [task] = workflow["workflow"]["tasks"]
    assert (task["type"], task["content"]) == ("thought", "The tide, I think.")
    assert answer.said == ["The moon."]
    kinds = [item["type"] for item in await client.items(answer.thread_id)]
    assert kinds == ["user_message", "workflow", "assistant_message"]
    settings = client.player.asked[0].settings.reasoning
    assert (settings.effort, settings.summary) == ("low", "auto")


async def test_thoughts_between_calls_share_a_workflow(chat: MakeChat) -> None:
    tools = {"tools": {"look": "app.tools:look"}, "agents": {"helper": {"tools": ["look"]}}}
    client = await chat(tools, app__tools_py="def look() -> str:\n    'Look.'\n    return 'seen'\n")
    client.player.replies = [[think("First."), call("look")], [think("Second."), "Done."]]
    answer = await client.say("look")
    [workflow] = answer.done("workflow")
    assert [task["content"] for task in workflow["workflow"]["tasks"]] == ["First.", "Second."]


@pytest.mark.parametrize("summary", ["auto", "detailed"])
async def test_the_endpoint_is_asked_for_a_summary(chat: MakeChat, summary: str) -> None:
    with OpenAIStub(SCRIPT) as stub:
        settings = {"reasoning": {"effort": "max", "mode": "pro", "summary": summary}}
        model = {"name": "gpt-6-luna", "base_url": stub.base_url, "api_key": "none", "settings": settings}
        client = await chat({"models": {"default": model}})
        answer = await client.say("why?")
    assert answer.done("workflow")[0]["workflow"]["tasks"][0]["content"] == "Because of the tide."
    asked = next(request.body for request in stub.requests if request.body.get("reasoning"))
    assert asked["reasoning"] == {"effort": "max", "mode": "pro", "summary": summary}
