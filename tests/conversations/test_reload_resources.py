"""Which objects outlive a reload, and which are closed with the last generation that uses them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conversations.conftest import MakeChat
from tests.conversations.editing import drained, edit, reloaded, write
from tests.conversations.playing import call

COUNTER = """
class Counter:
    made = []

    def __init__(self) -> None:
        self.count, self.closed = 0, 0
        Counter.made.append(self)

    def close(self) -> None:
        self.closed += 1
"""
DUMPED = (
    COUNTER
    + """
    def dump(self):
        return {"count": self.count}

    def load(self, data):
        self.count = data["count"] + BONUS

BONUS = 0
"""
)
TOOLS = """
from agents import RunContextWrapper

def count(ctx: RunContextWrapper) -> str:
    "Count."
    ctx.context.counter.count += 1
    return str(ctx.context.counter.count)
"""
CONFIG = {"agents": {"helper": {"tools": ["app.tools:count"]}}, "state": {"counter": "app.state:Counter"}}


async def _count(client: Any) -> str:
    client.player.replies = [[call("count")], "Done."]
    await client.say("go")
    return str(client.player.asked[-1].of("function_call_output")[0]["output"])


async def test_state_survives_an_edit_of_the_yaml(chat: MakeChat) -> None:
    client = await chat(CONFIG, app__tools_py=TOOLS, app__state_py=COUNTER)
    kept = client.runtime.state["counter"]
    assert await _count(client) == "1"
    await reloaded(client, {"chat": {"greeting": "Hello"}})
    assert await _count(client) == "2"
    await drained(client)
    assert client.runtime.state["counter"] is kept
    assert (kept.closed, len(type(kept).made)) == (0, 1)


SIZED = """
class Shelf:
    def __init__(self, size, room="hall"):
        self.size, self.room = size, room

def build(size):
    return Shelf(size, "attic")
