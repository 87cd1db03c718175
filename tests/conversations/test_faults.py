"""What the project's own code raises ends its turn or its request, and nothing else; the log names what failed."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.conversations.conftest import MakeChat
from tests.conversations.playing import call
from tests.conversations.talking import Exchange

FAULTS = [
    "raise SystemExit(3)",
    "raise KeyboardInterrupt",
    "raise GeneratorExit",
    "import asyncio; raise asyncio.CancelledError",
    "raise Odd('odd')",
]
HEAD = "class Odd(BaseException):\n    pass\n\n"


def fails(signature: str, fault: str) -> str:
    return f"{HEAD}{signature}:\n    {fault}\n"


async def _says_something(client: Any) -> None:
    client.player.replies = ["Fine."]
    assert (await client.say("still there?")).said == ["Fine."]


def the_failure(caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    return next(record for record in caplog.records if record.getMessage().startswith("turn failed"))


def assert_ended_with_an_error(turn: Exchange) -> None:
    """Check that a stream is whole, and that its last event is an error with a reference."""
    assert turn.complete
    assert turn.broken is None
    assert turn.events[-1]["type"] == "error"
    assert "reference" in turn.events[-1]["message"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["async def", "def"])
async def test_a_tool_that_raises_anything_ends_its_turn_with_an_error(
    chat: MakeChat, caplog: pytest.LogCaptureFixture, fault: str, kind: str
) -> None:
    tools = {"tools": {"hello": "greet:greet"}, "agents": {"helper": {"tools": ["hello"]}}}
    client = await chat(tools, greet_py=fails(f"{kind} greet(name: str) -> str", fault))
    client.player.replies = [[call("hello", name="Ann")]]

    turn = await client.say("hello")

    assert_ended_with_an_error(turn)
    record = the_failure(caplog)
    assert "tool 'hello' of agent 'helper'" in record.getMessage()
    if (kind, fault) != ("def", "raise GeneratorExit"):  # Python drops the traceback of one that comes from a thread
        assert "tool 'hello' of agent 'helper', greet.py:5:" in record.getMessage()
        assert "in greet" in caplog.text
    await _says_something(client)


@pytest.mark.parametrize("decorator", ["", "from agents import function_tool\n@function_tool\n"])
async def test_a_tool_in_a_thread_that_raises_stop_iteration_is_a_failed_call(chat: MakeChat, decorator: str) -> None:
    code = f"{decorator}def first(n: int) -> str:\n    return next(iter([]))\n"
    client = await chat({"tools": {"first": "mod:first"}, "agents": {"helper": {"tools": ["first"]}}}, mod_py=code)
    client.player.replies = [[call("first", n=1)], "Sorry."]
    assert (await client.say("hello")).said == ["Sorry."]


async def test_a_tool_of_an_agent_that_is_a_tool_ends_the_turn_as_well(
    chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    config = {
        "tools": {"hello": "greet:greet", "expert": {"agent": "expert"}},
        "agents": {"helper": {"tools": ["expert"]}, "expert": {"tools": ["hello"]}},
        "entry": "helper",
    }
    client = await chat(config, greet_py=fails("def greet(name: str) -> str", FAULTS[0]))
    client.player.replies = [[call("expert", input="hi")], [call("hello", name="Ann")]]

    turn = await client.say("hello")

    assert turn.events[-1]["type"] == "error"
    assert "tool 'hello' of agent 'expert'" in the_failure(caplog).getMessage()
    await _says_something(client)


@pytest.mark.parametrize("fault", ["def deep(): deep()\n    deep()", "raise MemoryError"])
async def test_a_tool_that_runs_out_of_stack_or_memory_is_a_failed_call(chat: MakeChat, fault: str) -> None:
    tools = {"tools": {"hello": "greet:greet"}, "agents": {"helper": {"tools": ["hello"]}}}
    client = await chat(tools, greet_py=fails("async def greet(name: str) -> str", fault))
    client.player.replies = [[call("hello", name="Ann")], "Sorry."]

    assert (await client.say("hello")).said == ["Sorry."]


CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "instructions": ({"agents": {"helper": {"instructions": {"python": "mod:f"}}}}, "def f(context, agent)"),
    "async instructions": (
        {"agents": {"helper": {"instructions": {"python": "mod:f"}}}},
        "async def f(context, agent)",
    ),
    "guardrail": (
        {"guardrails": {"g": {"python": "mod:f"}}, "agents": {"helper": {"guardrails": {"input": ["g"]}}}},
        "def f(ctx, text)",
    ),
    "parallel guardrail": (
        {
            "guardrails": {"g": {"python": "mod:f", "parallel": True}},
            "agents": {"helper": {"guardrails": {"input": ["g"]}}},
        },
        "async def f(ctx, text)",
    ),
    "output guardrail": (
        {"guardrails": {"g": {"python": "mod:f"}}, "agents": {"helper": {"guardrails": {"output": ["g"]}}}},
        "async def f(ctx, text)",
    ),
    "entry": ({"entry": {"python": "mod:f"}}, "def f(context)"),
    "hook": (
        {"agents": {"helper": {"hooks": "mod:H"}}},
        "from agents import AgentHooks\nclass H(AgentHooks):\n    async def on_start(self, context, agent)",
    ),
    "converter": (
        {"converter": "mod:C"},
        "from chatkit.agents import ThreadItemConverter\nclass C(ThreadItemConverter):\n"
        "    async def user_message_to_input(self, item, is_last_message=True)",
    ),
    "state": (
        {"state": {"cart": "mod:Cart"}, "agents": {"helper": {"instructions": "{{ state.cart.total() }}"}}},
        "class Cart:\n    def total(self)",
    ),
    "model": (
        {"models": {"default": {"python": "mod:make"}}},
        "from agents import Model\ndef make():\n    return M()\nclass M(Model):\n"
        "    async def get_response(self, *args, **kwargs): ...\n"
        "    async def stream_response(self, *args, **kwargs)",
    ),
    "enabled_if": (
        {
            "tools": {"t": {"python": "mod:t", "enabled_if": {"python": "mod:f"}}},
            "agents": {"helper": {"tools": ["t"]}},
        },
        "def t(n: int) -> str:\n    return 'x'\ndef f(ctx)",
    ),
}


@pytest.mark.parametrize("fault", [FAULTS[0], FAULTS[3], FAULTS[4]])
@pytest.mark.parametrize("where", CONFIGS)
async def test_code_that_raises_anything_in_a_turn_ends_the_turn_with_an_error(
    chat: MakeChat, where: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    config, head = CONFIGS[where]
    indent = "        " if "class" in head and not head.startswith("from agents import Model\ndef t") else "    "
    more = f"\n{indent}yield" if where == "model" else ""
    client = await chat(config, mod_py=f"{HEAD}{head}:\n{indent}{fault}{more}\n")

    turn = await client.say("hello")

    assert turn.complete
    assert turn.broken is None
    assert turn.events[-1]["type"] == "error", turn.events
    assert the_failure(caplog)
    again = await client.say("once more")
    assert again.events[-1]["type"] == "error"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("signature", ["async def act(ctx, action, sender)", "def act(ctx, action, sender)"])
async def test_an_action_that_raises_anything_ends_its_stream_with_an_error(
    chat: MakeChat, caplog: pytest.LogCaptureFixture, fault: str, signature: str
) -> None:
    client = await chat({"actions": {"act": "acts:act"}}, acts_py=fails(signature, fault))
    thread = (await client.say("hi")).thread_id

    clicked = await client.act(thread, "act")

    error = clicked.events[-1]
    assert (error["type"], error["allow_retry"]) == ("error", False)
    assert error["message"].startswith("The action 'act' failed. (reference ")
    assert "action 'act', acts.py:5:" in the_failure(caplog).getMessage()
    await _says_something(client)


@pytest.mark.parametrize("text", ["return 1", "raise ValueError('no text')", "raise SystemExit(3)"])
@pytest.mark.parametrize("kind", ["Exception", "BaseException"])
async def test_an_error_without_a_text_ends_its_stream_with_an_error(
    chat: MakeChat, caplog: pytest.LogCaptureFixture, text: str, kind: str
) -> None:
    code = f"""
