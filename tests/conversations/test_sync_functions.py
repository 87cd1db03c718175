"""Sync functions of the project that hang: they hold up their own request, and nobody else's."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.playing import call

CODE = """
from agents import Agent, GuardrailFunctionOutput, input_guardrail
from tests.conversations import test_sync_functions as test
from tests.conversations.playing import find

def {name}({parameters}):
    test.hang()
    return {result}
"""
OWN = """
@input_guardrail
def guard(ctx, agent, text):
    test.hang()
    return GuardrailFunctionOutput(output_info=None, tripwire_triggered=False)

agent = Agent(name="Own", model=find({stage!r}), input_guardrails=[guard])
"""
begun = threading.Semaphore(0)
go_on = threading.Event()
late = threading.Event()
tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")


def hang() -> None:
    """Hang in the first call; raise an error in the event loop, which would hang, too."""
    if threading.current_thread() is threading.main_thread():
        raise AssertionError("a sync function was called in the event loop")
    if not go_on.is_set():
        begun.release()
        go_on.wait(600)
        late.set()


@pytest.fixture(autouse=True)
def _free() -> Iterator[None]:
    go_on.clear()
    late.clear()
    yield
    go_on.set()


async def _say(client: Chat) -> Any:
    return await client.say("wipe it")


async def _click(client: Chat) -> Any:
    return await client.act(client.thread, "act")


async def _click_now(client: Chat) -> Any:
    return await client.act_now(client.thread, "act")


async def _search(client: Chat) -> Any:
    return await client.get("/chatkit/entities?q=a")


async def _lookup(client: Chat) -> Any:
    return await client.get("/chatkit/entities/a")


async def _list(client: Chat) -> Any:
    return await client.call("threads.list")


async def _dictate(client: Chat) -> Any:
    return await client.call("input.transcribe", audio_base64="YWJj", mime_type="audio/wav")


def agent(**keys: Any) -> dict[str, Any]:
    return {"agents": {"helper": keys}}


ACTION = {"actions": {"act": {"python": "app:f", "sync": True}}}
REFUND = {"tools": {"wipe": {"thread": "lock", "needs_approval": {"python": "app:f"}}}, **agent(tools=["wipe"])}
HANDOFF = {"agents": {"helper": {"handoffs": [{"agent": "b", "on_handoff": "app:f"}]}, "b": {}}, "entry": "helper"}
KINDS: dict[str, tuple[dict[str, Any], str, str, Callable[[Chat], Awaitable[Any]]]] = {
    "action": (ACTION, "ctx, action, sender", "None", _click),
    "sync action": (ACTION, "ctx, action, sender", "None", _click_now),
    "search": ({"chat": {"tags": {"search": "app:f"}}}, "query, context", "[]", _search),
    "lookup": ({"chat": {"tags": {"lookup": "app:f"}}}, "id, context", "{'id': id, 'title': 'A'}", _lookup),
    "context": ({"context": "app:f"}, "request", "{}", _list),
    "dictation": ({"chat": {"dictation": {"python": "app:f"}}}, "audio, context", "'hi'", _dictate),
    "entry": ({"entry": {"python": "app:f"}}, "context", "'helper'", _say),
    "instructions": (agent(instructions={"python": "app:f"}), "context, agent", "'Help.'", _say),
    "guardrail": (
        {"guardrails": {"g": {"python": "app:f"}}, **agent(guardrails={"input": ["g"]})},
        "ctx, text",
        "None",
        _say,
    ),
    "output guardrail": (
        {"guardrails": {"g": {"python": "app:f"}}, **agent(guardrails={"output": ["g"]})},
        "ctx, text",
        "None",
        _say,
    ),
    "approval": (REFUND, "ctx, args", "False", _say),
    "handoff": (HANDOFF, "ctx, data", "None", _say),
    "title": ({"chat": {"title": {"python": "app:f"}}}, "text", "'A title'", _say),
    "own guardrail": (agent(python="app:agent"), "", "None", _say),
}
# An approval is also asked for in later turns, at Chat Completions.
EACH_KIND = pytest.mark.parametrize(
    ("kind", "turn"),
    [*((kind, None) for kind in KINDS), ("approval", 2), ("approval", 3)],
    indirect=["turn"],
)


async def _made(chat: MakeChat, player: Any, kind: str, **limits: Any) -> Chat:
    config, parameters, result, _ = KINDS[kind]
    code = CODE.format(name="f", parameters=parameters, result=result)
    client = await chat({**config, "limits": limits}, app_py=code + OWN.format(stage=player.stage_name))
    if kind == "approval":
        player.replies = [[call("wipe")], "Fine."]
    if kind == "handoff":
        player.replies = [[call("transfer_to_b")], "Fine."]
    go_on.set()
    replies, client.thread = list(player.replies), "none"  # type: ignore[attr-defined]
    # On a busy machine, even a function that returns at once may be beyond its time.
    while kind != "context" and (first := await client.say("hi")).status == 503:
        player.replies = list(replies)
    if kind != "context":
        client.thread = first.thread_id  # type: ignore[attr-defined]
    player.replies = replies
    go_on.clear()
    return client


@EACH_KIND
async def test_a_sync_function_that_hangs_holds_up_nobody_else(chat: MakeChat, player: Any, kind: str) -> None:
    client = await _made(chat, player, kind)
    hung = asyncio.create_task(KINDS[kind][3](client))
    assert await asyncio.to_thread(begun.acquire, True, 180)

    assert (await client.get("/health")).status == 200
    if kind != "context":
        assert (await client.call("threads.list")).status == 200

    go_on.set()
    answer = await hung
    assert answer.status == 200
    assert b'"type":"error"' not in answer.body


@EACH_KIND
async def test_a_sync_function_beyond_its_time_ends_its_request_and_is_named(
    chat: MakeChat, player: Any, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = await _made(chat, player, kind, tool="50ms")

    answer = await KINDS[kind][3](client)

    assert "did not return within 0.05 s" in caplog.text
    assert ("'guard'" if kind == "own guardrail" else "app:f") in caplog.text
    if kind in ("search", "lookup", "context", "sync action", "dictation"):
        assert (answer.status, answer.error["code"]) == (503, "timeout")
    elif kind not in ("approval", "title"):  # a title is missed by nobody; without a decision, the user is asked
        assert answer.status >= 500 or answer.events[-1]["type"] == "error"
    go_on.set()
    # On a busy machine, the time may be over before a thread has called it.
    assert not begun.acquire(blocking=False) or await asyncio.to_thread(late.wait, 180)


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_a_function_sees_and_sets_the_context_variables_of_its_request(chat: MakeChat, kind: str) -> None:
    code = f"""
