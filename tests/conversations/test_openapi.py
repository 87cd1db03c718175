"""OpenAPI operations as tools, against a real service on loopback with its own document."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Header, HTTPException, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from starlette.requests import Request

from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.editing import reloaded
from tests.conversations.later_turns import EVERY_TURN
from tests.conversations.playing import call
from tests.examples.serving import serving

SECRET = "hunter2-hunter2"
ODD = ["dribble", "odd", "mirror", "cookie"]


class Pet(BaseModel):
    name: str
    tags: list[str] = []


class Service:
    """A pet store; `seen` are the paths, queries, and headers of the requests that came."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.gate = asyncio.Event()
        self.app = FastAPI(title="Pets", version="1")
        self.app.middleware("http")(self._note)
        self.app.get("/pets/{pet:path}", operation_id="getPet")(self.get_pet)
        self.app.get("/pets", operation_id="listPets")(self.list_pets)
        self.app.post("/pets", operation_id="addPet", description="Add a pet.")(self.add_pet)
        self.app.get("/large", operation_id="large")(self.large)
        self.app.get("/picture", operation_id="picture")(self.picture)
        self.app.get("/away", operation_id="away")(self.away)
        self.app.get("/slow", operation_id="slow")(self.slow)
        for odd in (self.dribble, self.odd, self.mirror, self.cookie):
            self.app.get(f"/{odd.__name__}", operation_id=odd.__name__)(odd)

    async def _note(self, request: Request, call_next: Any) -> Any:
        scope = request.scope
        self.seen.append(
            {"path": scope["raw_path"].decode(), "query": scope["query_string"].decode(), **dict(request.headers)}
        )
        return await call_next(request)

    def get_pet(self, pet: str, x_trace: str | None = Header(None)) -> dict[str, Any]:
        if pet == "gone":
            raise HTTPException(404, f"no pet {pet}")
        return {"pet": pet, "trace": x_trace}

    def list_pets(self, tag: Annotated[list[str], Query()], limit: int | None = None) -> dict[str, Any]:
        return {"tags": tag, "limit": limit}

    def add_pet(self, pet: Pet) -> dict[str, Any]:
        return {"added": pet.name, "tags": pet.tags}

    def large(self) -> str:
        return "x" * 5000

    def picture(self) -> Response:
        return Response(b"\x89PNG", media_type="image/png")

    def away(self) -> Response:
        return Response(status_code=307, headers={"location": "http://127.0.0.1:9/elsewhere"})

    async def slow(self) -> str:
        await self.gate.wait()
        return "at last"

    def dribble(self) -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            while not self.gate.is_set():
                yield b"x"
                await asyncio.sleep(0)

        return StreamingResponse(pieces(), media_type="text/plain")

    def odd(self) -> Response:
        return Response(b"in no known letters", headers={"content-type": "text/plain; charset=no-such"})

    def mirror(self, request: Request, times: int = 1) -> Response:
        sent = f"you sent {request.headers['authorization']} "
        return Response(sent * times, 403, media_type="text/plain")

    def cookie(self, response: Response) -> str:
        response.set_cookie("session", "of-one-user")
        return "set"


@pytest.fixture
def service() -> Iterator[tuple[Service, str]]:
    pets = Service()
    with serving(pets.app) as base:
        yield pets, base


async def project(chat: MakeChat, service: tuple[Service, str], **entry: Any) -> Chat:
    pets, base = service
    declared = {"openapi": "pets.json", "base_url": base, "headers": {"Authorization": f"Bearer {SECRET}"}, **entry}
    config = {"tools": {"pets": declared}, "agents": {"helper": {"tools": ["pets"]}}, "store": "memory"}
    acts = "def no_cats(ctx, text): return 'cat' in text"
    return await chat(config, pets_json=json.dumps(pets.app.openapi()), acts_py=acts)