"""


async def test_state_is_made_with_the_arguments_of_with_and_anew_where_they_change(chat: MakeChat) -> None:
    def declared(size: int) -> dict[str, Any]:
        shelf = {"python": "app.state:Shelf", "with": {"size": size}}
        return {"state": {"shelf": shelf, "other": {"python": "app.state:build", "with": {"size": 1}}}}

    client = await chat(declared(3), app__state_py=SIZED)
    first = dict(client.runtime.state)
    assert [(shelf.size, shelf.room) for shelf in first.values()] == [(3, "hall"), (1, "attic")]
    await reloaded(client, {"chat": {"greeting": "Hi"}})
    assert dict(client.runtime.state) == first
    await reloaded(client, declared(4))
    assert client.runtime.state["shelf"].size == 4
    assert client.runtime.state["other"] is first["other"]


async def test_state_crosses_an_edit_of_the_code_as_json(chat: MakeChat) -> None:
    client = await chat(CONFIG, app__tools_py=TOOLS, app__state_py=DUMPED)
    old = client.runtime.state["counter"]
    assert await _count(client) == "1"
    await reloaded(client, app__state_py=DUMPED.replace("BONUS = 0", "BONUS = 10"))
    assert await _count(client) == "12"
    await drained(client)
    assert client.runtime.state["counter"] is not old
    assert (old.closed, client.runtime.state["counter"].closed) == (1, 0)


async def test_a_load_that_is_a_classmethod_makes_the_object(chat: MakeChat) -> None:
    loading = DUMPED.replace(
        '    def load(self, data):\n        self.count = data["count"] + BONUS\n',
        "    @classmethod\n    def load(cls, data):\n        made = cls()\n"
        "        made.count = data['count']\n        return made\n",
    )
    client = await chat(CONFIG, app__tools_py=TOOLS, app__state_py=loading)
    assert await _count(client) == "1"
    await reloaded(client, app__state_py=loading + "\n# edited\n")
    assert await _count(client) == "2"
    await reloaded(client, {"chat": {"greeting": "Hello"}})
    assert await _count(client) == "3"


async def test_state_that_cannot_cross_begins_empty_and_that_is_said(chat: MakeChat) -> None:
    client = await chat(CONFIG, app__tools_py=TOOLS, app__state_py=COUNTER)
    assert await _count(client) == "1"
    outcome = await reloaded(client, app__state_py=COUNTER + "\n# edited\n")
    assert "state.counter" in outcome.message
    assert await _count(client) == "1"


@pytest.mark.parametrize("broken", ["raise OSError('no')", "return {'count': object()}", "return {}"])
async def test_state_that_fails_to_cross_refuses_the_reload(chat: MakeChat, broken: str) -> None:
    client = await chat(CONFIG, app__tools_py=TOOLS, app__state_py=DUMPED)
    good = client.runtime.state["counter"]
    write(client, app__state_py=DUMPED.replace('return {"count": self.count}', broken))
    # The object that dumps is the old one: the edit that breaks dump() takes effect, the one after it is refused.
    assert (await client.runtime.reload()).status == "reloaded"
    outcome = await edit(client, app__state_py=DUMPED)
    assert (outcome.status, [d.code for d in outcome.diagnostics]) == ("refused", ["A316"])
    assert "'Counter'" in outcome.diagnostics[0].message
    assert client.runtime.state["counter"] is not good
    await drained(client)
    assert client.runtime.state["counter"].closed == 0


async def test_clients_of_unchanged_models_survive_and_the_others_are_closed_when_nobody_uses_them(
    chat: MakeChat,
) -> None:
    def models(port: int) -> dict[str, Any]:
        return {
            "default": {"python": "tests.conversations.playing:find", "with": {"name": client.player.stage_name}},
            "same": {"name": "m", "api_key": "k", "base_url": "http://127.0.0.1:9/v1"},
            "other": {"name": "m", "api_key": "k", "base_url": f"http://127.0.0.1:{port}/v1"},
        }

    agents = {"helper": {}, "same": {"model": "same"}, "other": {"model": "other"}}
    client = await chat()
    await reloaded(client, {"entry": "helper", "agents": agents, "models": models(10)})
    same, other = (client.runtime.agents[name].model._client for name in ("same", "other"))  # type: ignore[union-attr]
    gate = client.player.gate("wait")
    client.player.replies = ["wait", "Fine."]
    running = client.begin("hi")
    await gate.reached.wait()
    await reloaded(client, {"models": models(11)})
    assert client.runtime.agents["same"].model._client is same  # type: ignore[union-attr]
    await client.runtime.live.wait_closed()
    assert not other.is_closed()
    gate.open.set()
    await running.end()
    await drained(client)
    assert (other.is_closed(), same.is_closed()) == (True, False)


async def test_the_store_survives_and_another_one_takes_over_where_the_file_names_one(
    chat: MakeChat, tmp_path: Path
) -> None:
    client = await chat({"store": "sqlite:///one.db"})
    first = client.runtime.store
    thread = (await client.say("hi")).thread_id
    await reloaded(client, {"chat": {"greeting": "Hello"}})
    assert client.runtime.store is first
    assert len(await client.items(thread)) == 2
    await reloaded(client, {"store": "sqlite:///two.db"})
    assert client.runtime.store is not first
    assert (await client.call("threads.get_by_id", thread_id=thread)).status == 404
    await reloaded(client, {"store": "sqlite:///one.db"})
    assert len(await client.items(thread)) == 2


async def test_threads_in_memory_survive_edits_of_what_holds_for_databases(chat: MakeChat) -> None:
    client = await chat({"store": "memory"})
    thread = (await client.say("hi")).thread_id
    await reloaded(client, {"store": {"url": "memory", "timeout": "10s", "connections": 3}})
    assert len(await client.items(thread)) == 2


async def test_an_edit_of_the_stores_limits_takes_effect(chat: MakeChat) -> None:
    client = await chat({"store": "sqlite:///one.db"})
    first, thread = client.runtime.store, (await client.say("hi")).thread_id
    await reloaded(client, {"store": {"url": "sqlite:///one.db", "timeout": "10s"}})
    assert client.runtime.store is not first
    assert len(await client.items(thread)) == 2


async def test_a_store_that_cannot_be_opened_refuses_the_reload(chat: MakeChat) -> None:
    client = await chat({"store": "sqlite:///one.db"})
    (client.folder / "folder.db").mkdir()
    outcome = await edit(client, {"store": "sqlite:///folder.db"})
    assert (outcome.status, [d.code for d in outcome.diagnostics]) == ("refused", ["A610"])
    assert (await client.say("hi")).said == ["Fine."]


ROUTES = """
from contextlib import asynccontextmanager
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
import asyncio

