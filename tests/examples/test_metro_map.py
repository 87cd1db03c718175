"""The metro map, declared and by hand: client tools, tags, and stations as sources of an answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.examples.desk_play import item_of, message
from tests.examples.exchanges import Caller, Event
from tests.examples.pairs import Pair, Runs, run_both


def station(name: str, text: str) -> dict[str, Any]:
    return {"type": "input_tag", "id": name, "text": text, "data": {}, "interactive": True}


async def play(caller: Caller) -> None:
    created = await caller.chat("create", "threads.create", {"input": message("from harbour to airport")})
    thread_id = str(created[0]["thread"]["id"])

    async def say(text: str, name: str = "", **more: Any) -> list[Event]:
        params = {"thread_id": thread_id, "input": message(text, **more)}
        return await caller.chat(name or text, "threads.add_user_message", params)

    await say("tell me about ", "a tag", tags=[station("old_town", "Old Town"), station("zoo", "Zoo")])
    await say("what have I selected")
    params = {"thread_id": thread_id, "result": {"stations": ["museum", "zoo"]}}
    await caller.chat("the selection", "threads.add_client_tool_output", params)
    lines = item_of(await say("which lines are there"), "widget")
    action = {"type": "line.choose", "payload": {"line": "blue"}}
    click = {"thread_id": thread_id, "item_id": lines["id"], "action": action}
    await caller.chat("the blue one", "threads.custom_action", click)
    await caller.chat("what is kept", "items.list", {"thread_id": thread_id, "order": "asc", "limit": 100})
    await caller.get("as one types", "/chatkit/entities?q=gard")


METRO = Pair("metro_map", "METRO", Path(__file__).with_name("metro_script.yaml"), play)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with run_both(METRO, tmp_path_factory.mktemp("metro")) as both:
        yield both


def test_both_guides_send_the_same_events(runs: Runs) -> None:
    unknown = runs.unexplained([])
    assert not unknown, "\n\n".join(map(str, unknown))


def test_the_stations_of_a_route_are_sources_of_the_answer(runs: Runs) -> None:
    items = [e["item"] for e in runs.ours.exchanges["create"].events if e.get("type") == "thread.item.done"]
    told = next(item for item in items if item["type"] == "assistant_message")
    sources = [annotation["source"] for annotation in told["content"][0]["annotations"]]
    assert [source["type"] for source in sources] == ["entity"] * 5
    assert sources[0]["title"] == "Harbour"


def test_the_model_gets_the_lines_of_a_tagged_station(runs: Runs) -> None:
    assert any("lines='red, green'" in str(request["input"]) for request in runs.ours.model_requests)


def test_the_selection_in_the_browser_reaches_the_model(runs: Runs) -> None:
    assert "2 stations." in str(runs.ours.exchanges["the selection"].events)