async def told(client: Chat, *calls: Any) -> list[Any]:
    """Let the model call tools, and return their outputs."""
    client.player.replies = [list(calls), "Done."]
    answer = await client.say("go")
    assert answer.said == ["Done."], answer.events
    return [each["output"] for each in client.player.asked[-1].of("function_call_output")]


async def test_operations_are_called_as_the_document_says(chat: MakeChat, service: tuple[Service, str]) -> None:
    client = await project(chat, service)
    outputs = await told(
        client,
        call("getPet", pet="a/../b c?", **{"x-trace": "t1"}),
        call("listPets", tag=["a b", "c&d"], limit=3),
        call("addPet", body={"name": "Bo", "tags": ["old"]}),
    )
    assert [json.loads(output) for output in outputs] == [
        {"pet": "a/../b c?", "trace": "t1"},
        {"tags": ["a b", "c&d"], "limit": 3},
        {"added": "Bo", "tags": ["old"]},
    ]
    first, second, third = service[0].seen
    assert first["path"] == "/pets/a%2F..%2Fb%20c%3F"
    assert second["query"] == "tag=a%20b&tag=c%26d&limit=3"
    assert third["content-type"] == "application/json"
    assert {each["authorization"] for each in service[0].seen} == {f"Bearer {SECRET}"}
    assert client.player.asked[0].tools == ["getPet", "listPets", "addPet", "large", "picture", "away", "slow", *ODD]


@pytest.mark.parametrize("pet", ["..", ".", ""])
async def test_an_argument_does_not_leave_its_place_in_the_path(
    chat: MakeChat, service: tuple[Service, str], pet: str
) -> None:
    client = await project(chat, service)
    assert await told(client, call("getPet", pet=pet)) == [f"Error: 'pet' may not be {pet!r}"]
    assert service[0].seen == []


