"""The sample project at the top of the repository: all that it declares works, offline and with a real endpoint."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runtime import create_app
from runtime.testing import OpenAIStub
from tests.conversations.talking import Client, Exchange, user_input

ROOT = Path(__file__).parents[1]


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    app = create_app(ROOT, environ={"CHATKIT_STORE": "memory"}, offline=True)
    async with app.router.lifespan_context(app):
        yield Client(app)


def widget_of(answer: Exchange) -> dict[str, Any]:
    return answer.done("widget")[0]


async def test_a_trail_is_found_described_marked_on_the_map_and_shown(client: Client) -> None:
    answer = await client.say("Find me an easy trail")

    assert answer.said[-1] == "The Ridge Walk fits: 7.2 km, easy. I marked it on the map."
    assert [(e["name"], e["data"]) for e in answer.of("client_effect")] == [("show_on_map", {"trail": "Ridge Walk"})]
    assert widget_of(answer)["widget"]["type"] == "Card"
    assert answer.of("thread.updated")[-1]["thread"]["title"] == "Find me an easy trail"


async def test_every_button_of_the_trail_does_what_it_says(client: Client) -> None:
    answer = await client.say("Find me an easy trail")
    thread, item = answer.thread_id, widget_of(answer)["id"]
    trail = {"name": "Lake Loop", "length": "5.1 km", "climb": "60 m", "difficulty": "easy"}

    more = await client.act(thread, "trail.ask", {"name": "Ridge Walk"}, item)
    on_map = await client.act(thread, "trail.map", {"name": "Ridge Walk"}, item)
    refreshed = await client.act(thread, "trail.refresh", trail, item)

    assert more.done("user_message")[0]["content"][0]["text"] == "Tell me more about Ridge Walk"
    assert "340 m" in more.said[-1]
    assert on_map.of("client_effect")[0]["data"] == {"trail": "Ridge Walk"}
    assert "Lake Loop" in str(refreshed.of("thread.item.replaced")[0]["item"]["widget"])


async def test_the_packing_list_is_shown_ticked_off_counted_and_read_by_a_page(client: Client) -> None:
    answer = await client.say("Add water to my packing list")
    thread, item = answer.thread_id, widget_of(answer)["id"]

    ticked = await client.act(thread, "packing.toggle", {"name": "water"}, item)
    counted = await client.act_now(thread, "packing.count", item=item)
    listed = await client.get(f"/api/packing/{thread}")

    assert "Unpack" in str(ticked.of("thread.item.replaced")[0]["item"]["widget"])
    assert "1 of 1" in str(counted.json["updated_item"]["widget"])
    assert listed.json == {"items": [{"name": "water", "packed": True}]}


async def test_the_outfitter_takes_over_and_the_report_is_drawn(client: Client) -> None:
    boots = await client.say("What boots should I wear?")
    report = await client.say("The conditions for Saturday?", boots.thread_id)

    assert boots.said == ["Boots with a firm sole will do. I put them on your list."]
    assert "Hiking boots" in str(widget_of(boots)["widget"])
    assert "Conditions for Saturday" in str(widget_of(report)["widget"])


async def test_the_browser_is_asked_where_the_user_is(client: Client) -> None:
    asked = await client.say("Where am I?")
    answered = await client.result(asked.thread_id, {"city": "Lakeside"})

    assert asked.done("client_tool_call")[0]["name"] == "get_location"
    assert answered.said == ["You are in Lakeside. The Lake Loop starts ten minutes from there."]


async def test_a_page_without_client_tools_is_no_error(client: Client) -> None:
    asked = await client.say("Where am I?")
    answered = await client.result(asked.thread_id, {"error": "the page has no onClientTool"})

    assert answered.said == ["I can't see where you are."]


async def test_a_model_that_fails_is_an_error_for_the_user_who_may_ask_again(client: Client) -> None:
    failed = await client.say("crash")
    assert failed.of("error")[0]["allow_retry"] is True


async def test_one_variable_turns_to_the_real_model_which_gets_everything() -> None:
    script = {"turns": [{"instructions": "title", "reply": "A title"}], "otherwise": "The model here."}
    with OpenAIStub(script) as stub:
        environ = {"CHATKIT_STORE": "memory", "OPENAI_API_KEY": "key", "OPENAI_BASE_URL": stub.base_url}
        app = create_app(ROOT, environ=environ)
        async with app.router.lifespan_context(app):
            client = Client(app, headers={"x-units": "imperial", "accept-language": "nb-NO,nb;q=0.9"})
            tag = {"type": "input_tag", "id": "t1", "text": "Lake Loop", "data": {}}
            message = user_input("How long is ")
            message["content"].append(tag)
            answer = await client.call("threads.create", input=message)

    assert answer.said == ["The model here."]
    body = next(request.body for request in stub.requests if "Trailhead" in str(request.body))
    assert 'Answer in the language "nb-NO", in imperial units' in body["instructions"]
    assert "<TRAIL>" in str(body["input"])
    names = {tool["name"] for tool in body["tools"]}
    assert names >= {"find_trails", "get_forecast", "pack", "get_location", "ask_scout", "transfer_to_outfitter"}
    pack = next(tool for tool in body["tools"] if tool["name"] == "pack")
    assert list(pack["parameters"]["properties"]) == ["item"]
