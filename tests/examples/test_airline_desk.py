"""The airline desk, declared and by hand: seven clicks, attachments of three kinds, a profile before each message."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.examples.desk_play import item_of, message
from tests.examples.exchanges import Caller, Event
from tests.examples.pairs import Pair, Run, Runs, run_both

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.4 a boarding pass"
RECEIPT = b"Two coffees, 9 euros"


async def play(caller: Caller) -> None:
    created = await caller.chat("create", "threads.create", {"input": message("show trip")})
    thread_id = str(created[0]["thread"]["id"])

    async def say(text: str, name: str = "", **more: Any) -> list[Event]:
        params = {"thread_id": thread_id, "input": {**message(text), **more}}
        return await caller.chat(name or text, "threads.add_user_message", params)

    async def click(name: str, sender: dict[str, Any], kind: str, **payload: Any) -> None:
        action = {"type": kind, "payload": payload}
        params = {"thread_id": thread_id, "item_id": sender["id"], "action": action}
        await caller.chat(name, "threads.custom_action", params)

    async def attach(name: str, mime_type: str, content: bytes) -> str:
        params = {"name": name, "size": len(content), "mime_type": mime_type}
        [made] = await caller.chat(f"attach {name}", "attachments.create", params)
        assert await caller.put(made["upload_descriptor"]["url"], content, mime_type) == 204
        return str(made["id"])

    trip = item_of(created, "widget")
    await click("add a bag", trip, "bag.add")
    flights = item_of(await say("other flights"), "widget")
    await click("choose a flight", flights, "flight.select", flight="NW131")
    seats = item_of(await say("another seat"), "widget")
    await click("choose a seat", seats, "seat.choose", seat="4C")
    meals = item_of(await say("a meal"), "widget")
    await click("choose a meal", meals, "meal.choose", meal="vegan")
    upgrade = item_of(await say("more room"), "widget")
    await click("decline the upgrade", upgrade, "upgrade.decline")
    upgrade = item_of(await say("more room", "more room after all"), "widget")
    await click("accept the upgrade", upgrade, "upgrade.accept")
    await say("seat 12A")
    picture = await attach("pass.png", "image/png", PNG)
    document = await attach("pass.pdf", "application/pdf", PDF)
    receipt = await attach("receipt.txt", "text/plain", RECEIPT)
    await say("what do you see", "with attachments", attachments=[picture, document, receipt])
    await click("cancel the trip", trip, "trip.cancel")
    await say("thank you")
    await caller.chat("what is kept", "items.list", {"thread_id": thread_id, "order": "asc", "limit": 100})


AIRLINE = Pair("airline_desk", "AIRLINE", Path(__file__).with_name("airline_script.yaml"), play)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with run_both(AIRLINE, tmp_path_factory.mktemp("airline")) as both:
        yield both


def test_both_desks_send_the_same_events(runs: Runs) -> None:
    unknown = runs.unexplained([])
    assert not unknown, "\n\n".join(map(str, unknown))


def test_the_model_is_given_what_was_attached(runs: Runs) -> None:
    def parts(run: Run) -> list[Any]:
        request = next(r for r in run.model_requests if "what do you see" in str(r["input"]))
        said = next(item for item in request["input"] if "what do you see" in str(item.get("content")))
        return [{k: v for k, v in part.items() if k != "detail"} for part in said["content"]]

    assert parts(runs.ours) == parts(runs.handwritten)
    assert [part["type"] for part in parts(runs.ours)] == ["input_text", "input_image", "input_file", "input_text"]


def test_the_profile_is_before_each_message_and_as_it_is_by_then(runs: Runs) -> None:
    def profiles(run: Run) -> list[str]:
        told = [
            [i for i in request["input"] if "<CUSTOMER>" in str(i.get("content"))] for request in run.model_requests
        ]
        assert all(len(found) == 1 for found in told)
        return [_text(found[0]["content"]) for found in told]

    assert profiles(runs.ours) == profiles(runs.handwritten)
    assert "bags: 1" in profiles(runs.ours)[-1]
    assert "status: cancelled" in profiles(runs.ours)[-1]


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part["text"] for part in content)
