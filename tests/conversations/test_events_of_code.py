"""What tools and actions send by themselves: it is stored, however the turn ends, and in the order of the stream."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from runtime.server.turns.recorder import CUT_OFF
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.playing import call, think
from tests.conversations.talking import Exchange, texts

POSTGRES = os.environ.get("CHATKIT_TEST_POSTGRES")
NEEDS_POSTGRES = pytest.mark.skipif(not POSTGRES, reason="CHATKIT_TEST_POSTGRES names no database")
Make = Callable[..., Awaitable[Chat]]


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=NEEDS_POSTGRES)])
def stored(request: pytest.FixtureRequest, chat: MakeChat, tmp_path: Path) -> Make:
    """Make a project whose threads are in one of the stores."""
    url = {"memory": "memory", "sqlite": f"sqlite:///{tmp_path}/threads.db", "postgres": str(POSTGRES)}[request.param]

    async def make(config: dict[str, Any] | None = None, **files: str) -> Chat:
        return await chat({"chat": {"title": "off"}, **(config or {}), "store": url}, **files)

    return make


TOOL = {"tools": {"run": "acts:run"}, "agents": {"helper": {"tools": ["run"]}}}
ACTION = {"actions": {"go": "acts:go"}}
CARD = {"card": {"template": {"type": "Card", "children": [{"type": "Text", "id": "t", "value": "Hi"}]}}}
HEAD = """
import asyncio
from datetime import datetime
from agents import RunContextWrapper
from chatkit.types import *
from chatkit.widgets import *
from runtime import RuntimeContext

Ctx = RunContextWrapper[RuntimeContext]
reached = asyncio.Event()
forever = asyncio.Event()

def message(ctx, text, name="m1"):
    content = [AssistantMessageContent(text=text)]
    return AssistantMessageItem(id=name, thread_id=ctx.context.thread.id, created_at=datetime.now(), content=content)

def delta(text, name="m1"):
    update = AssistantMessageContentPartTextDelta(content_index=0, delta=text)
    return ThreadItemUpdatedEvent(item_id=name, update=update)
"""


async def _over(client: Chat) -> None:
    async with asyncio.timeout(180):
        await client.runtime.server.close(grace_s=20)


async def _metadata(client: Chat, thread: str) -> dict[str, Any]:
    return (await client.runtime.store.load_thread("local", thread)).metadata


def _in_order(answer: Exchange) -> list[str]:
    """The ids of the items in the order in which they appear in a stream."""
    items = [event["item"] for event in answer.events if event["type"] in ("thread.item.added", "thread.item.done")]
    return list(dict.fromkeys(item["id"] for item in items))


SETS = (
    HEAD
    + """
async def run(ctx: Ctx) -> str:
    "Open a ticket."
    ctx.context.thread.metadata["ticket"] = 42
    ctx.context.lock_thread("moved to a person")
    reached.set()
    await hold()
    return "done"
"""
)


async def test_what_a_tool_sets_on_the_thread_is_kept_when_the_model_fails(stored: Make) -> None:
    client = await stored(TOOL, acts_py=SETS + "async def hold(): pass")
    client.player.replies = [[call("run")], RuntimeError("no model")]
    answer = await client.say("open a ticket")
    assert answer.of("error")
    [updated] = answer.of("thread.updated")
    assert updated["thread"]["status"] == {"type": "locked", "reason": "moved to a person"}
    assert await _metadata(client, answer.thread_id) == {"ticket": 42}
    # Sent before the error, which ends the stream.
    assert answer.types.index("thread.updated") < answer.types.index("error")
    assert (await client.say("and?", answer.thread_id)).status == 409


async def test_what_a_tool_sets_on_the_thread_is_kept_when_the_client_leaves(stored: Make) -> None:
    client = await stored(TOOL, acts_py=SETS + "async def hold(): await ready(); await forever.wait()\n" + READY)
    client.player.replies = [[call("run")], "Never."]
    answer = client.begin("open a ticket")
    await answer.until(lambda so_far: so_far.of("progress_update"))
    answer.leave()
    await _over(client)
    thread = await client.runtime.store.load_thread("local", answer.thread_id)
    assert (thread.metadata, thread.status.type) == ({"ticket": 42}, "locked")


READY = """
async def ready():
    await current.progress("ready")
