"""Who sends a request: closed by default, this machine alone, and functions of the project."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import HTTPConnection
from starlette.routing import Mount

import runtime
from runtime import RequestError, User, create_app
from runtime.auth.user import LOCAL_USER, ReadOnlyDict
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.talking import Client, user_input

LIST = {"type": "threads.list", "params": {}}
LOGIN = """
import runtime
from starlette.exceptions import HTTPException

async def by_header(request):
    return request.headers.get("x-user")

def in_a_thread(request):
    return {"id": request.headers["x-user"], "roles": ["reader", "writer"], "claims": {"org": {"name": "Acme"}}}

def whole(request):
    return runtime.User("ada", "Ada", ("admin",))

def wrong(request):
    return {"user": "ada"}

def letters(request):
    return {"id": "ada", "roles": "admin"}

def nobody_knows(request):
    raise RuntimeError("secret-of-the-database")

def refuses(request):
    raise HTTPException(403, "not on a Sunday")

async def reads_the_body(request):
    await request.body()
    return "ada"

def empty(request):
    return " "

class Called:
    async def __call__(self, request):
        return "called"
called = Called()

def bound(request, header):
    return request.headers.get(header)
"""


async def _list(client: Client, **headers: str) -> Any:
    return await client.call("threads.list", headers)


async def test_without_auth_everybody_is_refused_and_the_log_says_once_what_to_declare(
    chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    client = await chat({"auth": None})
    for _ in range(2):
        answer = await _list(client)
        assert (answer.status, answer.error["code"]) == (401, "unauthenticated")
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "agents.yaml has no `auth:`" in warnings[0]
    assert "request.state.user" not in warnings[0]


class _SetsState(BaseHTTPMiddleware):
    async def dispatch(self, request: Any, call_next: Any) -> Any:
        request.state.user = SimpleUser(request.headers.get("x-user", "nobody"))
        return await call_next(request)


async def _around(client: Chat, *middleware: Middleware) -> Client:
    mounted = create_app(client.folder, environ={})
    return Client(Starlette(routes=[Mount("/", mounted)], middleware=list(middleware)))


async def test_an_applications_own_middleware_lets_nobody_in_and_the_log_shows_the_function_that_would(
    chat: MakeChat, caplog: pytest.LogCaptureFixture
) -> None:
    around = await _around(await chat({"auth": None}), Middleware(_SetsState))
    assert (await _list(around, **{"x-user": "ada"})).status == 401
    assert "auth: {python: app.login:user}" in caplog.text
    assert "return str(request.state.user.id)" in caplog.text
    await around.app.routes[0].app.state.runtime.close()


async def test_the_three_lines_of_that_log_separate_the_users_of_such_an_application(chat: MakeChat) -> None:
    login = "def user(request):\n    return str(request.state.user.username)\n"
    client = await chat({"auth": {"python": "app.login:user"}}, app__login_py=login)
    around = await _around(client, Middleware(_SetsState))
    around.headers = {"x-user": "ada"}
    thread = (await around.say("hi")).thread_id
    around.headers = {"x-user": "bob"}
    assert (await around.call("threads.get_by_id", thread_id=thread)).status == 404
    assert (await _list(around)).json["data"] == []
    await around.app.routes[0].app.state.runtime.close()


class _Headers(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        name = conn.headers.get("x-user")
        return (AuthCredentials(["authenticated", "admin"]), SimpleUser(name)) if name else None


SAY_USER = """
async def act(ctx, action, sender):
    user = ctx.context.user
    await ctx.context.say(f"{user.id} {user.name} {user.roles} {dict(user.claims)}")
