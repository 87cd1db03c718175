"""The HTTP side: probes, request ids, errors, surrounding apps, the project's routes, and the owners of threads."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.routing import Mount

import runtime
from runtime.errors import ConfigError
from runtime.server.app import create_app
from runtime.server.runtime import load
from runtime.stores.memory import MemoryStore
from tests.conversations.conftest import Bare, Chat, MakeBare, MakeChat, write_project
from tests.conversations.playing import Player
from tests.conversations.talking import Client, user_input
from tests.server.attachments.pictures import png


async def test_health_says_ok_without_the_store(chat: MakeChat) -> None:
    client = await chat()
    assert (await client.get("/health")).json == {"status": "ok"}
    ready = (await client.get("/ready")).json
    assert (ready["status"], ready["generation"]) == ("ready", client.runtime.generation.number)


async def test_ready_is_a_503_when_the_store_can_not_be_reached(
    chat: MakeChat, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await chat()

    async def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError("secret host")

    monkeypatch.setattr(MemoryStore, "load_threads", fail)
    answer = await client.get("/ready")
    assert (answer.status, answer.error["code"]) == (503, "not_ready")
    assert b"secret" not in answer.body
    assert (await client.get("/health")).status == 200


@pytest.mark.parametrize("given", ["abc-123", "a.b:c_d"])
async def test_a_sane_request_id_is_kept_and_named_in_errors(chat: MakeChat, given: str) -> None:
    client = await chat()
    headers = {"x-request-id": given}
    answer = await client.start(b"{}", headers).end()
    assert answer.error["request_id"] == answer.headers["x-request-id"] == given
    assert (await client.get("/health", headers)).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "has space", "x" * 129, "<script>"])
async def test_a_strange_request_id_is_replaced(chat: MakeChat, given: str) -> None:
    answer = await (await chat()).start(b"{}", {"x-request-id": given}).end()
    assert re.fullmatch(r"req_[0-9a-f]{40}", answer.error["request_id"])


async def test_a_bug_is_a_500_in_json_with_the_reference_that_is_in_the_log(
    chat: MakeChat, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = await chat()

    async def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(MemoryStore, "load_threads", fail)
    answer = await client.call("threads.list")
    assert (answer.status, answer.error["code"]) == (500, "internal_error")
    assert answer.broken is None
    assert b"secret" not in answer.body
    assert any(answer.error["request_id"] in record.message for record in caplog.records)


async def test_an_unknown_path_is_a_404_in_json(chat: MakeChat) -> None:
    answer = await (await chat()).get("/nowhere")
    assert (answer.status, answer.error["code"]) == (404, "not_found")


async def test_the_path_is_the_declared_one(chat: MakeChat) -> None:
    client = await chat({"server": {"path": "/api/v1/chat"}})
    assert (await client.say("hi")).said == ["Fine."]
    assert (await client.get("/api/v1/chat/options.json")).status == 200
    assert (await client.start(b"{}", path="/chatkit").end()).status == 404


async def test_options_hold_what_the_empty_chat_shows(chat: MakeChat) -> None:
    prompts = [{"label": "Weather", "prompt": "What's the weather?", "icon": "sparkle"}, {"label": "A", "prompt": "B"}]
    client = await chat({"chat": {"greeting": "How can I help?", "start_prompts": prompts}})
    screen = (await client.get("/chatkit/options.json")).json["startScreen"]
    assert screen == {"greeting": "How can I help?", "prompts": prompts}
    assert (await (await chat(name="plain")).get("/chatkit/options.json")).status == 200


async def test_pages_of_declared_origins_may_call_and_read_the_request_id(chat: MakeChat) -> None:
    client = await chat({"server": {"cors": ["https://app.example.com"]}})
    preflight = await client.request(
        "OPTIONS",
        "/chatkit",
        headers={
            "origin": "https://app.example.com",
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type,x-customer",
        },
    ).end()
    assert preflight.status == 200
    assert preflight.headers["access-control-allow-origin"] == "https://app.example.com"
    good = await client.start(b"{}", {"origin": "https://app.example.com"}).end()
    assert good.headers["access-control-allow-origin"] == "https://app.example.com"
    assert good.headers["access-control-allow-credentials"] == "true"
    assert "x-request-id" in good.headers["access-control-expose-headers"].lower()
    other = await client.start(b"{}", {"origin": "https://evil.example"}).end()
    assert "access-control-allow-origin" not in other.headers


async def test_without_cors_no_page_of_another_origin_may_read(chat: MakeChat) -> None:
    answer = await (await chat()).start(b"{}", {"origin": "https://app.example.com"}).end()
    assert "access-control-allow-origin" not in answer.headers


API = """
from fastapi import APIRouter