current = None
_run = run
async def run(ctx: Ctx) -> str:
    "Open a ticket."
    global current
    current = ctx.context
    return await _run(ctx)
"""


async def test_what_a_tool_sets_on_the_thread_is_kept_when_the_server_ends_the_turn(stored: Make) -> None:
    client = await stored(TOOL, acts_py=SETS + "async def hold(): await ready(); await forever.wait()\n" + READY)
    client.player.replies = [[call("run")], "Never."]
    answer = client.begin("open a ticket")
    await answer.until(lambda so_far: so_far.of("progress_update"))
    await client.runtime.server.close(grace_s=0)
    await answer.end()
    assert answer.types[-1] == "error"
    assert answer.of("thread.updated")[0]["thread"]["status"]["type"] == "locked"
    assert await _metadata(client, answer.thread_id) == {"ticket": 42}


@pytest.mark.parametrize("is_sync", [False, True])
async def test_what_an_action_sets_on_the_thread_is_kept_when_it_fails(stored: Make, is_sync: bool) -> None:
    code = (
        HEAD
        + """
async def go(ctx, action, sender):
    ctx.context.thread.metadata["ticket"] = 42
    await ctx.context.say("So far.")
    raise RuntimeError("broken")
"""
    )
    client = await stored({"actions": {"go": {"python": "acts:go", "sync": True}}}, acts_py=code)
    first = await client.say("hello")
    clicked = await (client.act_now if is_sync else client.act)(first.thread_id, "go")
    assert clicked.status == 500 if is_sync else clicked.of("error")
    assert await _metadata(client, first.thread_id) == {"ticket": 42}
    assert texts((await client.items(first.thread_id))[-1:]) == ["So far."]


async def test_a_tool_may_end_the_workflow_of_the_models_thoughts(stored: Make) -> None:
    code = HEAD + 'async def run(ctx: Ctx) -> str:\n    "Run."\n    await ctx.context.end_workflow()\n    return "x"\n'
    client = await stored(TOOL, acts_py=code)
    client.player.replies = [[think("Let me see."), call("run")], "Fine."]
    answer = await client.say("go")
    assert answer.said == ["Fine."]
    [workflow] = answer.done("workflow")
    assert workflow["workflow"]["summary"] == {"duration": 0}
    assert answer.types.index("thread.item.done", 3) < len(answer.types)
    assert [item["id"] for item in await client.items(answer.thread_id)] == _in_order(answer)


async def test_each_workflow_ends_in_the_order_of_the_stream(stored: Make) -> None:
    code = HEAD + 'async def run(ctx: Ctx) -> str:\n    "Run."\n    return "x"\n'
    config = {**TOOL, "tools": {"run": {"python": "acts:run", "steps": ["Look", "Compare"]}}}
    client = await stored(config, acts_py=code)
    client.player.replies = [[think("Let me see."), call("run")], [think("And now."), "Fine."]]
    answer = await client.say("go")
    workflows = answer.done("workflow")
    assert [item["workflow"]["type"] for item in workflows] == ["reasoning", "custom", "reasoning"]
    assert all(item["workflow"]["summary"] == {"duration": 0} for item in workflows)
    statuses = [task["status_indicator"] for task in workflows[1]["workflow"]["tasks"]]
    assert statuses == ["complete", "complete"]
    assert [item["id"] for item in await client.items(answer.thread_id)] == _in_order(answer)


async def test_tools_that_run_at_once_each_complete_their_own_steps(stored: Make) -> None:
    code = (
        HEAD
        + """