seen = []
gate = asyncio.Event()

@asynccontextmanager
async def lifespan(app):
    task = asyncio.current_task()
    seen.append("begin")
    yield {"word": WORD}
    seen.append("end" if asyncio.current_task() is task else "end in another task")

router = APIRouter(lifespan=lifespan)

@router.get("/word")
async def word(request: Request):
    return {"word": WORD, "state": request.state.word, "runtime": request.app.state.runtime.config.version}

@router.get("/slow")
async def slow():
    async def lines():
        yield WORD
        await gate.wait()
        yield WORD
    return StreamingResponse(lines())

WORD = "one"
"""


async def test_routes_belong_to_their_generation_and_so_do_their_lifespans(chat: MakeChat) -> None:
    client = await chat({"routes": ["app.routes:router"]}, app__routes_py=ROUTES)
    assert (await client.get("/word")).json == {"word": "one", "state": "one", "runtime": 1}
    code = client.runtime.generation.snapshot.code
    slow = client.request("GET", "/slow")
    await slow.until(lambda exchange: exchange.body)
    await reloaded(client, app__routes_py=ROUTES.replace('WORD = "one"', 'WORD = "two"'))
    assert (await client.get("/word")).json == {"word": "two", "state": "two", "runtime": 1}
    seen = code.resolve("app.routes:seen")
    await client.runtime.live.wait_closed()
    assert seen == ["begin"]
    code.resolve("app.routes:gate").set()
    await slow.end()
    assert slow.body == b"oneone"
    await drained(client)
    assert seen == ["begin", "end"]
    await reloaded(client, {"routes": []})
    assert (await client.get("/word")).status == 404


async def test_a_route_whose_lifespan_fails_refuses_the_reload(chat: MakeChat) -> None:
    client = await chat({"routes": ["app.routes:router"]}, app__routes_py=ROUTES)
    outcome = await edit(client, app__routes_py=ROUTES.replace('seen.append("begin")', "raise OSError('no port')"))
    assert (outcome.status, [d.code for d in outcome.diagnostics]) == ("refused", ["A610"])
    assert "no port" in outcome.diagnostics[0].message
    assert (await client.get("/word")).json["word"] == "one"


async def test_the_path_the_options_and_other_origins_follow_the_file(chat: MakeChat) -> None:
    client = await chat({"server": {"cors": ["http://one.example"]}})
    await reloaded(
        client, {"server": {"path": "/talk", "cors": ["http://two.example"]}, "chat": {"greeting": "Welcome"}}
    )
    assert (await client.say("hi")).status == 404
    client.path = "/talk"
    assert (await client.say("hi")).said == ["Fine."]
    assert (await client.get("/talk/options.json")).json["startScreen"]["greeting"] == "Welcome"
    for origin, allowed in (("http://one.example", None), ("http://two.example", "http://two.example")):
        answer = await client.get("/talk/options.json", {"origin": origin})
        assert answer.headers.get("access-control-allow-origin") == allowed


async def test_at_the_limit_of_generations_an_edit_waits_until_one_has_ended(chat: MakeChat) -> None:
    client = await chat({"reload": {"generations": 2}})
    gate = client.player.gate("wait")
    client.player.replies = ["wait", "Fine."]
    running = client.begin("hi")
    await gate.reached.wait()
    await reloaded(client, {"chat": {"greeting": "two"}})
    told: asyncio.Queue[Any] = asyncio.Queue()
    client.runtime.reloader.listeners.append(told.put_nowait)
    outcome = await edit(client, {"chat": {"greeting": "three"}})
    assert (outcome.status, outcome.number) == ("full", 2)
    assert (await told.get()).status == "full"
    # It need not be asked for again; and the last content wins, not the one that was waiting.
    write(client, {"chat": {"greeting": "four"}})
    gate.open.set()
    assert (await running.end()).said == ["wait"]
    while (outcome := await asyncio.wait_for(told.get(), 180)).status != "reloaded":
        assert outcome.status == "full"
    assert outcome.number == 3
    assert client.runtime.config.chat.greeting == "four"


async def test_at_the_limit_the_oldest_streams_can_be_ended_as_errors_to_be_retried(chat: MakeChat) -> None:
    client = await chat({"reload": {"generations": 2, "at_limit": "end_oldest"}})
    gate = client.player.gate("wait")
    client.player.replies = [["Hello ", "wait "], ["Hello ", "wait "]]
    oldest = client.begin("hi")
    await gate.reached.wait()
    await reloaded(client, {"chat": {"greeting": "two"}})
    newer = client.begin("hi")
    await client.player.until(lambda player: len(player.asked) == 2)
    await reloaded(client, {"chat": {"greeting": "three"}})
    await oldest.end()
    assert oldest.complete
    error = oldest.events[-1]
    assert (error["type"], error["allow_retry"]) == ("error", True)
    assert "updated" in error["message"]
    hidden = json.dumps([item.model_dump(mode="json") for item in await client.hidden(oldest.thread_id)])
    assert "Hello" in hidden
    assert "cancel" not in hidden.lower()
    gate.open.set()
    assert "".join((await newer.end()).said) == "Hello wait "
    await drained(client)
    assert client.runtime.live.old == []


@pytest.mark.parametrize(
    ("key", "files"),
    [
        ("state", {"app__state_py": "import sys\n\nclass Counter:\n    def __init__(self):\n        sys.exit('no')"}),
        ("routes", {"app__routes_py": ROUTES.replace('seen.append("begin")', "raise SystemExit('no')")}),
    ],
)
async def test_code_that_exits_refuses_the_reload_and_ends_nothing(chat: MakeChat, key: str, files: Any) -> None:
    config = {"state": {"state": {"counter": "app.state:Counter"}}, "routes": {"routes": ["app.routes:router"]}}[key]
    client = await chat(config, app__state_py=COUNTER, app__routes_py=ROUTES)
    outcome = await edit(client, **files)
    assert outcome.status == "refused"
    assert "exit" in outcome.diagnostics[0].message.lower()
    assert (await client.say("hi")).said == ["Fine."]


async def test_an_object_that_a_module_holds_is_not_closed_while_the_module_is_in_use(chat: MakeChat) -> None:
    held = COUNTER + "\ncounter = Counter()\n"
    config = {"agents": {"helper": {"tools": ["app.tools:count"]}}, "state": {"counter": "app.state:counter"}}
    client = await chat(config, app__tools_py=TOOLS, app__state_py=held)
    kept = client.runtime.state["counter"]
    await reloaded(client, {"state": {"counter": "app.state:counter", "again": "app.state:counter"}})
    await reloaded(client, {"state": {"counter": "app.state:counter"}})
    await drained(client)
    assert (client.runtime.state["counter"] is kept, kept.closed) == (True, 0)
    assert await _count(client) == "1"


async def test_each_generation_has_an_app_state_of_its_own(chat: MakeChat) -> None:
    routes = """
