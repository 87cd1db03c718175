"""What a thread, a turn or a process must survive: bad code, bad timing, bad luck."""

from __future__ import annotations

from typing import Any

import pytest

from runtime.errors import ConfigError
from tests.conversations.conftest import MakeChat
from tests.conversations.playing import call

CARD = {"card": {"template": {"type": "Card", "children": [{"type": "Text", "value": "Hi"}]}}}
SHOW = {"tools": {"show": {"widget": "card", "stop": True}}, "widgets": CARD, "agents": {"helper": {"tools": ["show"]}}}


async def test_a_widget_that_could_never_be_read_again_is_not_stored(chat: MakeChat) -> None:
    code = """
from chatkit.types import ThreadItemReplacedEvent
async def poison(ctx, action, sender):
    yield ThreadItemReplacedEvent(item=sender.model_copy(update={"widget": {"children": []}}))
async def answer(ctx, action, sender):
    return "done"
"""
    actions = {"poison": "acts:poison", "answer": {"python": "acts:answer", "sync": True}}
    client = await chat({**SHOW, "actions": actions}, acts_py=code)
    client.player.replies = [[call("show")], "Fine."]
    first = await client.say("show")
    item = first.done("widget")[0]["id"]

    streamed = await client.act(first.thread_id, "poison", item=item)
    answered = await client.act_now(first.thread_id, "answer", item=item)

    assert streamed.of("error")
    assert answered.status == 500
    assert [kept["type"] for kept in await client.items(first.thread_id)] == ["user_message", "widget"]
    assert (await client.say("and now?", first.thread_id)).said == ["Fine."]


async def test_a_handler_may_return_what_takes_the_senders_place(chat: MakeChat) -> None:
    code = """
async def redraw(ctx, action, sender):
    return {"type": "Card", "children": [{"type": "Text", "value": "again"}]}
"""
    client = await chat({**SHOW, "actions": {"redraw": "acts:redraw"}}, acts_py=code)
    client.player.replies = [[call("show")]]
    first = await client.say("show")
    item = first.done("widget")[0]["id"]

    clicked = await client.act(first.thread_id, "redraw", item=item)

    assert clicked.of("thread.item.replaced")[0]["item"]["widget"]["children"][0]["value"] == "again"
    assert (await client.items(first.thread_id))[-1]["widget"]["children"][0]["value"] == "again"


async def test_a_context_class_that_raises_leaves_the_thread_usable(chat: MakeChat) -> None:
    code = """
from runtime import RuntimeContext
broken = True
class Context(RuntimeContext):
    def model_post_init(self, context):
        super().model_post_init(context)
        if broken:
            raise RuntimeError("no context today")
"""
    client = await chat({"context_class": "own:Context"}, own_py=code)
    refused = await client.say("hello")
    client.runtime.generation.snapshot.code.modules["own"].__dict__["broken"] = False
    thread = (await client.call("threads.list")).json["data"][0]["id"]

    assert refused.status == 500
    assert (await client.say("hello again", thread)).said == ["Fine."]


@pytest.mark.parametrize("more", [{"progress": "About {{ args.city }}"}, {"with": {"unit": "C"}}])
@pytest.mark.parametrize("arguments", ["{}", "{not json"])
async def test_bad_arguments_are_an_error_for_the_model_and_the_turn_goes_on(
    chat: MakeChat, more: dict[str, Any], arguments: str
) -> None:
    code = "def weather(city: str = 'Oslo', unit: str = 'C') -> str:\n    return f'sunny in {city}'\n"
    tools = {"weather": {"python": "sky:weather", **more}}
    client = await chat({"tools": tools, "agents": {"helper": {"tools": ["weather"]}}}, sky_py=code)
    asked = call("weather")
    client.player.replies = [[type(asked)(name="weather", arguments=arguments)], "Fine."]

    turn = await client.say("weather?")

    assert turn.said == ["Fine."]
    assert len(client.player.asked[1].of("function_call_output")) == 1