inner = APIRouter(prefix="/inner")

@inner.patch("/{name}")
async def patch(name: str) -> str:
    return name

router = APIRouter()
router.include_router(inner)

@router.delete("/cats/{name}")
async def delete(name: str) -> str:
    return name
"""


async def test_pages_of_declared_origins_may_use_the_methods_of_the_projects_routes(chat: MakeChat) -> None:
    async def allowed(client: Chat, path: str, method: str) -> int:
        headers = {"origin": "https://app.example.com", "access-control-request-method": method}
        return (await client.request("OPTIONS", path, headers=headers).end()).status

    cors = {"server": {"cors": ["https://app.example.com"]}}
    client = await chat({"routes": ["api:router"], **cors}, api_py=API)
    assert await allowed(client, "/cats/tom", "DELETE") == 200
    assert await allowed(client, "/inner/tom", "PATCH") == 200
    deleted = await client.request("DELETE", "/cats/tom", headers={"origin": "https://app.example.com"}).end()
    assert (deleted.json, deleted.headers["access-control-allow-origin"]) == ("tom", "https://app.example.com")
    assert await allowed(await chat(cors, name="without"), "/chatkit", "PATCH") == 400


async def test_any_origin_never_gets_credentials(chat: MakeChat) -> None:
    client = await chat({"server": {"cors": ["*"]}})
    answer = await client.start(b"{}", {"origin": "https://app.example.com"}).end()
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


ROUTES = """
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel

router = APIRouter(prefix="/cats")

class Cat(BaseModel):
    name: str

@router.get("/{name}")
async def get(name: str) -> Cat:
    if name == "none":
        raise HTTPException(404, {"why": "no such cat"})
    if name == "bug":
        raise RuntimeError("secret detail")
    return Cat(name=name)

@router.post("")
async def add(cat: Cat) -> Cat:
    return cat
"""


async def test_routes_of_the_project_are_served_and_keep_fastapis_errors(chat: MakeChat) -> None:
    client = await chat({"routes": ["api:router"]}, api_py=ROUTES)
    assert (await client.get("/cats/tom")).json == {"name": "tom"}
    missing = await client.get("/cats/none")
    assert (missing.status, missing.json) == (404, {"detail": {"why": "no such cat"}})
    wrong = await client.start(b'{"nam": 1}', path="/cats").end()
    assert wrong.status == 422
    assert wrong.json["detail"][0]["loc"] == ["body", "name"]
    assert "x-request-id" in missing.headers


async def test_a_bug_in_a_route_of_the_project_is_a_500_in_json_without_details(chat: MakeChat) -> None:
    client = await chat({"routes": ["api:router"]}, api_py=ROUTES)
    answer = await client.get("/cats/bug")
    assert answer.status == 500
    assert answer.json["error"]["code"] == "internal_error"
    assert b"secret" not in answer.body


async def _mounted(client: Chat, **options: Any) -> Client:
    # Starlette does not run the lifespan of an app that is mounted.
    outer = Starlette(routes=[Mount("/assistant", create_app(client.folder, environ={}))], **options)
    return Client(outer, path="/assistant/chatkit")


async def test_the_app_can_be_mounted_in_another_whose_lifespan_does_not_reach_it(chat: MakeChat) -> None:
    mounted = await _mounted(await chat())
    first = await mounted.say("hi")
    assert first.said == ["Fine."]
    assert len(await mounted.items(first.thread_id)) == 2
    assert (await mounted.get("/assistant/health")).json == {"status": "ok"}
    await mounted.app.routes[0].app.state.runtime.close()


async def test_the_app_can_be_mounted_in_fastapi_at_the_root(chat: MakeChat) -> None:
    outer = FastAPI()
    app = create_app((await chat()).folder, environ={})
    outer.mount("/", app)
    assert (await Client(outer).say("hi")).said == ["Fine."]
    await app.state.runtime.close()


@pytest.mark.parametrize("upload", ["two_phase", "direct"])
async def test_the_urls_for_files_begin_where_the_app_is_mounted(chat: MakeChat, upload: str) -> None:
    client = await chat({"chat": {"attachments": {"upload": upload}}})
    inner = Starlette(routes=[Mount("/assistant", create_app(client.folder, environ={}))])
    outer = Starlette(
        routes=[Mount("/sites/one", inner)], middleware=[Middleware(AuthenticationMiddleware, backend=_Headers())]
    )
    mounted = Client(outer, {"x-user": "alice"}, "/sites/one/assistant/chatkit")
    base = "http://localhost/sites/one/assistant/chatkit"
    picture = png()
    offered = (await mounted.get("/sites/one/assistant/chatkit/options.json")).json
    if upload == "direct":
        url = offered["api"]["uploadStrategy"]["uploadUrl"]
        assert url == f"{base}/files"
        form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n'
        form += b"Content-Type: image/png\r\n\r\n" + picture + b"\r\n--x--\r\n"
        sent = mounted.start(
            form, {"content-type": "multipart/form-data; boundary=x"}, url.removeprefix("http://localhost")
        )
        made = (await sent.end()).json
    else:
        made = (await mounted.call("attachments.create", name="a.png", mime_type="image/png", size=len(picture))).json
        url = made["upload_descriptor"]["url"]
        assert url.startswith(f"{base}/files/")
        assert (await mounted.request("PUT", url.removeprefix("http://localhost"), picture).end()).status == 204
    assert made["preview_url"].startswith(f"{base}/files/")
    assert (await mounted.get(made["preview_url"].removeprefix("http://localhost"))).body == picture
    await inner.routes[0].app.state.runtime.close()  # type: ignore[attr-defined]


async def test_an_app_uses_the_profile_that_it_is_given_also_after_a_reload(chat: MakeChat) -> None:
    folder = (await chat({"profiles": {"loud": {"chat": {"greeting": "HELLO"}}}, "chat": {"greeting": "hello"}})).folder
    app = create_app(folder, environ={}, profile="loud")
    project = app.state.runtime
    async with app.router.lifespan_context(app):
        screen = (await Client(app).get("/chatkit/options.json")).json["startScreen"]
        assert screen["greeting"] == "HELLO"
        edited = (folder / "agents.yaml").read_text().replace("HELLO", "HI THERE")
        (folder / "agents.yaml").write_text(edited)
        assert (await project.reload()).status == "reloaded"
        assert project.config.chat.greeting == "HI THERE"
    assert load(folder, environ={"CHATKIT_PROFILE": "loud"}, profile="").config.chat.greeting == "hello"
    with pytest.raises(ConfigError, match="there is no profile 'lod'"):
        load(folder, environ={}, profile="lod")


class _Headers(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        name = conn.headers.get("x-user")
        return (AuthCredentials(["authenticated"]), SimpleUser(name)) if name else None


CODE = """
async def act(ctx, action, sender):
    await ctx.context.say("by " + ctx.context.user.id)