class Silent({kind}):
    def __str__(self):
        {text}

async def act(ctx, action, sender):
    raise Silent
"""
    client = await chat({"actions": {"act": {"python": "acts:act", "sync": True}}}, acts_py=code)
    thread = (await client.say("hi")).thread_id

    clicked, synced = await client.act(thread, "act"), await client.act_now(thread, "act")

    assert clicked.complete
    assert clicked.broken is None
    assert clicked.events[-1]["type"] == "error"
    assert the_failure(caplog)
    assert "in act" in caplog.text
    assert synced.status == 500
    await _says_something(client)


@pytest.mark.parametrize("change", ["thread = None", "thread.title = 7", "thread.metadata = {'a': object()}"])
async def test_a_tool_that_breaks_the_context_ends_its_turn_with_an_error(
    chat: MakeChat, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    code = f"def greet(ctx: 'RunContextWrapper', name: str) -> str:\n    ctx.context.{change}\n    raise SystemExit\n"
    tools = {"tools": {"hello": "greet:greet"}, "agents": {"helper": {"tools": ["hello"]}}}
    client = await chat(tools, greet_py=f"from agents import RunContextWrapper\n{code}")
    client.player.replies = [[call("hello", name="Ann")]]

    turn = await client.say("hello")

    assert_ended_with_an_error(turn)
    assert the_failure(caplog)
    await _says_something(client)


async def test_an_action_that_streams_and_then_raises_keeps_what_it_has_sent(chat: MakeChat) -> None:
    code = (
        "async def act(ctx, action, sender):\n"
        "    await ctx.context.notice('info', 'first')\n"
        "    raise SystemExit\n"
        "    yield\n"
    )
    client = await chat({"actions": {"act": "acts:act"}}, acts_py=code)
    thread = (await client.say("hi")).thread_id
    assert [event["type"] for event in (await client.act(thread, "act")).events][-2:] == ["notice", "error"]


async def test_a_key_error_in_an_action_is_logged_with_the_action_the_file_and_the_line(
    chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    code = "async def act(ctx, action, sender):\n    return action.payload['seat']\n"
    actions = {"act": {"python": "acts:act", "sync": True}}
    client = await chat({"actions": actions}, acts_py=code)
    thread = (await client.say("hi")).thread_id

    clicked, synced = await client.act(thread, "act", {}), await client.act_now(thread, "act", {})

    assert clicked.events[-1]["message"].startswith("The action 'act' failed. (reference ")
    assert "KeyError: 'seat' (action 'act', acts.py:2:12)" in the_failure(caplog).getMessage()
    assert (synced.status, synced.error["code"]) == (500, "action_failed")
    assert synced.error["message"].startswith("the action 'act' failed (reference ")
    assert any("action 'act' failed [" in line and "acts.py:2:12" in line for line in caplog.messages)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_context_function_and_a_route_that_raise_anything_are_a_500(chat: MakeChat, fault: str) -> None:
    code = f"""{HEAD}
