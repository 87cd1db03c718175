"""An edit takes effect with the next turn, and every answer ends on what it began with."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.assemble.project import Snapshot
from runtime.server.generations.generation import Generation
from runtime.server.generations.project_source import ProjectSource
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.editing import drained, edit, reloaded, write
from tests.conversations.playing import call

STAMPED = {"agents": {"helper": {"instructions": "one", "tools": ["app.tools:stamp"]}}}
TOOLS = """
from app.stamp import STAMP

def stamp() -> str:
    "The stamp of this code."
    from app import lazy
    return f"{STAMP} {lazy.STAMP}"
"""


@pytest.fixture(autouse=True)
def _modules_as_before(tmp_path: Path) -> Iterator[None]:
    yield
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "") or "").startswith(str(tmp_path)):
            del sys.modules[name]


def _code(stamp: str) -> dict[str, str]:
    module = f"STAMP = {stamp!r}"
    return {"app__tools_py": TOOLS, "app__stamp_py": module, "app__lazy_py": module}


def _stamps(client: Chat) -> list[str]:
    return [result["output"] for result in client.player.asked[-1].of("function_call_output")]


async def test_an_edit_of_the_instructions_is_what_the_next_turn_runs_on(chat: MakeChat) -> None:
    client = await chat({"agents": {"helper": {"instructions": "one"}}})
    first = await client.say("hi")
    outcome = await reloaded(client, {"agents": {"helper": {"instructions": "two"}}})
    await client.say("hi again", first.thread_id)
    assert [asked.instructions for asked in client.player.asked] == ["one", "two"]
    assert (outcome.number, client.runtime.generation.number) == (2, 2)
    assert str(outcome.changes) == "agents ~helper (agents.yaml)"


@pytest.mark.parametrize("kind", ["prompt", "widget", "module", "variable"])
async def test_every_kind_of_file_is_read_again_after_an_edit(chat: MakeChat, kind: str) -> None:
    config = {
        "agents": {"helper": {"instructions": {"file": "prompt.md"}, "tools": ["card", "app.tools:stamp"]}},
        "tools": {"card": {"widget": "card", "description": "${WORD:-nothing}"}},
        "widgets": {"card": {"template": "card.json"}},
    }
    card = {"type": "Card", "children": [{"type": "Text", "value": "one"}]}
    files = {"prompt_md": "one", "card_json": json.dumps(card), **_code("one")}
    client = await chat(config, **files)
    edits: dict[str, dict[str, str]] = {
        "prompt": {"prompt_md": "two"},
        "widget": {"card_json": json.dumps(card).replace("one", "two")},
        "module": {"app__stamp_py": "STAMP = 'two'"},
        "variable": {".env": "WORD=two"},
    }
    if kind == "variable":
        (client.folder / ".env").write_text("WORD=two")
        assert (await client.runtime.reload()).status == "reloaded"
    else:
        await reloaded(client, **edits[kind])
    client.player.replies = [[call("stamp"), call("card")], "Done."]
    answer = await client.say("go")
    seen = {
        "prompt": client.player.asked[-1].instructions,
        "widget": json.dumps(answer.done("widget")),
        "module": _stamps(client)[0],
        "variable": client.runtime.tools["card"].tool.description,
    }
    for other, text in seen.items():
        assert ("two" in str(text)) == (other == kind), other


async def test_a_stream_ends_on_what_it_began_with_lazy_imports_included(chat: MakeChat) -> None:
    client = await chat(STAMPED, **_code("one"))
    client.player.replies = [["wait", call("stamp")], "Done.", [call("stamp")], "Done."]
    gate = client.player.gate("wait")
    running = client.begin("go")
    await gate.reached.wait()
    await reloaded(
        client, {"agents": {"helper": {"instructions": "two", "tools": ["app.tools:stamp"]}}}, **_code("two")
    )
    gate.open.set()
    await running.end()
    assert running.complete
    assert (_stamps(client), client.player.asked[-1].instructions) == (["one one"], "one")
    client.player.gates.clear()
    await client.say("go")
    assert (_stamps(client), client.player.asked[-1].instructions) == (["two two"], "two")


async def test_a_message_that_waits_for_its_thread_does_not_mix_generations(chat: MakeChat) -> None:
    client = await chat({**STAMPED, "chat": {"when_busy": "wait"}}, **_code("one"))
    client.player.replies = ["wait", [call("stamp")], "Done."]
    first = client.begin("hi")
    gate = client.player.gate("wait")
    await gate.reached.wait()
    waiting = client.begin("and", first.thread_id)
    await reloaded(
        client, {"agents": {"helper": {"instructions": "two", "tools": ["app.tools:stamp"]}}}, **_code("two")
    )
    gate.open.set()
    await first.end()
    await waiting.end()
    assert (client.player.asked[-1].instructions, _stamps(client)) == ("one", ["one one"])


BROKEN: dict[str, tuple[dict[str, str], str, str]] = {
    "yaml": ({"agents_yaml": "version: 1\nagents: {helper: {"}, "yaml", "A010"),
    "schema": (
        {
            "agents_yaml": '{"version": 1, "models": {"default": {"scripted": "s.yaml"}}, '
            '"agents": {"helper": {"instrutions": "x"}}}',
            "s_yaml": "otherwise: Fine.",
        },
        "schema",
        "A101",
    ),
    "half an entry": (
        {"agents_yaml": "version: 1\nagents:\n  helper:\n    handoffs: [{agent: b, tool_name: }, {agnt: b}]\n"},
        "references",
        "A101",
    ),
    "reference": (
        {"agents_yaml": '{"version": 1, "agents": {"helper": {"handoffs": ["nobody"]}}}'},
        "references",
        "A205",
    ),
    "syntax": ({"app__tools_py": "def stamp(:\n"}, "python", "A322"),
    "raises": ({"app__stamp_py": "STAMP = 1 / 0"}, "python", "A322"),
    "exits": ({"app__stamp_py": "import sys\nsys.exit(3)"}, "python", "A322"),
    "gone": ({"app__tools_py": "def other() -> str:\n    'x'\n    return ''"}, "python", "A321"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_edit_changes_nothing_and_the_next_good_one_takes_effect(chat: MakeChat, name: str) -> None:
    client = await chat(STAMPED, **_code("one"))
    before = {key: module for key, module in sys.modules.items() if key.partition(".")[0] == "app"}
    good = (client.folder / "agents.yaml").read_text()
    files, cause, code = BROKEN[name]
    outcome = await edit(client, **files)
    assert (outcome.status, outcome.cause, outcome.number) == ("refused", cause, 1)
    assert code in [diagnostic.code for diagnostic in outcome.diagnostics]
    assert client.runtime.reloader.last_error is outcome
    after = {key: module for key, module in sys.modules.items() if key.partition(".")[0] == "app"}
    assert after == before
    client.player.replies = [[call("stamp")], "Done."]
    await client.say("go")
    assert _stamps(client) == ["one one"]
    await reloaded(client, agents_yaml=good, **_code("two"))
    client.player.replies = [[call("stamp")], "Done."]
    await client.say("go")
    assert (_stamps(client), client.runtime.generation.number) == (["two two"], 2)
    assert client.runtime.reloader.last_error is None


async def test_a_refused_edit_is_logged_once_however_often_the_files_are_scanned(chat: MakeChat) -> None:
    client = await chat()
    told: list[str] = []
    client.runtime.on_reload(lambda outcome: told.append(outcome.status))
    good = (client.folder / "agents.yaml").read_text()
    for _ in range(3):
        outcome = await edit(client, explicit=False, agents_yaml="version: 2\n")
        assert outcome.status == "refused"
        assert outcome.diagnostics
    assert told == ["refused"]
    # An explicit reload is reported again; so is undoing the edit.
    assert (await client.runtime.reload()).status == "refused"
    assert (await edit(client, explicit=False, agents_yaml=good)).status == "unchanged"
    assert told == ["refused", "refused", "unchanged"]
    assert client.runtime.reloader.last_error is None
    assert client.runtime.reloader.counts == {"refused:schema": 2, "unchanged": 1}


async def test_the_same_content_is_no_reload(chat: MakeChat) -> None:
    client = await chat()
    generation = client.runtime.generation
    os.utime(client.folder / "agents.yaml")
    assert (await client.runtime.reload()).status == "unchanged"
    assert client.runtime.generation is generation


async def test_an_edit_of_the_same_size_in_the_same_second_takes_effect(chat: MakeChat) -> None:
    client = await chat(STAMPED, **_code("one"))
    for stamp in ("two", "six", "ten"):
        stat = (client.folder / "app/stamp.py").stat()
        write(client, app__stamp_py=f"STAMP = {stamp!r}", app__lazy_py=f"STAMP = {stamp!r}")
        os.utime(client.folder / "app/stamp.py", ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert (await client.runtime.reload()).status == "reloaded"
        client.player.replies = [[call("stamp")], "Done."]
        await client.say("go")
        assert _stamps(client) == [f"{stamp} {stamp}"]


async def test_reloads_that_are_asked_for_together_end_with_the_last_content(chat: MakeChat) -> None:
    client = await chat({"agents": {"helper": {"instructions": "0"}}})
    tasks = []
    for number in range(1, 6):
        write(client, {"agents": {"helper": {"instructions": str(number)}}})
        tasks.append(asyncio.create_task(client.runtime.reload()))
        await asyncio.sleep(0)
    outcomes = await asyncio.gather(*tasks)
    numbers = [outcome.number for outcome in outcomes]
    assert numbers == sorted(numbers)
    assert client.runtime.config.agents["helper"].instructions.text == "5"  # type: ignore[union-attr]
    assert {outcome.status for outcome in outcomes} <= {"reloaded", "unchanged"}


@pytest.mark.parametrize("cut", [0, 1, 20, -5])
async def test_a_file_that_looks_half_written_is_held_back_until_it_is_whole_or_meant(chat: MakeChat, cut: int) -> None:
    config = {"agents": {"helper": {"instructions": {"file": "prompt.md"}}}}
    client = await chat(config, prompt_md="Answer in one short sentence, always.\n")
    whole = (client.folder / "prompt.md").read_text()
    outcome = await edit(client, explicit=False, prompt_md=whole[:cut])
    assert outcome.status == "held"
    assert "'prompt.md'" in outcome.message
    assert (await client.runtime.reload(explicit=False)).status == "held"
    assert client.runtime.generation.number == 1
    # Cut short elsewhere is held back as well; something else is not.
    assert (await edit(client, explicit=False, prompt_md=whole[:10])).status == "held"
    assert (await edit(client, explicit=False, prompt_md="Answer in verse.")).status == "reloaded"
    assert (await edit(client, explicit=False, prompt_md="Answer in")).status == "held"
    assert (await client.runtime.reload()).status == "reloaded"
    await client.say("hi")
    assert client.player.asked[-1].instructions == "Answer in"


async def test_a_missing_line_end_is_no_half_written_file(chat: MakeChat) -> None:
    client = await chat({"agents": {"helper": {"instructions": {"file": "prompt.md"}}}}, prompt_md="Answer.\n\n")
    assert (await edit(client, explicit=False, prompt_md="Answer.")).status == "reloaded"


async def test_an_edit_that_goes_on_while_it_is_read_is_read_again(chat: MakeChat) -> None:
    client = await chat({"agents": {"helper": {"instructions": "one"}}})
    reloader, reads = client.runtime.reloader, 0
    read = reloader.read

    def read_and_write() -> ProjectSource:
        nonlocal reads
        reads += 1
        source = read()
        if reads < 4:
            write(client, {"agents": {"helper": {"instructions": f"half {reads}"}}})
        return source

    reloader.read = read_and_write
    await reloaded(client, {"agents": {"helper": {"instructions": "half 0"}}})
    assert client.runtime.config.agents["helper"].instructions.text == "half 3"  # type: ignore[union-attr]
    assert client.runtime.reloader.counts == {"reloaded": 1}


async def test_a_turn_that_outlives_its_client_holds_its_generation(chat: MakeChat) -> None:
    client = await chat({**STAMPED, "chat": {"on_disconnect": "finish"}}, **_code("one"))
    client.player.replies = [["wait", call("stamp")], "Done."]
    gate = client.player.gate("wait")
    running = client.begin("go")
    await gate.reached.wait()
    running.leave()
    old = client.runtime.generation
    await reloaded(client, **_code("two"))
    await client.runtime.live.wait_closed()
    assert not old.closed
    gate.open.set()
    await client.player.until(lambda player: player.finished == 2)
    await asyncio.wait(set(client.runtime.server.tasks))
    await drained(client)
    assert old.closed
    assert _stamps(client) == ["one one"]


def _living(references: Iterable[weakref.ref[Any]]) -> int:
    """Return how many different objects are left."""
    return len({id(found) for one in references if (found := one()) is not None})


async def test_many_reloads_leave_nothing_behind(chat: MakeChat) -> None:
    routes = (
        "from fastapi import APIRouter\n\nrouter = APIRouter()\n\n@router.get('/word')\ndef word():\n    return 1\n"
    )
    sections = {"state": {"kept": "app.kept:Kept"}, "routes": ["app.routes:router"]}
    files = {"app__kept_py": "class Kept: ...", "app__routes_py": routes, **_code("0")}
    client = await chat({**STAMPED, **sections}, **files)
    alive: list[weakref.ref[Generation]] = []
    snapshots: list[weakref.ref[Snapshot]] = []
    for number in range(40):
        if number % 10 == 9:
            assert (
                await edit(client, agents_yaml="version: 1\nagents: {a: {tools: [app.tools:no]}}")
            ).status == "refused"
        config = {**STAMPED, **sections, "chat": {"greeting": f"Hello {number}"}}
        config["version"] = 1
        write(client, agents_yaml=json.dumps({"store": "memory", "auth": "none", **config, "models": _models(client)}))
        outcome = await edit(client, **(_code(str(number)) if number % 2 else {}))
        assert outcome.status == "reloaded", outcome
        assert (await client.get("/word")).json == 1
        alive.append(weakref.ref(client.runtime.generation))
        snapshots.append(weakref.ref(client.runtime.generation.snapshot.code))  # type: ignore[arg-type]
    await drained(client)
    while _living(alive) > 1 or _living(snapshots) > 1:  # a thread of the last reload may still hold its frame
        await asyncio.sleep(0)
        gc.collect()
    assert (_living(alive), _living(snapshots)) == (1, 1)
    assert client.runtime.live.old == []
    # The code, its state, the model, the store and the threads of tools: what one generation needs.
    assert len(client.runtime.pool) == 5


def _models(client: Chat) -> dict[str, Any]:
    return {"default": {"python": "tests.conversations.playing:find", "with": {"name": client.player.stage_name}}}


async def test_each_thread_remembers_the_generation_of_its_last_turn(chat: MakeChat) -> None:
    client = await chat()
    first = client.runtime.generation.mark
    thread = (await client.say("hi")).thread_id
    other = (await client.say("hi")).thread_id
    assert await client.runtime.store.load_generation("local", thread) == first
    await reloaded(client, {"chat": {"greeting": "Hello"}})
    await client.say("and", thread)
    second = await client.runtime.store.load_generation("local", thread)
    assert second == client.runtime.generation.mark != first
    assert second.number == 2
    assert await client.runtime.store.load_generation("local", other) == first


async def test_a_model_in_python_that_breaks_is_reported_once_and_the_next_edit_takes_effect(chat: MakeChat) -> None:
    model = "from tests.conversations.playing import find\n\ndef build(name):\n    return find(name)\n"
    client = await chat(app__model_py=model)
    config = {"agents": {"helper": {}, "other": {}}, "entry": "helper", "chat": {"title": {"model": "default"}}}
    models = {"default": {"python": "app.model:build", "with": {"name": client.player.stage_name}}}
    await reloaded(client, {**config, "models": models})
    raising = "def build(name):\n    return 1 / 0"
    without = f"raise OSError('no')\n{raising}"
    for broken, code in (("def build(:", "A322"), (without, "A322"), (raising, "A601")):
        outcome = await edit(client, app__model_py=broken)
        assert (outcome.status, [d.code for d in outcome.diagnostics if d.severity == "error"]) == ("refused", [code])
    await reloaded(client, app__model_py=model + "\n# mended\n")
    assert (await client.say("hi")).said == ["Fine."]


async def test_whatever_a_build_raises_is_a_refusal(chat: MakeChat, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await chat()
    with monkeypatch.context() as patched:
        patched.setattr("runtime.server.generations.generation.build", lambda *args: 1 / 0)
        outcome = await edit(client, {"chat": {"greeting": "Hello"}})
    assert (outcome.status, [d.code for d in outcome.diagnostics]) == ("refused", ["A610"])
    assert (await client.runtime.reload()).status == "reloaded"


async def test_a_module_that_was_deleted_is_missed_even_if_it_was_the_last_of_its_package(chat: MakeChat) -> None:
    client = await chat(STAMPED, **_code("one"))
    for file in (client.folder / "app").glob("*.py"):
        file.unlink()
    outcome = await client.runtime.reload()
    assert (outcome.status, outcome.diagnostics[0].code) == ("refused", "A320")
    await reloaded(client, **_code("two"))


async def test_a_file_that_fits_is_included_as_soon_as_it_is_there(chat: MakeChat) -> None:
    client = await chat({"include": ["teams/*.yaml"], "entry": "helper"}, teams__one_yaml="chat: {greeting: Hello}")
    assert client.runtime.config.chat.greeting == "Hello"
    await reloaded(client, teams__two_yaml="agents: {clerk: {instructions: You file.}}")
    assert list(client.runtime.config.agents) == ["helper", "clerk"]
    watched = {
        path.relative_to(client.runtime.root).as_posix() for path in client.runtime.generation.source.watched_files()
    }
    assert {"teams/one.yaml", "teams/two.yaml"} <= watched
    outcome = await edit(client, teams__two_yaml="agents: {clerk: {instruktions: You file.}}")
    errors = [(str(each.place), each.code) for each in outcome.diagnostics if each.severity == "error"]
    assert errors == [("teams/two.yaml:1:18", "A101")]
