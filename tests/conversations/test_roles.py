"""Roles: what a user may not use is not offered, is refused, and is never reached."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runtime import RequestError, User
from runtime.server.history.interruption import CONTINUE_ACTION, interruption_card
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.later_turns import EVERY_TURN
from tests.conversations.playing import call
from tests.conversations.talking import Client, user_input

LOGIN = """
def user(request):
    name = request.headers.get("x-user")
    return {"id": name, "roles": ["admin"] if name == "ada" else []} if name else None
"""
AUTH: dict[str, Any] = {"auth": {"python": "login:user"}}
ADA, BOB = {"x-user": "ada"}, {"x-user": "bob"}
TOOLS = """
def plain() -> str:
    return "plain"

def secret() -> str:
    return "the secret"
"""


async def _make(chat: MakeChat, config: dict[str, Any], **files: str) -> Chat:
    return await chat({**AUTH, **config}, login_py=LOGIN, tools_py=TOOLS, **files)


async def _as(client: Client, headers: dict[str, str]) -> Client:
    client.headers = headers
    return client


async def test_a_tool_is_offered_to_users_with_its_role_alone(chat: MakeChat) -> None:
    tools = {
        "plain": "tools:plain",
        "secret": {"python": "tools:secret", "roles": ["admin", "auditor"]},
        "search": {"hosted": "web_search", "roles": ["admin"]},
        "boss": {"agent": "boss", "description": "Ask the boss."},
    }
    agents = {"helper": {"tools": list(tools)}, "boss": {"roles": ["admin"], "instructions": "Boss."}}
    client = await _make(chat, {"entry": "helper", "agents": agents, "tools": tools})
    for headers, offered in ((ADA, ["plain", "secret", "web_search", "boss"]), (BOB, ["plain"])):
        client.headers = headers
        await client.say("hi")
        assert client.player.asked[-1].tools == offered


async def test_a_call_of_a_tool_that_was_not_offered_runs_nothing(chat: MakeChat) -> None:
    tools = {"secret": {"python": "tools:secret", "roles": ["admin"]}}
    client = await _make(chat, {"agents": {"helper": {"tools": ["secret"]}}, "tools": tools})
    client.player.replies = [[call("secret")], "Done."]
    client.headers = BOB
    assert (await client.say("hi")).said == ["Done."]
    [told] = client.player.asked[-1].of("function_call_output")
    assert told["output"] == "There is no tool 'secret', and no other one. Answer without tools."
    client.player.replies = [[call("secret")], "Done."]
    client.headers = ADA
    assert (await client.say("hi")).said == ["Done."]
    assert client.player.asked[-1].of("function_call_output")[0]["output"] == "the secret"


@EVERY_TURN
async def test_a_role_that_was_lost_while_an_approval_waited_is_missed(chat: MakeChat) -> None:
    tools = {"secret": {"python": "tools:secret", "roles": ["admin"], "needs_approval": True}}
    client = await _make(chat, {"agents": {"helper": {"tools": ["secret"]}}, "tools": tools})
    client.player.replies = [[call("secret")], "Done."]
    client.headers = ADA
    asked = await client.say("hi")
    [card] = [item for item in asked.done("widget") if "confirm" in item["widget"]]
    action = card["widget"]["confirm"]["action"]
    file = client.folder / "login.py"
    file.write_text(LOGIN.replace('["admin"] if', '["former"] if'))
    assert (await client.runtime.reload()).status == "reloaded"
    await client.act(asked.thread_id, action["type"], action["payload"], card["id"])
    assert not any("the secret" in str(request.input) for request in client.player.asked)


async def test_an_agent_is_reached_neither_by_a_handoff_nor_first_nor_by_staying(chat: MakeChat) -> None:
    agents = {"helper": {"handoffs": ["boss"]}, "boss": {"roles": ["admin"], "sticky": True}}
    client = await _make(chat, {"entry": "helper", "agents": agents})
    client.headers = BOB
    await client.say("hi")
    assert client.player.asked[-1].handoffs == []
    client.player.replies = [[call("transfer_to_boss")], "No boss."]
    await client.say("hi")
    assert "no tool 'transfer_to_boss'" in client.player.asked[-1].of("function_call_output")[0]["output"]
    client.player.replies = [[call("transfer_to_boss")], "I am the boss."]
    client.headers = ADA
    thread = (await client.say("hi")).thread_id
    assert client.player.asked[-1].handoffs == []
    client.player.replies = ["Still the boss."]
    assert (await client.say("hi", thread)).said == ["Still the boss."]
    file = client.folder / "login.py"
    file.write_text(LOGIN.replace('["admin"] if', '["former"] if'))
    assert (await client.runtime.reload()).status == "reloaded"
    await client.say("hi", thread)
    assert client.player.asked[-1].handoffs == []
    assert client.player.asked[-1].instructions == client.player.asked[0].instructions


async def test_a_route_to_an_agent_without_the_role_is_skipped(chat: MakeChat) -> None:
    agents = {
        "vip": {"roles": ["admin"], "instructions": "For admins."},
        "helper": {"instructions": "For all."},
    }
    entry = [{"when": "{{ 'admin' in user.roles or true }}", "agent": "vip"}, "helper"]
    client = await _make(chat, {"entry": entry, "agents": agents})
    for headers, instructions in ((ADA, "For admins."), (BOB, "For all.")):
        client.headers = headers
        await client.say("hi")
        assert client.player.asked[-1].instructions == instructions


@pytest.mark.parametrize("entry", ["vip", {"python": "choose:first"}])
async def test_an_entry_agent_without_the_role_is_a_403_before_anything_is_stored(chat: MakeChat, entry: Any) -> None:
    agents = {"vip": {"roles": ["admin"]}, "other": {}}
    choose = "def first(context):\n    return 'vip'\n"
    client = await _make(chat, {"entry": entry, "agents": agents}, choose_py=choose)
    client.headers = BOB
    answer = await client.say("hi")
    assert (answer.status, answer.error["code"]) == (403, "forbidden")
    assert answer.error["message"] == "your roles do not include this assistant"
    assert (await client.call("threads.list")).json["data"] == []
    client.headers = ADA
    assert (await client.say("hi")).said == ["Fine."]


async def test_every_request_that_the_agents_would_answer_asks_for_the_role(chat: MakeChat) -> None:
    config = {"agents": {"helper": {}}, "actions": {"more": {"message": "More."}}}
    client = await _make(chat, config)
    client.headers = BOB
    first = await client.say("hi")
    thread, item = first.thread_id, first.done("user_message")[0]["id"]
    _require_admin(client)
    assert (await client.runtime.reload()).status == "reloaded"
    for answer in (
        await client.say("hi", thread),
        await client.call("threads.retry_after_item", thread_id=thread, item_id=item),
        await client.result(thread, {}),
        await client.act(thread, "more"),
    ):
        assert (answer.status, answer.error["code"]) == (403, "forbidden")
    assert len(await client.items(thread)) == 2


async def test_a_tool_of_the_composer_asks_for_its_role(chat: MakeChat) -> None:
    config = {
        "tools": {"secret": {"python": "tools:secret", "roles": ["admin"]}},
        "agents": {"helper": {"tools": ["secret"]}},
        "chat": {"composer": {"tools": [{"id": "deep", "label": "Deep", "icon": "search", "tool": "secret"}]}},
    }
    client = await _make(chat, config)
    client.player.replies = [[call("secret")], "Done."]
    message = user_input("hi", inference_options={"tool_choice": {"id": "deep"}})
    client.headers = BOB
    answer = await client.call("threads.create", input=message)
    assert (answer.status, answer.error["message"]) == (403, "your roles do not include the tool 'deep'")
    assert (await client.get("/chatkit/options.json")).json["composer"].get("tools") is None
    client.headers = ADA
    assert (await client.call("threads.create", input=message)).said == ["Done."]
    assert [tool["id"] for tool in (await client.get("/chatkit/options.json")).json["composer"]["tools"]] == ["deep"]


async def test_an_action_asks_for_its_role_before_it_checks_the_payload(chat: MakeChat) -> None:
    payload = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    actions = {
        "go": {"python": "acts:act", "sync": True, "roles": ["admin"], "payload": payload},
        "say": {"message": "Said.", "roles": ["admin"]},
    }
    code = "async def act(ctx, action, sender):\n    await ctx.context.say('went')\n"
    client = await _make(chat, {"actions": actions}, acts_py=code)
    threads = {}
    for name, headers in (("ada", ADA), ("bob", BOB)):
        client.headers = headers
        threads[name] = (await client.say("hi")).thread_id
    client.headers = BOB
    for answer in (
        await client.act(threads["bob"], "go", {"n": 1}),
        await client.act(threads["bob"], "go", {"n": "x"}),
        await client.act_now(threads["bob"], "go", {"n": 1}),
        await client.act(threads["bob"], "say"),
    ):
        assert (answer.status, answer.error["code"]) == (403, "forbidden")
    client.headers = ADA
    assert (await client.act(threads["ada"], "go", {"n": 1})).said == ["went"]
    assert (await client.act(threads["ada"], "say")).said == ["Fine."]


ROUTES = """
from fastapi import APIRouter, Request
from runtime import current_user