from fastapi import APIRouter
router = APIRouter()

def context(request):
    if "x-fail" in request.headers:
        {fault}

@router.get("/plain")
def plain():
    {fault}

@router.get("/slow")
async def slow():
    {fault}
"""
    client = await chat({"context": "mod:context", "routes": ["mod:router"]}, mod_py=code)

    client.headers["x-fail"] = "1"
    refused = await client.call("threads.list")
    del client.headers["x-fail"]
    assert (refused.status, refused.error["code"]) == (500, "internal_error")
    for path in ("/plain", "/slow"):
        answer = await client.get(path)
        assert answer.status == 500
    await _says_something(client)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_title_or_a_search_that_raises_anything_costs_no_answer(chat: MakeChat, fault: str) -> None:
    code = f"{HEAD}def title(text):\n    {fault}\n\nasync def search(query, context):\n    {fault}\n"
    tags = {"search": "mod:search"}
    client = await chat({"chat": {"title": {"python": "mod:title"}, "tags": tags}}, mod_py=code)

    turn = await client.say("hello")

    assert turn.said == ["Fine."]
    assert not turn.of("error")
    assert (await client.get("/chatkit/entities?q=a")).status == 500
    await _says_something(client)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_store_that_raises_anything_fails_its_request_only(chat: MakeChat, fault: str) -> None:
    code = f"""{HEAD}
from tests.conversations.bare import DictStore

class Store(DictStore):
    fail = False

    async def load_threads(self, *args, **kwargs):
        {fault}
"""
    client = await chat({"store": {"python": "mod:Store"}}, mod_py=code)
    assert (await client.call("threads.list")).status == 500
    await _says_something(client)


async def test_a_lifespan_that_exits_is_a_failed_start(chat: MakeChat) -> None:
    code = """
from contextlib import asynccontextmanager
from fastapi import APIRouter

@asynccontextmanager
async def lifespan(app):
    raise KeyboardInterrupt
    yield

