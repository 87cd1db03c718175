"""The pet lounge, declared and by hand: client effects, images, a widget that is replaced, an action that speaks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.examples.desk_play import item_of, message
from tests.examples.example_model import Output, image, response
from tests.examples.example_model import message as said
from tests.examples.exchanges import Caller, Event
from tests.examples.pairs import Pair, Run, Runs, run_both


def paint(user: str) -> Output | None:
    return response(image(), said("There it is.")) if user.startswith("paint") else None


async def play(caller: Caller) -> None:
    created = await caller.chat("create", "threads.create", {"input": message("feed it omelette")})
    thread_id = str(created[0]["thread"]["id"])

    async def say(text: str, name: str = "") -> list[Event]:
        return await caller.chat(
            name or text, "threads.add_user_message", {"thread_id": thread_id, "input": message(text)}
        )

    async def click(name: str, sender: dict[str, Any], kind: str, payload: dict[str, Any]) -> list[Event]:
        action = {"type": kind, "payload": payload}
        params = {"thread_id": thread_id, "item_id": sender["id"], "action": action}
        return await caller.chat(name, "threads.custom_action", params)

    await say("play")
    profile = item_of(await say("wash it and show me"), "widget")
    await click("pat it", profile, "pet.pat", {"name": "Otto"})
    await say("what does it say")
    names = item_of(await say("name it"), "widget")
    more = item_of(await click("other names", names, "name.more", {"names": ["Pixel", "Otto"]}), "widget")
    assert more["id"] != names["id"]
    await click("choose a name", names, "name.choose", {"name": "otto", "names": ["Pixel", "Otto"]})
    await say("how is it")
    await say("paint it")
    await caller.chat("what is kept", "items.list", {"thread_id": thread_id, "order": "asc", "limit": 100})


LOUNGE = Pair("pet_lounge", "LOUNGE", Path(__file__).with_name("lounge_script.yaml"), play, paint)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with run_both(LOUNGE, tmp_path_factory.mktemp("lounge")) as both:
        yield both


def test_both_lounges_send_the_same_events(runs: Runs) -> None:
    unknown = runs.unexplained([])
    assert not unknown, "\n\n".join(map(str, unknown))


def test_the_conversation_has_what_a_lounge_is_for(runs: Runs) -> None:
    effects = [event["name"] for event in _events(runs.ours) if event["type"] == "client_effect"]
    assert effects.count("pet.update") == 4
    assert effects.count("pet.say") == 2
    kinds = [event["item"]["type"] for event in _events(runs.ours) if event["type"] == "thread.item.done"]
    assert kinds.count("generated_image") == 1
    assert [e["type"] for e in _events(runs.ours)].count("thread.item.replaced") == 1
    kept = runs.ours.exchanges["what is kept"].events[0]["data"]
    assert [row["type"] for row in kept].count("widget") == 3
    assert any("It is Otto." in str(row) for row in kept)


def _events(run: Run) -> list[Event]:
    return [event for exchange in run.exchanges.values() for event in exchange.events if "type" in event]