arrived = []
both = asyncio.Event()
async def run(ctx: Ctx, name: str) -> str:
    "Run."
    arrived.append(name)
    if len(arrived) == 2:
        both.set()
    await both.wait()
    await ctx.context.next_step()
    return name
"""
    )
    steps = ["Look for {{ args.name }}", "Read {{ args.name }}"]
    config = {**TOOL, "tools": {"run": {"python": "acts:run", "steps": steps}}}
    client = await stored(config, acts_py=code)
    client.player.replies = [[call("run", name="a"), call("run", name="b")], "Fine."]
    answer = await client.say("go")
    items = [item for item in await client.items(answer.thread_id) if item["type"] == "workflow"]
    tasks = [[(task["title"], task["status_indicator"]) for task in item["workflow"]["tasks"]] for item in items]
    assert tasks == [
        [("Look for a", "complete"), ("Read a", "complete")],
        [("Look for b", "complete"), ("Read b", "complete")],
    ]


async def test_equal_tasks_have_their_own_places(stored: Make) -> None:
    code = (
        HEAD
        + """
async def run(ctx: Ctx) -> str:
    "Run."
    await ctx.context.start_workflow(Workflow(type="custom", tasks=[]))
    for _ in range(3):
        await ctx.context.add_workflow_task(CustomTask(title="again"))
    await ctx.context.end_workflow(CustomSummary(title="Thrice"))
    return "x"
"""
    )
    client = await stored(TOOL, acts_py=code)
    client.player.replies = [[call("run")], "Fine."]
    answer = await client.say("go")
    updates = [event["update"] for event in answer.of("thread.item.updated")]
    assert [update["task_index"] for update in updates if update["type"] == "workflow.task.added"] == [1, 2]
    workflow = (await client.items(answer.thread_id))[1]
    assert [task["title"] for task in workflow["workflow"]["tasks"]] == ["again", "again", "again"]
    assert workflow["workflow"]["summary"] == {"title": "Thrice"}


async def test_no_event_has_a_time_without_a_zone(stored: Make) -> None:
    code = (
        HEAD
        + """
async def run(ctx: Ctx) -> str:
    "Run."
    began = datetime.now()
    item = message(ctx, "By hand.")
    await ctx.context.stream(ThreadItemAddedEvent(item=item))
    await ctx.context.stream(ThreadItemDoneEvent(item=item))
    await ctx.context.stream(ThreadItemReplacedEvent(item=item))
    await ctx.context.start_workflow(Workflow(type="custom", tasks=[CustomTask(title="one")]))
    # The tool's own item stays as it is.
    assert (item.created_at - began).total_seconds() < 60
    return "x"

async def go(ctx, action, sender):
    yield ThreadItemDoneEvent(item=message(ctx, "By hand.", "m2"))

def replace(ctx, action, sender):
    return SyncCustomActionResponse(updated_item=message(ctx, "Again.", "m2"))
"""
    )
    actions = {"go": "acts:go", "replace": {"python": "acts:replace", "sync": True}}
    client = await stored({**TOOL, "actions": actions}, acts_py=code)
    client.player.replies = [[think("Hm."), call("run")], [think("Hm."), "Fine."]]
    answer = await client.say("go")
    assert answer.said == ["By hand.", "Fine."]
    clicked = await client.act(answer.thread_id, "go")
    replaced = await client.act_now(answer.thread_id, "replace")
    events = [*answer.events, *clicked.events, {"item": replaced.json["updated_item"]}]
    times = [event["item"]["created_at"] for event in events if "item" in event]
    assert len(times) > 10
    assert all(datetime.fromisoformat(time).tzinfo is not None for time in times)


async def test_text_that_a_tool_streams_is_stored_when_the_client_leaves(stored: Make) -> None:
    code = (
        HEAD
        + """