"""


async def test_starlettes_users_have_their_scopes_as_roles(chat: MakeChat) -> None:
    client = await chat({"auth": None, "actions": {"act": "acts:act"}}, acts_py=SAY_USER)
    around = await _around(client, Middleware(AuthenticationMiddleware, backend=_Headers()))
    around.headers = {"x-user": "ada"}
    thread = (await around.say("hi")).thread_id
    assert (await around.act(thread, "act")).said == ["ada ada ('authenticated', 'admin') {}"]
    assert (await _list(around, **{"x-user": ""})).status == 401
    await around.app.routes[0].app.state.runtime.close()


async def test_auth_decides_where_starlettes_middleware_knows_a_user_as_well(chat: MakeChat) -> None:
    client = await chat(
        {"auth": {"python": "login:whole"}, "actions": {"act": "acts:act"}}, login_py=LOGIN, acts_py=SAY_USER
    )
    around = await _around(client, Middleware(AuthenticationMiddleware, backend=_Headers()))
    around.headers = {"x-user": "bob"}
    thread = (await around.say("hi")).thread_id
    assert (await around.act(thread, "act")).said == ["ada Ada ('admin',) {}"]
    await around.app.routes[0].app.state.runtime.close()


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"host": "chat.example.com"}, "the Host header names another machine"),
        ({"host": "127.0.0.1.evil.example"}, "the Host header names another machine"),
        ({"origin": "https://evil.example"}, "the Origin header names another site"),
        ({"x-forwarded-for": "127.0.0.1"}, "a proxy has forwarded the request (header 'x-forwarded-for')"),
        ({"forwarded": "for=127.0.0.1"}, "a proxy has forwarded the request (header 'forwarded')"),
        ({"x-forwarded-server": "proxy"}, "a proxy has forwarded the request (header 'x-forwarded-server')"),
        ({"cf-connecting-ip": "127.0.0.1"}, "a proxy has forwarded the request (header 'cf-connecting-ip')"),
    ],
)
async def test_auth_none_answers_this_machine_alone(chat: MakeChat, headers: dict[str, str], reason: str) -> None:
    client = await chat({"auth": "none"})
    assert (await _list(client)).status == 200
    answer = await _list(client, **headers)
    assert (answer.status, answer.error["code"]) == (403, "forbidden")
    assert reason in answer.error["message"]


@pytest.mark.in_process
async def test_a_proxy_that_adds_no_header_is_known_by_its_http_1_0(chat: MakeChat) -> None:
    """nginx with its defaults forwards so, with a Host of its own."""
    client = await chat({"auth": "none"})

    async def old(scope: Any, receive: Any, send: Any) -> None:
        await client.app({**scope, "http_version": "1.0"}, receive, send)

    around = replace(client, app=old)
    for answer in (await _list(around), await around.get("/-/config")):
        assert (answer.status, answer.error["code"]) == (403, "forbidden")
    assert "HTTP/1.0" in (await _list(around)).error["message"]
    assert (await around.get("/health")).status == 200


async def test_auth_none_answers_pages_of_declared_origins_but_not_of_any(chat: MakeChat) -> None:
    declared = await chat({"server": {"cors": ["https://app.example.com"]}}, name="declared")
    every = await chat({"server": {"cors": ["*"]}}, name="every")
    assert (await _list(declared, origin="https://app.example.com")).status == 200
    assert (await _list(declared, origin="https://evil.example")).status == 403
    assert (await _list(every, origin="https://evil.example")).status == 403


@pytest.mark.in_process
@pytest.mark.parametrize("address", [None, ("203.0.113.7", 1), ("testclient", 50000)])
async def test_auth_none_refuses_other_addresses(chat: MakeChat, address: Any) -> None:
    client = await chat({"auth": "none"})

    async def from_elsewhere(scope: Any, receive: Any, send: Any) -> None:
        await client.app({**scope, "client": address}, receive, send)

    answer = await _list(Client(from_elsewhere))
    assert (answer.status, answer.error["code"]) == (403, "forbidden")
    assert "the request comes from another address" in answer.error["message"]


async def test_a_function_of_the_project_names_the_user(chat: MakeChat) -> None:
    client = await chat({"auth": {"python": "login:by_header"}}, login_py=LOGIN)
    client.headers = {"x-user": "ada"}
    thread = (await client.say("hi")).thread_id
    client.headers = {"x-user": "bob"}
    assert (await client.call("threads.get_by_id", thread_id=thread)).status == 404
    client.headers = {}
    answer = await _list(client)
    assert (answer.status, answer.error["code"], answer.error["message"]) == (401, "unauthenticated", "log in first")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("login:in_a_thread", "zoe None ('reader', 'writer') {'org': {'name': 'Acme'}}"),
        ("login:whole", "ada Ada ('admin',) {}"),
        ("login:called", "called None () {}"),
    ],
)
async def test_a_function_returns_a_user_a_mapping_or_an_id(chat: MakeChat, path: str, said: str) -> None:
    config = {"auth": {"python": path}, "actions": {"act": "acts:act"}}
    client = await chat(config, login_py=LOGIN, acts_py=SAY_USER)
    client.headers = {"x-user": "zoe"}
    thread = (await client.say("hi")).thread_id
    assert (await client.act(thread, "act")).said == [said]


async def test_arguments_of_with_reach_the_function(chat: MakeChat) -> None:
    client = await chat({"auth": {"python": "login:bound", "with": {"header": "x-login"}}}, login_py=LOGIN)
    assert (await _list(client, **{"x-login": "ada"})).status == 200
    assert (await _list(client, **{"x-user": "ada"})).status == 401


@pytest.mark.parametrize(
    ("path", "status", "logged"),
    [
        ("login:wrong", 500, "'login:wrong' returned 'user', which is none of id, name, roles, claims"),
        ("login:letters", 500, "a user whose roles are no list of texts"),
        ("login:empty", 500, "a user whose id is empty"),
        ("login:nobody_knows", 500, "secret-of-the-database"),
        ("login:reads_the_body", 500, "Receive channel has not been made available"),
    ],
)
async def test_a_function_that_fails_lets_nobody_in(
    chat: MakeChat, caplog: pytest.LogCaptureFixture, path: str, status: int, logged: str
) -> None:
    client = await chat({"auth": {"python": path}}, login_py=LOGIN)
    answer = await _list(client, **{"x-user": "ada"})
    assert (answer.status, answer.error["code"]) == (status, "internal_error")
    assert logged in caplog.text
    assert b"secret" not in answer.body


async def test_a_function_may_refuse_with_an_http_exception(chat: MakeChat) -> None:
    client = await chat({"auth": {"python": "login:refuses"}}, login_py=LOGIN)
    answer = await _list(client)
    assert (answer.status, answer.json) == (403, {"detail": "not on a Sunday"})


async def test_no_login_may_name_the_local_user(chat: MakeChat) -> None:
    client = await chat({"auth": {"python": "login:by_header"}}, login_py=LOGIN)
    answer = await _list(client, **{"x-user": "local"})
    assert (answer.status, answer.error["code"]) == (403, "reserved_identity")


ROUTES = """
from typing import Annotated
from fastapi import APIRouter, Depends
from runtime import User, current_user