async def test_a_write_that_fails_keeps_the_calls_for_the_next_one(
    chat: MakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "def refund(order: str) -> str:\n    return 'refunded ' + order\n"
    client = await chat({"tools": {"refund": "pay:refund"}, "agents": {"helper": {"tools": ["refund"]}}}, pay_py=code)
    client.player.replies = [[call("refund", order="A-1")], "Done.", "Already done."]
    write_items, failures = client.runtime.store.write_items, [OSError("disk full")]

    async def fail_once(*args: Any, **kwargs: Any) -> None:
        if failures and any(item.type == "assistant_message" for item in args[2]):
            raise failures.pop()
        await write_items(*args, **kwargs)

    monkeypatch.setattr(client.runtime.store, "write_items", fail_once)
    failed = await client.say("refund A-1")
    await client.say("again", failed.thread_id)

    assert failed.of("error")
    assert client.player.asked[-1].of("function_call_output")[0]["output"] == "refunded A-1"


async def test_an_image_does_not_push_the_conversation_out_of_view(chat: MakeChat) -> None:
    from datetime import UTC, datetime

    from chatkit.types import GeneratedImage, GeneratedImageItem

    client = await chat()
    first = await client.say("my name is Ann")
    url = "data:image/png;base64," + "A" * 1_500_000
    item = GeneratedImageItem(
        id="img", thread_id=first.thread_id, created_at=datetime.now(UTC), image=GeneratedImage(id="i", url=url)
    )
    await client.runtime.store.write_items("local", first.thread_id, [item])

    await client.say("what is my name?", first.thread_id)

    assert any("my name is Ann" in str(told) for told in client.player.asked[-1].input)


async def test_what_a_tool_notes_on_the_thread_stays_through_everything_it_sends(chat: MakeChat) -> None:
    code = """
from agents import RunContextWrapper
async def note(ctx: RunContextWrapper) -> str:
    metadata = ctx.context.thread.metadata
    metadata["a"] = 1
    await ctx.context.progress("noted")
    metadata["b"] = 2
    return "noted"
"""
    client = await chat({"tools": {"note": "notes:note"}, "agents": {"helper": {"tools": ["note"]}}}, notes_py=code)
    client.player.replies = [[call("note")], "Fine."]

    turn = await client.say("note it")

    stored = await client.runtime.store.load_thread("local", turn.thread_id)
    assert stored.metadata == {"a": 1, "b": 2}


async def test_a_retry_whose_answer_shows_nothing_still_replaces_the_old_one(chat: MakeChat) -> None:
    client = await chat(
        {"tools": {"flash": {"effect": "flash", "stop": True}}, "agents": {"helper": {"tools": ["flash"]}}}
    )
    client.player.replies = ["Old answer.", [call("flash")]]
    first = await client.say("flash!")
    message = first.done("user_message")[0]["id"]

    retried = await client.call("threads.retry_after_item", thread_id=first.thread_id, item_id=message)

    assert retried.of("client_effect")
    assert [item["type"] for item in await client.items(first.thread_id)] == ["user_message"]


async def test_a_long_turn_of_calls_keeps_its_own_question_in_view(chat: MakeChat) -> None:
    code = "def step(n: int) -> str:\n    return f'step {n}'\n"
    tools = {"step": "steps:step", "pick": {"client": "pick"}}
    client = await chat(
        {"tools": tools, "agents": {"helper": {"tools": ["step", "pick"]}}, "chat": {"history": {"items": 2}}},
        steps_py=code,
    )
    client.player.replies = [*([call("step", n=n)] for n in range(3)), [call("pick")], "Fine."]
    first = await client.say("walk three steps")

    resumed = await client.result(first.thread_id, {"picked": 1})

    assert resumed.said == ["Fine."]
    assert any("walk three steps" in str(told) for told in client.player.asked[-1].input)


async def test_a_folder_named_like_the_sdk_does_not_take_its_place(chat: MakeChat) -> None:
    code = "from agents import function_tool\n\n@function_tool\ndef hello() -> str:\n    return 'hi'\n"
    client = await chat(
        {"tools": {"hello": "greet:hello"}, "agents": {"helper": {"tools": ["hello"]}}},
        greet_py=code,
        agents__notes_py="NOTES = 1\n",
    )
    assert (await client.say("hello")).said == ["Fine."]


async def test_a_module_with_the_name_of_an_installed_one_is_refused(chat: MakeChat) -> None:
    with pytest.raises(ConfigError, match=r"'agents' has the name of an installed module"):
        await chat(
            {"tools": {"hello": "agents:hello"}, "agents": {"helper": {"tools": ["hello"]}}}, agents_py="x = 1\n"
        )


async def test_a_page_of_another_site_cannot_post_without_asking(chat: MakeChat) -> None:
    client = await chat()
    refused = await client.start(b'{"type": "threads.list", "params": {}}', {"content-type": "text/plain"}).end()
    assert (refused.status, refused.error["code"]) == (415, "unsupported_media_type")


async def test_a_payload_of_the_wrong_kind_does_not_pass_for_an_empty_one(chat: MakeChat) -> None:
    actions = {"ask": {"message": "More", "payload": {"type": "object"}}}
    client = await chat({"actions": actions})
    first = await client.say("hi")
    for payload in (0, False, "", []):
        assert (await client.act(first.thread_id, "ask", payload)).status == 400
    assert (await client.act(first.thread_id, "ask")).said == ["Fine."]


async def test_a_tool_that_raises_is_in_the_log_with_its_name_and_its_place(
    chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    code = "def greet(name: str) -> str:\n    raise ValueError('boom')\n"
    client = await chat({"tools": {"hello": "greet:greet"}, "agents": {"helper": {"tools": ["hello"]}}}, greet_py=code)
    client.player.replies = [[call("hello", name="Ann")], "Sorry."]

    turn = await client.say("hello")

    assert turn.said == ["Sorry."]
    record = next(record for record in caplog.records if record.name == "runtime.tools")
    assert record.getMessage() == f"tool 'hello' of agent 'helper' failed in thread {turn.thread_id}: ValueError: boom"
    assert record.exc_info is not None
    assert "line 2, in greet" in caplog.text


@pytest.mark.parametrize(
    ("tools", "files"),
    [
        ({"show": {"widget": "card", "stop": True}}, {}),
        (
            {"show": {"python": "shows:show", "stop": True}},
            {"shows_py": "def show(id: str) -> str:\n    raise OSError\n"},
        ),
    ],
)
async def test_the_turn_goes_on_when_the_tool_that_would_end_it_fails(
    chat: MakeChat, tools: dict[str, Any], files: dict[str, str]
) -> None:
    data = {
        "type": "object",
        "properties": {"id": {"type": "string"}},
        "required": ["id"],
        "additionalProperties": False,
    }
    widgets = {"card": {**CARD["card"], "data": data}}
    client = await chat({"tools": tools, "widgets": widgets, "agents": {"helper": {"tools": ["show"]}}}, **files)
    client.player.replies = [[call("show", di="A-1")], [call("show", id="A-1")] if not files else "Sorry."]

    turn = await client.say("show it")

    assert turn.said or turn.done("widget")
    assert len(client.player.asked) == 2


@pytest.mark.parametrize(
    ("config", "files", "told"),
    [
        (
            {"tools": {"t": "mod:f"}},
            {"mod_py": "def f(name): return name\n"},
            "parameter 'name' of 'f' has no type hint",
        ),
        (
            {"tools": {"t": "mod:f"}},
            {"mod_py": "import sys\nsys.exit(7)\ndef f(): ...\n"},
            r"importing 'mod' called sys.exit\(7\)",
        ),
        ({"actions": {"a": "mod:f"}}, {"mod_py": "def f(x): ...\n"}, "it takes one argument"),
        (
            {"converter": "mod:C"},
            {
                "mod_py": "from chatkit.agents import ThreadItemConverter\n"
                "class C(ThreadItemConverter):\n    def __init__(self, url): ...\n"
            },
            "nothing is given for 'url'",
        ),
    ],
)
async def test_python_that_cannot_work_is_refused_before_it_serves(
    chat: MakeChat, config: dict[str, Any], files: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        await chat(config, **files)


async def test_a_broken_widget_is_reported_once_and_not_at_each_use(chat: MakeChat) -> None:
    widgets = {"card": {"template": {"type": "Crad"}}}
    tools = {"show": {"widget": "card"}, "again": {"widget": "card"}}
    with pytest.raises(ConfigError) as refused:
        await chat({"tools": tools, "widgets": widgets, "agents": {"helper": {"tools": ["show", "again"]}}})
    assert [diagnostic.code for diagnostic in refused.value.diagnostics if diagnostic.severity == "error"] == ["A412"]


@pytest.mark.parametrize("does", ["call_client('pick')", "answer()"])
async def test_a_sync_action_that_starts_a_turn_gets_an_error(chat: MakeChat, does: str) -> None:
    code = f"async def act(ctx, action, sender):\n    await ctx.context.{does}\n"
    client = await chat({"actions": {"act": {"python": "acts:act", "sync": True}}}, acts_py=code)
    thread = (await client.say("hi")).thread_id
    refused = await client.act_now(thread, "act")
    assert (refused.status, refused.error["code"]) == (501, "not_supported")