"""


async def test_a_user_whom_the_surrounding_app_knows_owns_their_threads(chat: MakeChat) -> None:
    config = {"auth": None, "actions": {"act": {"python": "acts:act", "sync": True}}}
    client = await chat(config, acts_py=CODE)
    mounted = await _mounted(client, middleware=[Middleware(AuthenticationMiddleware, backend=_Headers())])
    alice, bob = {"x-user": "alice"}, {"x-user": "bob"}
    mounted.headers = alice
    first = await mounted.say("hi")
    thread, item = first.thread_id, first.done("user_message")[0]["id"]
    assert (await mounted.act(thread, "act")).said == ["by alice"]
    for headers in (bob,):
        mounted.headers = headers
        assert (await mounted.call("threads.list")).json["data"] == []
        for answer in (
            await mounted.call("threads.get_by_id", thread_id=thread),
            await mounted.call("threads.update", thread_id=thread, title="stolen"),
            await mounted.call("items.list", thread_id=thread),
            await mounted.say("hi", thread),
            await mounted.call("threads.retry_after_item", thread_id=thread, item_id=item),
            await mounted.result(thread, 1),
            await mounted.call("threads.add_structured_input", thread_id=thread, item_id=item, input={}),
            await mounted.act(thread, "act"),
            await mounted.act_now(thread, "act"),
            await mounted.ask_feedback(thread, item),
        ):
            assert (answer.status, answer.json["error"]["code"]) == (404, "not_found")
        assert (await mounted.call("threads.delete", thread_id=thread)).status == 200
    for headers, status in (({}, 401), ({"x-user": "local"}, 403)):
        mounted.headers = headers
        assert (await mounted.call("threads.list")).status == status
    mounted.headers = alice
    kept = (await mounted.call("threads.get_by_id", thread_id=thread)).json
    assert kept.get("title") is None
    assert len(kept["items"]["data"]) == 3
    await mounted.app.routes[0].app.state.runtime.close()


async def test_the_bare_sdk_lets_anybody_read_rename_and_delete_a_thread(bare: MakeBare) -> None:
    client: Bare = bare()
    client.headers = {"x-user": "alice"}
    thread = (await client.say("hi")).thread_id
    client.headers = {"x-user": "bob"}
    assert len((await client.call("threads.get_by_id", thread_id=thread)).json["items"]["data"]) == 2
    assert (await client.call("threads.update", thread_id=thread, title="stolen")).json["title"] == "stolen"
    await client.call("threads.delete", thread_id=thread)
    client.headers = {"x-user": "alice"}
    assert (await client.call("threads.list")).json["data"] == []


async def test_the_bare_sdk_hands_its_store_a_thread_with_items(bare: MakeBare) -> None:
    client = bare()

    async def touch(thread: Any) -> None:
        thread.title = "touched"

    client.server.before = touch
    await client.say("hi")
    assert {kind.__name__ for kind in client.server.dicts.handed} == {"ThreadMetadata", "Thread"}


async def test_an_endpoint_of_ones_own_may_use_the_server_directly(chat: MakeChat) -> None:
    code = "async def act(ctx, action, sender):\n    await ctx.context.say(ctx.context.request_context['name'])\n"
    client = await chat({"actions": {"act": "acts:act"}}, acts_py=code)
    server = client.runtime.server
    body = json.dumps({"type": "threads.create", "params": {"input": user_input("hi")}})
    streamed = await server.process(body, {"name": "ida"})
    chunks = b"".join([chunk async for chunk in streamed])  # type: ignore[union-attr]  # a stream
    assert b'"Fine."' in chunks
    listed = await server.process('{"type": "threads.list", "params": {}}', {})
    thread = json.loads(listed.json)["data"][0]["id"]  # type: ignore[union-attr]  # JSON
    act = {"type": "threads.custom_action", "params": {"thread_id": thread, "action": {"type": "act"}}}
    streamed = await server.process(json.dumps(act), {"name": "ida"})
    assert b'"ida"' in b"".join([chunk async for chunk in streamed])  # type: ignore[union-attr]  # a stream
    with pytest.raises(runtime.RequestError):
        await server.process("{}")


async def test_load_gives_the_objects_without_serving(chat: MakeChat) -> None:
    client = await chat()
    loaded = runtime.load(client.folder, environ={})
    assert list(loaded.agents) == ["helper"]
    assert (dict(loaded.tools), dict(loaded.widgets), dict(loaded.state)) == ({}, {}, {})
    assert loaded.config.version == 1


async def test_a_config_with_mistakes_raises_them_all_at_once(tmp_path: Any, player: Player) -> None:
    write_project(
        tmp_path / "bad",
        {
            "agents": {
                "helper": {
                    "modle": "x",
                }
            },
            "sore": 1,
        },
        {},
    )
    with pytest.raises(runtime.ConfigError) as caught:
        create_app(tmp_path / "bad", environ={})
    assert [diagnostic.path for diagnostic in caught.value.diagnostics] == ["agents.helper.modle", "sore"]


async def test_threads_outlive_a_restart_in_the_default_store(chat: MakeChat) -> None:
    client = await chat({"store": "sqlite:///data/threads.db"})
    thread = (await client.say("hi")).thread_id
    await client.runtime.close()
    assert (client.folder / "data" / "threads.db").is_file()
    app = create_app(client.folder, environ={})
    async with app.router.lifespan_context(app):
        again = Client(app)
        assert len(await again.items(thread)) == 2
        assert (await again.say("more", thread)).said == ["Fine."]


async def test_a_store_of_ones_own_is_used_and_gets_the_owner(chat: MakeChat) -> None:
    code = """