from contextlib import asynccontextmanager
from fastapi import APIRouter, Request

@asynccontextmanager
async def lifespan(app):
    app.state.open = True
    yield
    app.state.open = False

router = APIRouter(lifespan=lifespan)

@router.get("/open")
async def is_open(request: Request):
    return request.app.state.open
"""
    client = await chat({"routes": ["app.routes:router"]}, app__routes_py=routes)
    await reloaded(client, {"chat": {"greeting": "Hello"}})
    await drained(client)
    assert (await client.get("/open")).json is True


@pytest.mark.parametrize("ended_by", ["limit", "shutdown"])
async def test_a_message_that_waits_for_an_answer_that_is_ended_is_refused_and_nothing_of_it_is_stored(
    chat: MakeChat, ended_by: str
) -> None:
    client = await chat({"reload": {"generations": 2, "at_limit": "end_oldest"}, "chat": {"when_busy": "wait"}})
    gate = client.player.gate("wait")
    client.player.replies = [["Hello ", "wait "], "Fine."]
    first = client.begin("hi")
    await gate.reached.wait()
    waiting = client.begin("and", first.thread_id)
    for _ in range(5):
        await asyncio.sleep(0)
    if ended_by == "limit":
        await reloaded(client, {"chat": {"greeting": "two", "when_busy": "wait"}})
        await reloaded(client, {"chat": {"greeting": "three", "when_busy": "wait"}})
    else:
        await client.runtime.drain(0)
    await first.end()
    assert (first.events[-1]["type"], first.events[-1]["allow_retry"]) == ("error", True)
    await waiting.end()
    assert (waiting.status, waiting.headers["retry-after"]) == (503, "1")
    assert [item["content"][0]["text"] for item in await client.items(first.thread_id)] == ["hi", "Hello "]


async def test_a_project_that_is_opened_again_runs_on_fresh_code(chat: MakeChat) -> None:
    client = await chat(CONFIG, app__tools_py=TOOLS, app__state_py=COUNTER)
    first = client.runtime.state["counter"]
    await client.runtime.close()
    assert first.closed == 1
    await client.runtime.open()
    assert client.runtime.state["counter"] is not first
    assert await _count(client) == "1"


async def test_tools_that_hold_every_thread_do_not_hold_up_a_reload(chat: MakeChat) -> None:
    import threading

    release = threading.Event()
    client = await chat()
    loop = asyncio.get_running_loop()
    held = [loop.run_in_executor(None, release.wait) for _ in range(40)]
    try:
        await asyncio.wait_for(reloaded(client, {"chat": {"greeting": "Hello"}}), 180)
    finally:
        release.set()
        await asyncio.gather(*held)


async def test_an_edit_that_is_taken_back_is_no_half_written_file(chat: MakeChat) -> None:
    client = await chat({"agents": {"helper": {"instructions": {"file": "prompt.md"}}}}, prompt_md="One.")
    assert (await edit(client, explicit=False, prompt_md="One. Two.")).status == "reloaded"
    assert (await edit(client, explicit=False, prompt_md="One.")).status == "reloaded"
    assert (await edit(client, explicit=False, prompt_md="On")).status == "held"


async def test_what_a_refused_build_has_made_is_closed_again(chat: MakeChat) -> None:
    state = """
