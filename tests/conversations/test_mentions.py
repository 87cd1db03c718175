"""Mentions: search, preview and the description for the model; sources that an answer cites."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.playing import call

STATIONS = [
    {"id": "old", "title": "Old Town", "group": "Stations", "icon": "map-pin", "data": {"line": "red", "exits": 4}},
    {"id": "zoo", "title": "Zoo", "group": "Stations", "data": {"line": "green"}},
    {"id": "gold", "title": "Gold Street", "group": "Stations", "data": {"line": "red"}},
]
CARD = {"type": "Card", "children": [{"type": "Text", "value": "{{ title }}: {{ line }}"}]}
WIDGETS = {
    "station": {
        "template": CARD,
        "data": {
            "type": "object",
            "properties": {"title": {"type": "string"}, "line": {"type": "string"}},
            "required": ["title", "line"],
            "additionalProperties": False,
        },
    }
}
ACTS = """
from chatkit.types import EntitySource, FileSource, URLSource

def build(request):
    return {"who": request.headers.get("x-who", "nobody")}

async def search(query, context):
    return [{"id": f"{query}-{i}", "title": f"{query} of {context['who']}"} for i in range(60)]

def lookup(name, context):
    return None if name == "gone" else {"id": name, "title": name.title(), "data": {"line": context["who"]}}

async def resolve(tag, context):
    return f"<TAG {tag.id} for {context['who']}>"

def wrong(query, context):
    return [{"title": "no id"}]

async def read_up(ctx, topic: str) -> str:
    "Read up."
    ctx.context.cite(URLSource(url="https://example.com/a", title="A"), EntitySource(id="zoo", title="Zoo"))
    return "read"

async def tell(ctx, topic: str) -> str:
    "Tell."
    told = [FileSource(filename="a.pdf", title="A"), (URLSource(url="https://b.c", title="B"), 2)]
    await ctx.context.say("As told.", told)
    return "told"