from tests.conversations.bare import DictStore
seen = []
class Mine(DictStore):
    async def load_threads(self, limit, after, order, context):
        seen.append(context)
        return await super().load_threads(limit, after, order, context)
"""
    client = await chat({"store": {"python": "own:Mine"}}, own_py=code)
    first = await client.say("hi")
    assert first.said == ["Fine."]
    assert len((await client.call("threads.list")).json["data"]) == 1
    assert len(await client.items(first.thread_id)) == 2
    assert {"user_id": "local"} in client.runtime.generation.snapshot.code.resolve("own:seen")


async def test_a_middleware_around_the_app_takes_nothing_from_streams_or_disconnects(chat: MakeChat) -> None:
    client = await chat()
    outer = FastAPI()
    app = create_app(client.folder, environ={})
    outer.mount("/", app)

    @outer.middleware("http")
    async def note(request: Request, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["x-noted"] = "yes"
        return response

    around = Client(outer)
    client.player.replies = ["one two three"]
    gate = client.player.gate("three")
    answer = around.begin("count")
    await answer.until(lambda so_far: "two" in so_far.deltas)
    assert answer.headers["x-noted"] == "yes"
    answer.leave()
    await answer.end()
    await app.state.runtime.server.close(grace_s=20)
    assert client.player.finished == 0
    gate.open.set()
    assert (await around.say("again")).said == ["one two three"]
    await app.state.runtime.close()