closed = []

class Counter:
    async def aclose(self):
        closed.append(self)
"""
    tools = "from agents import RunContextWrapper\n\ndef go() -> str:\n    'Go.'\n    return ''\n"
    client = await chat(app__tools_py=tools, app__state_py=state)
    held = len(client.runtime.pool)
    closed = client.runtime.generation.snapshot.code.resolve("app.state:closed")
    broken = {"state": {"counter": "app.state:Counter"}, "agents": {"helper": {"tools": ["app.tools:nothing"]}}}
    for count in (1, 2):
        assert (await edit(client, broken)).status == "refused"
        assert (len(closed), len(client.runtime.pool)) == (count, held)


RATES = """
import json
from pathlib import Path

RATES = json.loads((Path(__file__).parents[1] / "data/rates.json").read_text())

class Log:
    def __init__(self):
        self.lines = []
    def dump(self):
        return self.lines
    def load(self, lines):
        self.lines = lines

def rate(currency: str) -> str:
    "Look a rate up."
    return str(RATES[currency])
"""


async def test_an_edit_of_data_that_python_reads_takes_effect_where_it_is_watched(chat: MakeChat) -> None:
    config = {
        "agents": {"helper": {"tools": ["app.rates:rate"]}},
        "state": {"log": "app.rates:Log"},
        "reload": {"watch": ["data/*.json"]},
    }
    client = await chat(config, app__rates_py=RATES, data__rates_json='{"EUR": 1}')
    client.runtime.state["log"].lines.append("first")
    first = client.runtime.state["log"]
    outcome = await reloaded(client, data__rates_json='{"EUR": 2}')
    assert outcome.changes is not None
    assert outcome.changes.files == ("data/rates.json",)
    client.player.replies = [[call("rate", currency="EUR")], "Done."]
    await client.say("go")
    assert client.player.asked[-1].of("function_call_output")[0]["output"] == "2"
    # What `dump` gives crosses, as after an edit of the Python.
    assert client.runtime.state["log"] is not first
    assert client.runtime.state["log"].lines == ["first"]
    await reloaded(client, data__more_json="{}")
    refused = await edit(client, data__rates_json="{")
    assert refused.status in ("refused", "held")


async def test_data_that_is_not_watched_changes_nothing(chat: MakeChat) -> None:
    config = {"agents": {"helper": {"tools": ["app.rates:rate"]}}}
    client = await chat(config, app__rates_py=RATES, data__rates_json='{"EUR": 1}')
    assert (await edit(client, data__rates_json='{"EUR": 2}')).status == "unchanged"