async def run(ctx: Ctx) -> str:
    "Run."
    await ctx.context.stream(ThreadItemAddedEvent(item=message(ctx, "Hello, ")))
    await ctx.context.stream(delta("World!"))
    await forever.wait()
    return "x"
"""
    )
    client = await stored(TOOL, acts_py=code)
    client.player.replies = [[call("run")], "Never."]
    answer = client.begin("go")
    await answer.until(lambda so_far: "World!" in so_far.deltas)
    answer.leave()
    await _over(client)
    assert texts((await client.items(answer.thread_id))[1:]) == ["Hello, World!"]
    hidden = [item.content for item in await client.hidden(answer.thread_id) if item.type == "sdk_hidden_context"]
    assert hidden == [CUT_OFF]


STREAMS = (
    HEAD
    + """
async def go(ctx, action, sender):
    workflow = Workflow(type="custom", tasks=[CustomTask(title="one")])
    item = WorkflowItem(id="w1", thread_id=ctx.context.thread.id, created_at=datetime.now(), workflow=workflow)
    yield ThreadItemAddedEvent(item=item)
    task = CustomTask(title="two")
    yield ThreadItemUpdatedEvent(item_id="w1", update=WorkflowTaskAdded(task=task, task_index=1))
    # As in handlers for the SDK, whose own item gets it as well.
    item.workflow.tasks.append(task)
    done = CustomTask(title="one", status_indicator="complete")
    yield ThreadItemUpdatedEvent(item_id="w1", update=WorkflowTaskUpdated(task=done, task_index=0))
    yield ThreadItemAddedEvent(item=message(ctx, ""))
    for word in ("By ", "an ", "action."):
        yield delta(word)
    card = Card(children=[Text(id="text", value="Lo", streaming=True), Text(id="other", value="x")])
    widget = WidgetItem(id="c1", thread_id=ctx.context.thread.id, created_at=datetime.now(), widget=card)
    yield ThreadItemAddedEvent(item=widget)
    update = WidgetStreamingTextValueDelta(component_id="text", delta="ading", done=False)
    yield ThreadItemUpdatedEvent(item_id="c1", update=update)
    other = Text(id="other", value="y")
    yield ThreadItemUpdatedEvent(item_id="c1", update=WidgetComponentUpdated(component_id="other", component=other))
    await last(ctx)
"""
)


@pytest.mark.parametrize("end", ["the client leaves", "the handler fails", "the handler returns"])
async def test_pieces_that_an_action_streams_are_stored(stored: Make, end: str) -> None:
    ends = {
        "the client leaves": 'await ctx.context.progress("ready"); await forever.wait()',
        "the handler fails": 'raise RuntimeError("broken")',
        "the handler returns": "pass",
    }
    client = await stored(ACTION, acts_py=f"{STREAMS}\nasync def last(ctx): {ends[end]}\n")
    first = await client.say("hello")
    clicked = client.ask("threads.custom_action", thread_id=first.thread_id, action={"type": "go", "payload": None})
    if end == "the client leaves":
        await clicked.until(lambda so_far: so_far.of("progress_update"))
        clicked.leave()
        await _over(client)
    await clicked.end()
    workflow, message, widget = (await client.items(first.thread_id))[2:]
    tasks = [(task["title"], task["status_indicator"]) for task in workflow["workflow"]["tasks"]]
    assert tasks == [("one", "complete"), ("two", "none")]
    assert texts([message]) == ["By an action."]
    text, other = widget["widget"]["children"]
    assert (text["value"], text["streaming"], other["value"]) == ("Loading", False, "y")


async def test_updates_of_stored_items_by_an_action_are_stored(stored: Make) -> None:
    code = (
        HEAD
        + """