router = APIRouter(lifespan=lifespan)
"""
    with pytest.raises(Exception, match="the lifespan of a route raised KeyboardInterrupt"):
        await chat({"routes": ["mod:router"]}, mod_py=code)


async def test_a_thread_that_is_deleted_while_it_answers_ends_its_stream_and_stays_deleted(
    chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    client = await chat({"chat": {"title": {"python": "mod:title"}}}, mod_py="def title(text):\n    return 'A title'\n")
    gate = client.player.gate("answer.")
    client.player.replies = ["Half an answer."]
    turn = client.begin("hello")
    await turn.until(lambda said: said.deltas)

    assert (await client.call("threads.delete", thread_id=turn.thread_id)).status == 200
    gate.open.set()
    await turn.end()

    assert turn.events[-1] == {
        "type": "error",
        "code": "custom",
        "message": "This conversation was deleted.",
        "allow_retry": False,
    }
    assert (await client.call("threads.get_by_id", thread_id=turn.thread_id)).status == 404
    assert (await client.call("threads.list")).json["data"] == []
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_thread_that_another_process_deletes_while_it_answers_is_no_error_of_the_server(
    chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    client = await chat()
    gate = client.player.gate("answer.")
    client.player.replies = ["Half an answer."]
    turn = client.begin("hello")
    await turn.until(lambda said: said.deltas)

    await client.runtime.store.delete_thread("local", turn.thread_id)
    gate.open.set()
    await turn.end()

    assert turn.events[-1]["message"] == "This conversation was deleted."
    assert (await client.call("threads.list")).json["data"] == []
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("instructions", "files", "place"),
    [
        ("Hello.\nYour order: {{ context.order.id }}", {}, r"agents.yaml:1:\d+"),
        ({"file": "prompt.md"}, {"prompt_md": "Hello.\n\nYou: {{ 1 // (thread.title | length) }}"}, "prompt.md:3:6"),
    ],
)
async def test_instructions_that_fail_are_logged_in_one_line_with_agent_and_place(
    chat: MakeChat, caplog: pytest.LogCaptureFixture, instructions: Any, files: dict[str, str], place: str
) -> None:
    agents = {"helper": {"instructions": instructions}}
    client = await chat({"agents": agents, "context": "mod:f"}, mod_py="def f(request):\n    return {}\n", **files)

    turn = await client.say("hello")

    assert turn.events[-1]["type"] == "error"
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.exc_info is None
    pytest.importorskip("re")
    import re

    assert re.search(
        rf"agents.helper.instructions can't be rendered: .* \(agent 'helper', {place}\)", record.getMessage()
    )


async def test_instructions_in_a_block_have_the_line_of_the_file(
    chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    client = await chat(context_py="def f(request):\n    return {}\n")
    (client.folder / "agents.yaml").write_text(
        "version: 1\nauth: none\nstore: memory\ncontext: context:f\n"
        "models:\n  default:\n    python: tests.conversations.playing:find\n"
        f"    with: {{name: {client.player.stage_name}}}\n"
        "agents:\n  helper:\n    instructions: |\n      Be kind.\n      Order {{ context.order }}\n"
    )
    assert (await client.runtime.reload()).status == "reloaded"
    await client.say("hello")
    assert "(agent 'helper', agents.yaml:13:13)" in the_failure(caplog).getMessage()


async def test_a_turn_that_takes_too_long_is_logged_with_what_was_running(
    chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    code = (
        "import asyncio\nbegan = []\n"
        "async def wait(n: int) -> str:\n    began.append(n)\n    await asyncio.Event().wait()\n"
    )
    config = {
        "tools": {"wait": "waits:wait"},
        "agents": {"helper": {"tools": ["wait"]}},
        "limits": {"turn": 0.3},
    }
    client = await chat(config, waits_py=code)
    began = client.runtime.generation.snapshot.code.resolve("waits:began")

    # On a busy machine, the time may be over before the model has called the tool.
    while not began:
        caplog.clear()
        client.player.replies = [[call("wait", n=1)]]
        turn = await client.say("wait")

    error = turn.events[-1]
    assert error["type"] == "error"
    assert error["message"].startswith("The answer took too long and was stopped. Please try again. (reference req_")
    reference = error["message"].rpartition(" ")[2].rstrip(")")
    [line] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert line == f"turn {reference} exceeded `limits.turn` of 0.3 s (tool 'wait' of agent 'helper')"