router = APIRouter()

@router.get("/me")
async def me(user: Annotated[User, Depends(current_user)]):
    return {"id": user.id, "roles": user.roles}
"""


async def test_every_route_asks_who_sends_a_request_before_its_body_is_read(chat: MakeChat) -> None:
    config = {"auth": {"python": "login:by_header"}, "routes": ["api:router"], "chat": {"attachments": {}}}
    client = await chat(config, login_py=LOGIN, api_py=ROUTES)
    asked = [
        ("POST", "/chatkit"),
        ("GET", "/chatkit/options.json"),
        ("GET", "/chatkit/entities?q=a"),
        ("GET", "/chatkit/entities/x"),
        ("GET", "/chatkit/entities/x/preview"),
        ("POST", "/chatkit/files"),
        ("GET", "/me"),
        ("GET", "/no-such-route"),
    ]
    for method, path in asked:
        answer = await client.request(method, path, b"{" * 5_000_000 if method == "POST" else b"").end()
        assert (answer.status, answer.error["code"]) == (401, "unauthenticated"), path
    for path in ("/health", "/ready"):
        assert (await client.get(path)).status == 200
    assert (await client.get("/me", {"x-user": "ada"})).json == {"id": "ada", "roles": []}


async def test_the_address_of_a_file_is_the_permission_to_use_it(chat: MakeChat) -> None:
    client = await chat({"auth": {"python": "login:by_header"}, "chat": {"attachments": {}}}, login_py=LOGIN)
    for method in ("GET", "PUT"):
        answer = await client.request(method, "/chatkit/files/no-token").end()
        assert (answer.status, answer.error["code"]) == (403, "invalid_url")


async def test_the_response_to_a_request_without_a_login_is_for_its_page_as_well(chat: MakeChat) -> None:
    config = {"auth": {"python": "login:by_header"}, "server": {"cors": ["https://app.example.com"]}}
    client = await chat(config, login_py=LOGIN)
    origin = {"origin": "https://app.example.com"}
    answer = await _list(client, **origin)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (401, "https://app.example.com")
    asked = {**origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    assert (await client.request("OPTIONS", "/chatkit", headers=asked).end()).status == 200


async def test_an_endpoint_of_ones_own_names_its_user_or_is_refused(chat: MakeChat) -> None:
    client = await chat({"auth": None, "actions": {"act": "acts:act"}}, acts_py=SAY_USER)
    server, body = client.runtime.server, json.dumps(LIST)
    for user in (None, "", "local", User("local")):
        with pytest.raises(RequestError) as caught:
            await server.process(body, {}, user=user)
        assert caught.value.status in (401, 403)
    say = json.dumps({"type": "threads.create", "params": {"input": user_input("hi")}})
    streamed = await server.process(say, {}, user=User("ada", roles=("admin",)))
    assert b'"Fine."' in b"".join([chunk async for chunk in streamed])  # type: ignore[union-attr]  # a stream
    assert len(json.loads((await server.process(body, {}, user="ada")).json)["data"]) == 1  # type: ignore[union-attr]
    assert json.loads((await server.process(body, {}, user="bob")).json)["data"] == []  # type: ignore[union-attr]


async def test_a_store_of_ones_own_gets_the_user_of_each_request(chat: MakeChat) -> None:
    code = """