"""
ACTS = (
    "from agents import RunContextWrapper\nfrom typing import Any\nfrom runtime import RuntimeContext\n"
    + ACTS.replace("(ctx, topic", "(ctx: RunContextWrapper[RuntimeContext], topic")
)


def mention(name: str, text: str, **data: Any) -> dict[str, Any]:
    return {"type": "input_tag", "id": name, "text": text, "data": data}


async def _ask(client: Chat, tag: dict[str, Any]) -> str:
    content = [{"type": "input_text", "text": "What about "}, tag]
    said = {"content": content, "attachments": [], "inference_options": {}}
    answer = await client.call("threads.create", input=said)
    assert answer.said, answer.body
    return str(client.player.asked[-1].input[-1]["content"])


async def test_entities_are_found_as_one_types_and_what_begins_so_comes_first(chat: MakeChat) -> None:
    client = await chat({"chat": {"tags": {"entities": STATIONS}}})
    entities = (await client.request("GET", "/chatkit/entities").end()).json["entities"]
    assert [entity["id"] for entity in entities] == ["old", "zoo", "gold"]
    assert entities[0] == {**STATIONS[0], "data": {"line": "red"}, "interactive": True}


async def test_a_search_goes_by_all_words_in_any_case(chat: MakeChat) -> None:
    client = await chat({"chat": {"tags": {"entities": STATIONS}}})
    assert await _found(client, "old") == ["old", "gold"]
    assert await _found(client, "TOWN stations") == ["old"]
    assert await _found(client, "nowhere") == []


async def _found(client: Chat, query: str) -> list[str]:
    answer = await client.get(f"/chatkit/entities?q={query.replace(' ', '+')}")
    return [entity["id"] for entity in answer.json["entities"]]


async def test_an_entity_is_previewed_with_the_data_that_the_file_has(chat: MakeChat) -> None:
    config = {"widgets": WIDGETS, "chat": {"tags": {"entities": STATIONS, "preview": "station", "menu": True}}}
    client = await chat(config)
    shown = (await client.get("/chatkit/entities/old/preview")).json["preview"]
    assert shown["children"][0]["value"] == "Old Town: red"
    assert (await client.get("/chatkit/entities/gone/preview")).error["code"] == "not_found"
    assert (await client.get("/chatkit/entities/zoo")).json["title"] == "Zoo"
    assert (await client.get("/chatkit/options.json")).json["entities"] == {"showComposerMenu": True}


async def test_without_a_widget_there_is_no_preview(chat: MakeChat) -> None:
    client = await chat({"chat": {"tags": {"entities": STATIONS}}})
    assert (await client.get("/chatkit/entities/old/preview")).json == {"preview": None}


async def test_the_model_gets_the_entity_of_the_file_rather_than_that_of_the_browser(chat: MakeChat) -> None:
    tags = {"entities": STATIONS, "text": "<STATION {{ id }} {{ data.line }} for {{ user.id }}>"}
    client = await chat({"chat": {"tags": tags}})
    told = await _ask(client, mention("old", "Old Town", line="gold-plated"))
    assert "<STATION old red for local>" in told
    assert "gold-plated" not in told


async def test_without_a_text_the_model_gets_the_entity(chat: MakeChat) -> None:
    client = await chat({"chat": {"tags": {"entities": STATIONS}}})
    assert '@Old stands for {"id": "old", "title": "Old Town"' in (await _ask(client, mention("old", "Old")))


async def test_the_model_gets_an_unknown_entity_as_the_browser_sent_it(chat: MakeChat) -> None:
    client = await chat({"chat": {"tags": {"entities": STATIONS}}})
    told = await _ask(client, mention("new", "New Town", line="blue"))
    assert "New Town stands for" in told
    assert "blue" in told


async def test_a_text_that_can_not_be_made_harms_no_answer(chat: MakeChat, caplog: pytest.LogCaptureFixture) -> None:
    client = await chat({"chat": {"tags": {"entities": STATIONS, "text": "{{ data.line.missing }}"}}})
    assert "Zoo stands for" in await _ask(client, mention("zoo", "Zoo"))
    assert "can't be rendered" in caplog.text


async def test_python_searches_looks_up_and_resolves_for_the_user_of_the_request(chat: MakeChat) -> None:
    tags = {"python": "acts:resolve", "search": "acts:search", "lookup": "acts:lookup", "preview": "station"}
    client = await chat({"context": "acts:build", "widgets": WIDGETS, "chat": {"tags": tags}}, acts_py=ACTS)
    client.headers["x-who"] = "ida"
    entities = (await client.get("/chatkit/entities?q=inn")).json["entities"]
    assert len(entities) == 50
    assert entities[0]["title"] == "inn of ida"
    preview = (await client.get("/chatkit/entities/inn/preview")).json["preview"]
    assert preview["children"][0]["value"] == "Inn: ida"
    assert (await client.get("/chatkit/entities/gone")).status == 404
    assert "<TAG inn for ida>" in await _ask(client, mention("inn", "Inn"))


async def test_a_search_that_gives_no_entities_is_an_error_with_a_reference(
    chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    client = await chat({"chat": {"tags": {"search": "acts:wrong"}}}, acts_py=ACTS)
    assert (await client.get("/chatkit/entities?q=a")).status == 500
    assert "returned no entity: id" in caplog.text


async def test_sources_that_a_tool_names_are_shown_with_the_next_message(chat: MakeChat) -> None:
    client = await chat({"tools": {"read_up": "acts:read_up"}, "agents": {"a": {"tools": ["read_up"]}}}, acts_py=ACTS)
    client.player.replies = [[call("read_up", topic="x")], "It is so.", "More."]
    first = await client.say("x")
    added = [e["update"] for e in first.of("thread.item.updated") if "annotation_added" in e["update"]["type"]]
    assert [update["annotation_index"] for update in added] == [0, 1]
    [content] = first.done("assistant_message")[0]["content"]
    assert [annotation["source"]["title"] for annotation in content["annotations"]] == ["A", "Zoo"]
    assert {annotation["index"] for annotation in content["annotations"]} == {len("It is so.")}
    kept = [item for item in await client.items(first.thread_id) if item["type"] == "assistant_message"]
    assert kept[0]["content"][0]["annotations"] == content["annotations"]
    again = await client.say("y", first.thread_id)
    assert again.done("assistant_message")[0]["content"][0]["annotations"] == []


async def test_own_words_may_carry_their_sources(chat: MakeChat) -> None:
    client = await chat({"tools": {"tell": "acts:tell"}, "agents": {"a": {"tools": ["tell"]}}}, acts_py=ACTS)
    client.player.replies = [[call("tell", topic="x")], "Done."]
    [content] = (await client.say("x")).done("assistant_message")[0]["content"]
    assert [(a["source"]["type"], a["index"]) for a in content["annotations"]] == [("file", 8), ("url", 2)]


async def test_without_tags_nothing_is_found(chat: MakeChat) -> None:
    client = await chat()
    assert (await client.get("/chatkit/entities?q=a")).json == {"entities": []}
    assert (await client.get("/chatkit/entities/a")).status == 404