async def test_every_failure_is_an_output_for_the_model(
    chat: MakeChat, service: tuple[Service, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = await project(chat, service, max_response=100)
    outputs = await told(
        client, call("getPet", pet="gone"), call("getPet"), call("large"), call("picture"), call("away")
    )
    assert outputs == [
        'Error: the service answered with status 404: {"detail":"no pet gone"}',
        "Error: the arguments must match the schema: $: 'pet' is a required property",
        '"' + "x" * 99 + "\n(The answer is longer than 100 bytes; this is its beginning.)",
        "(an answer of the kind image/png)",
        "Error: the service answered with status 307: the service redirects elsewhere, which is not followed",
    ]
    assert SECRET not in caplog.text


async def test_a_service_that_does_not_answer_in_time_is_an_output_for_the_model(
    chat: MakeChat, service: tuple[Service, str]
) -> None:
    client = await project(chat, service, timeout=0.2)
    assert await told(client, call("slow")) == ["Error: the service did not answer within 0.2 s"]
    service[0].gate.set()


async def test_a_service_that_is_down_ends_no_turn(chat: MakeChat, service: tuple[Service, str]) -> None:
    client = await project(chat, service, base_url="http://127.0.0.1:9")
    assert await told(client, call("listPets", tag=["x"])) == ["Error: the service can't be reached: ConnectError"]


async def test_agents_have_all_operations_or_some(chat: MakeChat, service: tuple[Service, str]) -> None:
    client = await project(chat, service, operations=["getPet", "listPets"], prefix="pets_")
    for references, names in (
        (["pets"], ["pets_getPet", "pets_listPets"]),
        (["pets.*"], ["pets_getPet", "pets_listPets"]),
        (["pets.listPets"], ["pets_listPets"]),
    ):
        await reloaded(client, {"agents": {"helper": {"tools": references, "description": str(references)}}})
        await client.say("hi")
        assert client.player.asked[-1].tools == names


@EVERY_TURN
async def test_operations_ask_for_approval_and_have_guardrails(chat: MakeChat, service: tuple[Service, str]) -> None:
    guards = {"input": ["acts:no_cats"]}
    client = await project(chat, service, needs_approval=["addPet"], guardrails=guards)
    client.player.replies = [[call("addPet", body={"name": "Bo"})], "Added."]
    asked = await client.say("add Bo")
    [card] = asked.done("widget")
    assert "addPet" in json.dumps(card)
    click = card["widget"]["confirm"]["action"]
    approved = await client.act(asked.thread_id, click["type"], click["payload"], card["id"])
    assert approved.said == ["Added."]
    assert len(service[0].seen) == 1
    [output] = await told(client, call("getPet", pet="cat"))
    assert output == "I can't help with that."
    assert len(service[0].seen) == 1


async def test_clients_outlive_an_edit_and_are_closed_with_the_server(
    chat: MakeChat, service: tuple[Service, str]
) -> None:
    client = await project(chat, service)
    await told(client, call("listPets", tag=["x"]))
    await reloaded(client, {"agents": {"helper": {"tools": ["pets.listPets"]}}})
    await told(client, call("listPets", tag=["x"]))
    assert len({each.get("host") for each in service[0].seen}) == 1


async def test_the_limit_of_time_is_that_of_the_whole_call(chat: MakeChat, service: tuple[Service, str]) -> None:
    client = await project(chat, service, timeout=0.2, max_response="1GB")
    assert await told(client, call("dribble")) == ["Error: the service did not answer within 0.2 s"]
    service[0].gate.set()


async def test_an_odd_answer_or_too_long_an_address_ends_no_turn(chat: MakeChat, service: tuple[Service, str]) -> None:
    client = await project(chat, service)
    outputs = await told(client, call("odd"), call("listPets", tag=["x" * 70_000]))
    assert outputs == ["in no known letters", "Error: URL too long"]


@pytest.mark.parametrize("most", [len("you sent ***"), len("you sent Bearer hunt"), 1000])
async def test_a_secret_that_a_service_repeats_reaches_nobody(
    chat: MakeChat, service: tuple[Service, str], caplog: pytest.LogCaptureFixture, most: int
) -> None:
    client = await project(chat, service, max_response=most)
    once, often = await told(client, call("mirror"), call("mirror", times=5000))
    assert once.startswith("Error: the service answered with status 403: you sent ***")
    assert "hunt" not in once + often
    assert "hunt" not in caplog.text


async def test_cookies_of_one_call_are_not_sent_with_another(chat: MakeChat, service: tuple[Service, str]) -> None:
    client = await project(chat, service)
    assert await told(client, call("cookie"), call("cookie")) == ['"set"', '"set"']
    await told(client, call("cookie"))
    assert [each for each in service[0].seen if "cookie" in each] == []


async def test_the_entrys_words_come_before_those_of_the_document(chat: MakeChat, service: tuple[Service, str]) -> None:
    client = await project(chat, service, description="Of our shop.", operations=["addPet"])
    tool: Any = client.runtime.tools["pets.addPet"].tool
    assert tool.description == "Of our shop.\n\nAdd Pet\n\nAdd a pet."


@pytest.mark.parametrize("reference", ["pets", "pets.*", "pets.listPets"])
async def test_the_composer_may_offer_an_operation(
    chat: MakeChat, service: tuple[Service, str], reference: str
) -> None:
    pets, base = service
    config = {
        "tools": {"pets": {"openapi": "pets.json", "base_url": base}},
        "agents": {"helper": {"tools": [reference]}},
        "chat": {"composer": {"tools": [{"id": "list", "label": "List", "icon": "cube", "tool": "pets.listPets"}]}},
    }
    client = await chat(config, pets_json=json.dumps(pets.app.openapi()))
    await client.say("go", inference_options={"tool_choice": {"id": "list"}})
    assert client.player.asked[0].settings.tool_choice == "listPets"


async def test_an_error_is_shown_in_the_words_of_the_file(chat: MakeChat, service: tuple[Service, str]) -> None:
    client = await project(chat, service, error="Tell the user: {{ error }}", prefix="pets_")
    [output] = await told(client, call("pets_getPet", pet="gone"))
    assert output == 'Tell the user: the service answered with status 404: {"detail":"no pet gone"}'