from tests.conversations.bare import DictStore
seen = []
class Mine(DictStore):
    async def load_threads(self, limit, after, order, context):
        seen.append(context)
        return await super().load_threads(limit, after, order, context)
"""
    client = await chat({"auth": None, "store": {"python": "own:Mine"}}, own_py=code)
    with pytest.raises(RequestError):
        await client.runtime.server.process(json.dumps(LIST), {"user": "ada"})
    await client.runtime.server.process(json.dumps(LIST), {"user": "ada"}, user="ada")
    assert client.runtime.generation.snapshot.code.resolve("own:seen") == [{"user_id": "ada"}]


async def test_respond_answers_for_the_user_of_the_request(chat: MakeChat) -> None:
    client = await chat({"auth": {"python": "login:by_header"}}, login_py=LOGIN)
    client.headers = {"x-user": "ada"}
    thread_id = (await client.say("hi")).thread_id
    server = client.runtime.server
    thread = await client.runtime.store.load_thread("ada", thread_id)
    with pytest.raises(RequestError) as caught:
        [event async for event in server.respond(thread, None, {})]
    assert caught.value.status == 401
    events = [event async for event in server.respond(thread, None, {}, user="ada")]
    assert any(event.type == "thread.item.done" for event in events)


async def test_an_edit_of_auth_takes_effect_with_the_next_request(chat: MakeChat) -> None:
    client = await chat({"auth": {"python": "login:by_header"}}, login_py=LOGIN)
    gate = client.player.gate("Fine.")
    client.headers = {"x-user": "bob"}
    running = client.begin("hi")
    await gate.reached.wait()
    file = client.folder / "agents.yaml"
    file.write_text(file.read_text().replace("login:by_header", "login:whole"))
    assert (await client.runtime.reload()).status == "reloaded"
    client.headers = {}
    assert (await _list(client)).json["data"] == []
    assert client.runtime.generation.number == 2
    gate.open.set()
    assert (await running.end()).said == ["Fine."]


def test_the_claims_of_a_user_are_read_only_and_its_roles_decide() -> None:
    claims = ReadOnlyDict({"a": 1})
    for change in (lambda: claims.update(b=2), lambda: claims.pop("a"), lambda: claims.__setitem__("a", 2)):
        with pytest.raises(TypeError):
            change()
    user = User("ada", roles=("reader",), claims=claims)
    assert (json.dumps(user.claims), repr(user)) == ('{"a": 1}', "User(id='ada', name=None, roles=('reader',))")
    assert user.may_use(())
    assert user.may_use(["writer", "reader"])
    assert not user.may_use(["writer"])
    assert hash(user) == hash(User("ada", roles=("reader",)))
    assert runtime.User is User
    assert LOCAL_USER.id == "local"
