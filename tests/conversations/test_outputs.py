"""Structured output: shown by a widget or a template, never as raw JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conversations.conftest import MakeBare, MakeChat
from tests.conversations.playing import call

ORDER = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "price": {"type": "number"}},
    "required": ["id", "price"],
    "additionalProperties": False,
}
CARD = {"type": "Card", "children": [{"type": "Text", "value": "{{ id }}: {{ price }}"}]}
WIDGETS = {"order": {"template": CARD, "data": ORDER, "copy_text": "Order {{ id }}"}}
ANSWER = json.dumps({"id": "A1", "price": 9.5})
CODE = """
from dataclasses import dataclass
from pydantic import BaseModel
from typing import Any

class Order(BaseModel):
    id: str
    price: float

@dataclass
class Plain:
    id: str
    price: float

class Loose(BaseModel):
    id: str
    price: float
    more: dict[str, Any] = {}
"""


def _clerk(output: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"widgets": WIDGETS, "agents": {"clerk": {"output": output}}, **more}


async def test_a_widget_shows_the_answer(chat: MakeChat) -> None:
    client = await chat(_clerk({"widget": "order"}))
    client.player.replies = [ANSWER]
    first = await client.say("order")
    [card] = first.done("widget")
    assert card["widget"]["children"][0]["value"] == "A1: 9.5"
    assert card["copy_text"] == "Order A1"
    assert first.said == []
    assert first.deltas == ""
    assert '"price"' not in first.body.decode()
    client.player.replies = [ANSWER]
    await client.say("again", first.thread_id)
    assert "A1: 9.5" in str(client.player.asked[-1].input)


@pytest.mark.parametrize(
    "shape",
    [{"schema": ORDER}, {"python": "acts:Order"}, {"python": "acts:Plain"}, {"python": "acts:Loose"}],
    ids=lambda shape: str(*shape.values())[:20],
)
async def test_a_template_shows_the_answer(chat: MakeChat, shape: dict[str, Any]) -> None:
    client = await chat(_clerk({**shape, "template": "**{{ id }}** is {{ price }} for {{ user.id }}"}), acts_py=CODE)
    # The SDK wraps what is no pydantic model.
    answer = json.dumps({"response": json.loads(ANSWER)}) if shape.get("python") == "acts:Plain" else ANSWER
    client.player.replies = [answer]
    first = await client.say("order")
    assert first.said == ["**A1** is 9.5 for local"]
    assert first.deltas == ""
    client.player.replies = [answer]
    await client.say("again", first.thread_id)
    assert {"role": "assistant", "content": "**A1** is 9.5 for local"} in client.player.asked[-1].input


async def test_an_answer_of_another_shape_is_an_error_and_not_shown(chat: MakeChat) -> None:
    client = await chat(_clerk({"widget": "order"}))
    client.player.replies = [json.dumps({"id": "A1", "price": "much"})]
    answer = await client.say("order")
    assert answer.said == []
    assert "invalid answer" in answer.of("error")[0]["message"]
    assert "much" not in answer.body.decode()


async def test_tools_are_called_before_the_answer(chat: MakeChat) -> None:
    code = 'def look(city: str) -> str:\n    "Look."\n    return city\n'
    config = _clerk({"widget": "order"}, tools={"look": "acts:look"})
    config["agents"]["clerk"]["tools"] = ["look"]
    client = await chat(config, acts_py=code)
    client.player.replies = [[call("look", city="Oslo")], ANSWER]
    assert len((await client.say("order")).done("widget")) == 1


async def test_only_the_agent_that_declares_it_answers_so(chat: MakeChat) -> None:
    agents = {"guide": {"handoffs": ["clerk"]}, "clerk": {"output": {"widget": "order"}}}
    client = await chat({"widgets": WIDGETS, "entry": "guide", "agents": agents})
    client.player.replies = [["To the clerk.", call("transfer_to_clerk")], ANSWER]
    answer = await client.say("order")
    assert answer.said == ["To the clerk."]
    assert len(answer.done("widget")) == 1


async def test_output_guardrails_see_the_answer_before_anybody_does(chat: MakeChat) -> None:
    config = _clerk({"widget": "order"}, guardrails={"cheap": {"regex": "9\\.5", "message": "Too dear."}})
    config["agents"]["clerk"]["guardrails"] = {"output": ["cheap"]}
    client = await chat(config)
    client.player.replies = [ANSWER]
    answer = await client.say("order")
    assert answer.said == ["Too dear."]
    assert answer.done("widget") == []


async def test_the_bare_sdk_shows_raw_json(bare: MakeBare) -> None:
    from pydantic import create_model

    order = create_model("Order", id=(str, ...), price=(float, ...))
    client = bare(output_type=order)
    client.player.replies = [ANSWER]
    assert (await client.say("order")).said == [ANSWER]
