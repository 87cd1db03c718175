"""Token usage by user, thread, day and model; a budget that is used up sends a notice."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import pytest

from runtime.assemble.scripted_events import ScriptedFailure
from runtime.testing import OpenAIStub
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.editing import reloaded
from tests.conversations.playing import Player, call, on_stage

TOKEN = {"admin": {"token": "let-me-in"}}
DAY = {"limits": {"tokens": "1/day"}}
SCRIPT = {
    "turns": [
        {"instructions": "Is it fine?", "reply": "yes"},
        {"instructions": "title", "reply": "A title"},
        {"user": "What is it", "reply": "Forty-two."},
        {"user": "ask", "reply": [{"call": {"ask": {"input": "What is it?"}}}, "Forty-two it is."]},
    ]
}
ECHO = {"tools": {"echo": "app.tools:echo"}, "agents": {"helper": {"tools": ["echo"]}}}
CODE = "def echo(text: str) -> str:\n    'Echo.'\n    return text\n"
WORDS = "You have reached your daily token limit. It resets at midnight UTC."


async def usage(client: Chat, query: str = "") -> list[dict[str, Any]]:
    exported = await client.get(f"/-/usage{query}", {"authorization": "Bearer let-me-in"})
    assert exported.headers["content-type"] == "application/jsonl"
    return [json.loads(line) for line in exported.body.decode().splitlines()]


def notices(answer: Any) -> list[str]:
    return [event["message"] for event in answer.of("notice")]


async def test_every_model_that_a_turn_asks_is_counted(chat: MakeChat) -> None:
    with OpenAIStub(SCRIPT) as stub:
        key = {"base_url": stub.base_url, "api_key": "none"}
        models = {name: {"name": name, **key} for name in ("gpt-6.1-sol", "gpt-6-luna", "gpt-6.1-terra", "gpt-6-astra")}
        client = await chat(
            {
                **TOKEN,
                "store": "sqlite:///threads.db",
                "models": models,
                "entry": "guide",
                "agents": {
                    "guide": {"model": "gpt-6.1-sol", "tools": ["ask"], "guardrails": {"input": ["fine"]}},
                    "expert": {"model": "gpt-6-luna", "description": "Knows."},
                },
                "tools": {"ask": {"agent": "expert"}},
                "guardrails": {"fine": {"judge": "gpt-6.1-terra", "instructions": "Is it fine?"}},
                "chat": {"title": {"model": "gpt-6-astra"}},
            }
        )
        answer = await client.say("ask")
    assert answer.said == ["Forty-two it is."]
    lines = await usage(client)
    assert Counter({line["model"]: line["requests"] for line in lines}) == {
        "gpt-6.1-sol": 2,
        "gpt-6-luna": 1,
        "gpt-6.1-terra": 1,
        "gpt-6-astra": 1,
    }
    today = datetime.now(UTC).date().isoformat()
    for line in lines:
        assert (line["owner"], line["thread_id"], line["day"]) == ("local", answer.thread_id, today)
        assert line["input_tokens"] > 0
        assert line["output_tokens"] > 0


async def test_where_another_model_answers_it_is_the_one_that_counts(
    chat: MakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = Player("no"), Player("From the second.")
    first.replies = [ScriptedFailure("busy", 503)]
    first.model, second.model = "first-1", "second-2"  # type: ignore[attr-defined]  # as the SDK's models have it
    for name, player in {"first": first, "second": second}.items():
        monkeypatch.setitem(on_stage, name, player)
    find: dict[str, Any] = {"python": "tests.conversations.playing:find"}
    models = {name: {**find, "with": {"name": name}} for name in ("first", "second")}
    models["first"]["fallback"] = ["second"]
    client = await chat({**TOKEN, "models": models, "agents": {"helper": {"model": "first"}}})
    await client.say("hello")
    assert [line["model"] for line in await usage(client)] == ["second-2"]


async def test_the_counts_of_a_day_stay_when_a_thread_goes_and_when_the_project_changes(chat: MakeChat) -> None:
    client = await chat({**TOKEN, "limits": {"tokens": {"day": 1}}})
    first = await client.say("one")
    assert first.said == ["Fine."]
    await client.call("threads.delete", thread_id=first.thread_id)
    await reloaded(client, {"agents": {"helper": {"instructions": "Other."}}})
    refused = await client.say("two")
    assert (refused.said, notices(refused)) == ([], [WORDS])
    assert [line["thread_id"] for line in await usage(client)] == [first.thread_id]
    assert await usage(client, f"?since={date.max.isoformat()}") == []


@pytest.mark.parametrize("asked", ["yesterday", "2026-13-01"])
async def test_a_day_that_is_none_is_refused(chat: MakeChat, asked: str) -> None:
    client = await chat(TOKEN)
    refused = await client.get(f"/-/usage?since={asked}", {"authorization": "Bearer let-me-in"})
    assert (refused.status, refused.error["message"]) == (400, f"{asked!r} is not a date such as 2026-01-31")


async def test_the_message_that_found_a_budget_used_up_is_kept_and_answered_on_the_next_day(
    chat: MakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await chat(DAY)
    answer = await client.say("one")
    refused = await client.say("two", answer.thread_id)
    assert notices(refused) == [WORDS]
    assert len(client.player.asked) == 1
    assert [item["type"] for item in await client.items(answer.thread_id)] == [
        "user_message",
        "assistant_message",
        "user_message",
    ]
    monkeypatch.setattr("runtime.server.turns.token_budget.today", lambda: date(2999, 1, 1))
    again = await client.say("three", answer.thread_id)
    assert again.said == ["Fine."]
    said = [item["content"] for item in client.player.asked[-1].of("message") if item["role"] == "user"]
    assert len(said) == 3


async def test_a_turn_stops_before_the_next_request_and_keeps_what_it_has_said(chat: MakeChat) -> None:
    client = await chat({**ECHO, "limits": {"tokens": "1/turn"}}, app__tools_py=CODE)
    player = client.player
    player.replies = [["Let me see.", call("echo", text="x")], "Not any more."]
    answer = await client.say("go")
    assert answer.said == ["Let me see."]
    assert notices(answer) == ["This answer has reached its token limit. Please ask for less at a time."]
    assert len(player.asked) == 1
    # The next turn has a budget of its own.
    player.replies = ["Fine."]
    assert (await client.say("again", answer.thread_id)).said == ["Fine."]
    assert len(player.asked[-1].of("function_call_output")) == 1


async def test_a_thread_and_everybody_have_budgets_too(chat: MakeChat) -> None:
    client = await chat({"limits": {"tokens": {"thread": 1}}})
    answer = await client.say("one")
    assert notices(await client.say("two", answer.thread_id)) == [
        "This conversation has reached its token limit. Please start a new one."
    ]
    assert (await client.say("elsewhere")).said == ["Fine."]
    await reloaded(client, {"limits": {"tokens": {"all": 1}}})
    assert notices(await client.say("anywhere")) == [
        "The daily token limit has been reached. It resets at midnight UTC."
    ]


GREETING = {"turns": [{"user": "hello", "reply": "Hi."}], "otherwise": "Hi."}
# A dollar for each token of the input, and nothing for the others.
DEAR = {"input": 1_000_000, "cached": 0, "output": 0}


def dear_models(stub: OpenAIStub, **more: Any) -> dict[str, Any]:
    return {"default": {"name": "house-1", "base_url": stub.base_url, "api_key": "none", "price": DEAR, **more}}


async def test_usage_says_what_the_tokens_cost(chat: MakeChat) -> None:
    with OpenAIStub(GREETING) as stub:
        models = dear_models(stub) | {"free": {"name": "gpt-6-luna", "base_url": stub.base_url, "api_key": "none"}}
        agents: dict[str, Any] = {"helper": {}, "other": {"model": "free"}}
        client = await chat({**TOKEN, "models": models, "agents": agents, "entry": "helper"})
        await client.say("hello")
        await reloaded(client, {"entry": "other"})
        await client.say("hello")
    lines = {line["model"]: line for line in await usage(client)}
    dear = lines["house-1"]
    assert dear["cost_usd"] == dear["input_tokens"] - dear["cached_tokens"] > 0
    assert lines["gpt-6-luna"]["cost_usd"] == 0, "the list price of another endpoint's model is unknown"


@pytest.mark.parametrize(
    ("cost", "words"),
    [
        ("0.5/day", "You have reached your daily cost limit. It resets at midnight UTC."),
        ({"thread": 0.01, "day": 1_000_000}, "This conversation has reached its cost limit. Please start a new one."),
        ({"all": 1}, "The daily cost limit has been reached. It resets at midnight UTC."),
    ],
)
async def test_a_budget_in_money_ends_with_a_notice(chat: MakeChat, cost: Any, words: str) -> None:
    with OpenAIStub(GREETING) as stub:
        client = await chat({**TOKEN, "models": dear_models(stub), "limits": {"cost": cost}})
        first = await client.say("hello")
        assert notices(first) == []
        assert notices(await client.say("hello", first.thread_id)) == [words]
        assert len(stub.requests) == 1


async def test_a_price_that_is_changed_holds_from_the_next_answer_on(chat: MakeChat) -> None:
    with OpenAIStub(GREETING) as stub:
        client = await chat({**TOKEN, "models": dear_models(stub)})
        thread_id = (await client.say("hello")).thread_id
        [before] = await usage(client)
        await reloaded(client, {"models": dear_models(stub, price={"input": 0, "output": 0})})
        await client.say("hello", thread_id)
        [after] = await usage(client)
    assert after["input_tokens"] > before["input_tokens"]
    assert after["cost_usd"] == before["cost_usd"] > 0


async def test_the_project_says_in_its_own_words_that_the_money_is_spent(chat: MakeChat) -> None:
    with OpenAIStub(GREETING) as stub:
        errors = {"cost": "No more money by {{ budget }}.", "tokens": "No more tokens."}
        limits = {"cost": "0.5/thread"}
        client = await chat({"models": dear_models(stub), "limits": limits, "chat": {"errors": errors}})
        first = await client.say("hello")
        assert notices(await client.say("hello", first.thread_id)) == ["No more money by thread."]


async def test_the_notice_of_a_spent_budget_has_the_words_of_the_project(chat: MakeChat) -> None:
    words = "Sorry {{ user.id }}, no more by {{ budget }} ({{ reference }})."
    client = await chat({**DAY, "chat": {"errors": {"tokens": words, "turn": "Too long, {{ user.id }}."}}})
    await client.say("one")
    [notice] = notices(await client.say("two"))
    assert notice.startswith("Sorry local, no more by day (req_")


async def test_an_answer_that_takes_too_long_ends_and_may_be_tried_again(chat: MakeChat) -> None:
    # Long enough for a busy machine to get to the gate.
    client = await chat({"limits": {"turn": "2s"}, "chat": {"errors": {"turn": "Too long."}}})
    client.player.replies = ["one two three"]
    gate = client.player.gate("three")
    answer = await client.say("go")
    assert gate.reached.is_set()
    [error] = answer.of("error")
    assert (error["message"], error["allow_retry"]) == ("Too long.", True)
    assert "one two" in json.dumps(await client.items(answer.thread_id))
