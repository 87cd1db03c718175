"""The newsroom, declared and by hand: choices that lead to agents, an agent as a tool, tags with previews."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.examples.desk_play import item_of, message
from tests.examples.exchanges import Caller, Event
from tests.examples.pairs import Pair, Runs, run_both


async def play(caller: Caller) -> None:
    created = await caller.chat("create", "threads.create", {"input": message("articles on traffic")})
    thread_id = str(created[0]["thread"]["id"])

    async def say(text: str, name: str = "", tool: str = "", **more: Any) -> list[Event]:
        options = {"tool_choice": {"id": tool}} if tool else {}
        params = {"thread_id": thread_id, "input": message(text, inference_options=options, **more)}
        return await caller.chat(name or text, "threads.add_user_message", params)

    listed = item_of(created, "widget")
    action = {"type": "article.open", "payload": {"id": "a1"}}
    click = {"thread_id": thread_id, "item_id": listed["id"], "action": action}
    await caller.chat("open an article", "threads.custom_action", click)
    await say("Saturday", tool="events")
    await say("a riddle, please", tool="puzzles")
    await say("is the bridge closed")
    tag = {"type": "input_tag", "id": "a3", "text": "The bridge is closed", "data": {}, "interactive": True}
    await say("what about ", "a tag", tags=[tag])
    await caller.chat("what is kept", "items.list", {"thread_id": thread_id, "order": "asc", "limit": 100})
    await caller.get("as one types", "/chatkit/entities?q=tram")
    await caller.get("a preview", "/chatkit/entities/a1/preview")


NEWS = Pair("newsroom", "NEWS", Path(__file__).with_name("news_script.yaml"), play)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with run_both(NEWS, tmp_path_factory.mktemp("news")) as both:
        yield both


def test_both_newsrooms_send_the_same_events(runs: Runs) -> None:
    unknown = runs.unexplained([])
    assert not unknown, "\n\n".join(map(str, unknown))


def test_each_choice_is_answered_by_its_agent(runs: Runs) -> None:
    asked = [request["instructions"][:12] for request in runs.ours.model_requests]
    assert asked.count("You know wha") == 1
    assert asked.count("You set one ") == 1
    assert asked.count("You check on") == 2
    assert "What has rails" in str(runs.ours.exchanges["a riddle, please"].events)


def test_a_claim_is_checked_by_an_agent_of_its_own(runs: Runs) -> None:
    assert "Checked: The bridge is closed until May, by R. Holt." in str(
        runs.ours.exchanges["is the bridge closed"].events
    )