def made(name):
    router = APIRouter()

    @router.get(f"/{name}")
    def show(request: Request):
        return {"of": name, "user": current_user(request).id if name != "open" else None}

    @router.post(f"/{name}/{{number}}")
    def add(number: int, body: dict):
        return {"number": number}

    return router

open_router, users, admins = made("open"), made("users"), made("admins")
"""


async def test_a_route_is_for_everybody_for_users_or_for_a_role(chat: MakeChat) -> None:
    routes: list[Any] = [
        "api:users",
        {"python": "api:open_router", "public": True},
        {"python": "api:admins", "roles": ["admin"]},
    ]
    client = await _make(chat, {"routes": routes}, api_py=ROUTES)
    allowed = {
        "/open": {"": 200, "bob": 200, "ada": 200},
        "/users": {"": 401, "bob": 200, "ada": 200},
        "/admins": {"": 401, "bob": 403, "ada": 200},
    }
    for path, statuses in allowed.items():
        for name, status in statuses.items():
            answer = await client.get(path, {"x-user": name} if name else {})
            assert answer.status == status, (path, name)
            posted = client.start(b"not json", {"x-user": name} if name else {}, path=f"{path}/1")
            # Refused before the body is read, or read and found wrong.
            assert (await posted.end()).status == (422 if status == 200 else status)
    for path, status in (("/open", 405), ("/admins", 401), ("/users", 401)):
        assert (await client.request("DELETE", path).end()).status == status
    assert (await client.get("/open/../users")).status == 401
    assert (await client.get("/open//users")).status == 401


@pytest.mark.in_process
async def test_the_admin_routes_are_for_this_machine_for_a_token_and_for_a_role(chat: MakeChat) -> None:
    client = await _make(chat, {"admin": {"roles": ["admin"], "token": "t" * 32}})

    async def from_elsewhere(scope: Any, receive: Any, send: Any) -> None:
        await client.app({**scope, "client": ("203.0.113.7", 1)}, receive, send)

    away = Client(from_elsewhere)
    for path in ("/-/config", "/-/usage", "/-/feedback"):
        for headers, status in (({}, 401), (BOB, 403), (ADA, 200), ({"authorization": f"Bearer {'t' * 32}"}, 200)):
            assert (await away.get(path, headers)).status == status, (path, headers)
    assert (await away.request("POST", "/-/reload", headers=BOB).end()).status == 403
    assert (await client.get("/-/config")).status == 200


async def test_templates_and_tools_see_roles_and_claims(chat: MakeChat) -> None:
    login = "def user(request):\n    return {'id': 'ada', 'roles': ['admin'], 'claims': {'org': {'name': 'Acme'}}}\n"
    written = ("user.id", "user.name", "user.roles | join(',')", "user.claims.org.name", "user.claims | tojson")
    instructions = " ".join(f"{{{{ {each} }}}}" for each in written)
    client = await chat({**AUTH, "agents": {"helper": {"instructions": instructions}}}, login_py=login)
    await client.say("hi")
    assert client.player.asked[-1].instructions == 'ada None admin Acme {"org": {"name": "Acme"}}'


async def test_process_takes_the_roles_of_its_user(chat: MakeChat) -> None:
    client = await _make(chat, {"agents": {"helper": {"roles": ["admin"]}}})
    body = json.dumps({"type": "threads.create", "params": {"input": user_input("hi")}})
    with pytest.raises(RequestError) as caught:
        await client.runtime.server.process(body, {}, user="bob")
    assert caught.value.status == 403
    streamed = await client.runtime.server.process(body, {}, user=User("ada", roles=("admin",)))
    assert b"Fine." in b"".join([chunk async for chunk in streamed])  # type: ignore[union-attr]  # a stream


@pytest.mark.parametrize("store", ["memory", "sqlite:///.chatkit/threads.db"])
async def test_a_file_stays_unsent_when_the_message_with_it_is_a_403(chat: MakeChat, store: str) -> None:
    client = await _make(chat, {"agents": {"helper": {}}, "chat": {"attachments": {}}, "store": store})
    client.headers = BOB
    thread = (await client.say("hi")).thread_id
    _require_admin(client)
    assert (await client.runtime.reload()).status == "reloaded"
    made = (await client.call("attachments.create", name="a.txt", mime_type="text/plain", size=2)).json
    url = made["upload_descriptor"]["url"].removeprefix("http://localhost")
    assert (await client.request("PUT", url, b"hi").end()).status == 204
    for target in (None, thread):
        refused = await client.say("look", target, attachments=[made["id"]])
        assert (refused.status, refused.error["code"]) == (403, "forbidden")
    assert len((await client.call("threads.list")).json["data"]) == 1
    assert len(await client.items(thread)) == 2
    # A file that was sent can't be deleted: this is a 409.
    assert (await client.call("attachments.delete", attachment_id=made["id"])).status == 200


async def test_an_interrupted_answer_is_continued_with_the_role_alone(chat: MakeChat) -> None:
    client = await _make(chat, {"agents": {"helper": {}}})
    client.headers = BOB
    thread = (await client.say("hi")).thread_id
    card = interruption_card(thread)
    await client.runtime.store.write_items("bob", thread, [card])
    _require_admin(client)
    assert (await client.runtime.reload()).status == "reloaded"
    refused = await client.act(thread, CONTINUE_ACTION, {}, card.id)
    assert (refused.status, refused.error["code"]) == (403, "forbidden")
    assert (await client.items(thread))[-1]["id"] == card.id


def _require_admin(client: Chat) -> None:
    file = client.folder / "agents.yaml"
    file.write_text(file.read_text().replace('"helper": {}', '"helper": {"roles": ["admin"]}'))