async def run(ctx: Ctx) -> str:
    "Run."
    thread, now = ctx.context.thread.id, datetime.now()
    workflow = Workflow(type="custom", tasks=[CustomTask(title="one", status_indicator="loading")])
    await ctx.context.stream(ThreadItemDoneEvent(item=message(ctx, "Hello")))
    for item in (
        WorkflowItem(id="w1", thread_id=thread, created_at=now, workflow=workflow),
        WidgetItem(id="c1", thread_id=thread, created_at=now, widget=Card(children=[Text(id="t", value="a")])),
        GeneratedImageItem(id="i1", thread_id=thread, created_at=now, image=GeneratedImage(id="g", url="data:,a")),
    ):
        await ctx.context.stream(ThreadItemDoneEvent(item=item))
    return "x"

async def go(ctx, action, sender):
    source = URLSource(title="Home", url="https://example.com")
    updates = {
        "m1": [
            AssistantMessageContentPartTextDelta(content_index=0, delta=", "),
            AssistantMessageContentPartTextDelta(content_index=0, delta="World!"),
            AssistantMessageContentPartAnnotationAdded(
                content_index=0, annotation_index=0, annotation=Annotation(source=source, index=5)
            ),
            AssistantMessageContentPartAdded(content_index=1, content=AssistantMessageContent(text="And")),
            AssistantMessageContentPartDone(content_index=1, content=AssistantMessageContent(text="And more.")),
        ],
        "w1": [
            WorkflowTaskUpdated(task_index=0, task=CustomTask(title="one", status_indicator="complete")),
            WorkflowTaskAdded(task_index=1, task=CustomTask(title="two")),
        ],
        "c1": [
            WidgetStreamingTextValueDelta(component_id="t", delta="b", done=False),
            WidgetStreamingTextValueDelta(component_id="t", delta="c", done=True),
        ],
        "i1": [GeneratedImageUpdated(image=GeneratedImage(id="g", url="data:,b"))],
        "unknown": [WorkflowTaskAdded(task_index=0, task=CustomTask(title="lost"))],
    }
    for item_id, of_item in updates.items():
        for update in of_item:
            yield ThreadItemUpdatedEvent(item_id=item_id, update=update)
"""
    )
    client = await stored({**TOOL, **ACTION}, acts_py=code)
    client.player.replies = [[call("run")], "Fine."]
    first = await client.say("go")
    clicked = await client.act(first.thread_id, "go")
    assert len(clicked.of("thread.item.updated")) == 11
    message, workflow, widget, image = (await client.items(first.thread_id))[1:5]
    assert [part["text"] for part in message["content"]] == ["Hello, World!", "And more."]
    assert message["content"][0]["annotations"][0]["source"]["title"] == "Home"
    tasks = [(task["title"], task["status_indicator"]) for task in workflow["workflow"]["tasks"]]
    assert tasks == [("one", "complete"), ("two", "none")]
    assert widget["widget"]["children"][0]["value"] == "abc"
    assert image["image"]["url"] == "data:,b"


async def test_the_client_gets_no_event_of_a_hidden_item_that_code_adds(stored: Make) -> None:
    code = (
        HEAD
        + """
async def run(ctx: Ctx) -> str:
    "Run."
    hidden = HiddenContextItem(id="h1", thread_id=ctx.context.thread.id, created_at=datetime.now(), content="secret")
    await ctx.context.stream(ThreadItemAddedEvent(item=hidden))
    await ctx.context.stream(ThreadItemDoneEvent(item=hidden))
    await ctx.context.stream(ThreadItemRemovedEvent(item_id="h1"))
    await ctx.context.stream(ThreadItemDoneEvent(item=message(ctx, "Shown.")))
    await ctx.context.stream(ThreadItemRemovedEvent(item_id="m1"))
    return "x"
"""
    )
    client = await stored(TOOL, acts_py=code)
    client.player.replies = [[call("run")], "Fine."]
    answer = await client.say("go")
    assert b"h1" not in answer.body
    assert [event["item_id"] for event in answer.of("thread.item.removed")] == ["m1"]
    assert [item.id for item in await client.hidden(answer.thread_id) if item.id in ("h1", "m1")] == []