from tests.conversations.test_sync_functions import tenant

{kind} context(request):
    tenant.set(request.headers.get("x-tenant", "nobody"))
    return {{}}

{kind} search(query, context):
    return [{{"id": "1", "title": tenant.get()}}]
"""
    client = await chat({"context": "mod:context", "chat": {"tags": {"search": "mod:search"}}}, mod_py=code)
    for name in ("acme", "globex"):
        found = await client.get("/chatkit/entities?q=a", {"x-tenant": name})
        assert found.json["entities"][0]["title"] == name
    assert tenant.get() == "nobody"


async def test_what_a_sync_action_returns_replaces_the_widget(chat: MakeChat) -> None:
    code = """
def act(ctx, action, sender):
    return {"type": "Card", "children": [{"type": "Text", "value": "done"}]}
"""
    widget = {"type": "Card", "children": [{"type": "Text", "value": "open"}]}
    tools = {"show": {"widget": "card"}}
    config = {
        "widgets": {"card": {"template": widget}},
        "tools": tools,
        "actions": {"act": "acts:act"},
        **agent(tools=["show"]),
    }
    client = await chat(config, acts_py=code)
    client.player.replies = [[call("show")], "Shown."]
    turn = await client.say("show")
    item = turn.done("widget")[0]
    clicked = await client.act(turn.thread_id, "act", item=item["id"])
    assert clicked.of("thread.item.replaced")[0]["item"]["widget"]["children"][0]["value"] == "done"
