"""Who may use what: every request type of the protocol and every route, against every kind of sender.

The rows come from the protocol's types and from the routes of the app, so that a new one without a row fails. The table
is docs/access.md (UPDATE_EXPECTED=1 writes it).
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

import pytest
from chatkit.types import ChatKitReq
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from runtime.server.http.client_files import built_files
from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.logins import AUDIENCE, ISSUER, Provider, bearer, identity_provider, token
from tests.conversations.talking import Client, Exchange, user_input

POSTGRES = os.environ.get("CHATKIT_TEST_POSTGRES")
PAGE = Path(__file__).parents[2] / "docs" / "access.md"
COLUMNS = ("nobody", "user A", "user B", "wrong role", "expired token", "wrong issuer", "spoofed header")
ASSET = next(name.removeprefix("assets/") for name in sorted(built_files()) if name.startswith("assets/"))
AWAY = ("203.0.113.7", 5000)
CODE = """
from fastapi import APIRouter

users, everybody, staff = APIRouter(), APIRouter(), APIRouter()

@users.get("/mine")
def mine(): return {}

@everybody.get("/open")
def shown(): return {}

@staff.get("/staff")
def internal(): return {}

async def act(ctx, action, sender):
    return None

async def transcribe(audio, context):
    return "spoken"

def search(query, context):
    return []
"""
CONFIG: dict[str, Any] = {
    "entry": "helper",
    "agents": {"helper": {"roles": ["staff"]}},
    "actions": {"act": {"python": "app.code:act", "sync": True, "roles": ["staff"]}},
    "routes": [
        "app.code:users",
        {"python": "app.code:everybody", "public": True},
        {"python": "app.code:staff", "roles": ["staff"]},
    ],
    "chat": {
        "attachments": {"accept": ["text/plain"]},
        "dictation": {"python": "app.code:transcribe"},
        "tags": "app.code:search",
    },
    "admin": {"roles": ["staff"], "token": "t" * 40},
    "server": {"page": True},
}

# The statuses for: nobody, user A, user B, A without the role, A's expired token, A's token of another issuer, a header
# that names A and comes from no proxy. What a request names belongs to A.
OWN = (401, 200, 404, 200, 401, 401, 401)
"""A thread or item: its owner alone has it; to others it does not exist."""
OWN_BY_ROLE = (401, 200, 404, 403, 401, 401, 401)
"""The same, and the agent or the action requires a role."""
EVERY_USER = (401, 200, 200, 200, 401, 401, 401)
BY_ROLE = (401, 200, 200, 403, 401, 401, 401)
EVERYBODY = (200,) * 7
EXPECTED: dict[str, tuple[int, ...]] = {
    "threads.create": BY_ROLE,
    "threads.list": EVERY_USER,
    "threads.get_by_id": OWN,
    "threads.update": OWN,
    # Deleting what does not exist is no error; A's thread stays, as the test checks.
    "threads.delete": EVERY_USER,
    "threads.add_user_message": OWN_BY_ROLE,
    "threads.add_client_tool_output": OWN_BY_ROLE,
    # The item asks no question: 400 for its owner.
    "threads.add_structured_input": (401, 400, 404, 400, 401, 401, 401),
    "threads.retry_after_item": OWN_BY_ROLE,
    "threads.custom_action": (401, 200, 404, 403, 401, 401, 401),
    "threads.sync_custom_action": (401, 200, 404, 403, 401, 401, 401),
    "items.list": OWN,
    "items.feedback": OWN,
    "attachments.create": EVERY_USER,
    "attachments.delete": OWN,
    "input.transcribe": EVERY_USER,
    "GET /health": EVERYBODY,
    "GET /ready": EVERYBODY,
    "GET /-/config": BY_ROLE,
    "GET /-/events": BY_ROLE,
    "GET /-/feedback": BY_ROLE,
    "GET /-/usage": BY_ROLE,
    "POST /-/reload": BY_ROLE,
    # A body without a type: 400 for those who may send one.
    "POST /chatkit": (401, 400, 400, 400, 401, 401, 401),
    "GET /chatkit/options.json": EVERY_USER,
    # The page and the web client are the same for everybody, and hold nothing of the project.
    "GET /": EVERYBODY,
    "GET /chatkit/element.js": EVERYBODY,
    "GET /chatkit/frame.html": EVERYBODY,
    "GET /chatkit/assets/{file}": EVERYBODY,
    "GET /chatkit/entities": EVERY_USER,
    "GET /chatkit/entities/{id}": (401, 404, 404, 404, 401, 401, 401),
    "GET /chatkit/entities/{id}/preview": (401, 404, 404, 404, 401, 401, 401),
    # A form without a file: 400 for those who may send one.
    "POST /chatkit/files": (401, 400, 400, 400, 401, 401, 401),
    # The signed address is the permission; this one has no valid signature.
    "PUT /chatkit/files/{token}": (403,) * 7,
    "GET /chatkit/files/{token}": (403,) * 7,
    # Nothing is being written in A's thread: 204.
    "GET /chatkit/threads/{thread_id}/stream": (401, 204, 404, 204, 401, 401, 401),
    "DELETE /chatkit/threads/{thread_id}/stream": (401, 204, 404, 204, 401, 401, 401),
    "GET /mine": EVERY_USER,
    "GET /open": EVERYBODY,
    "GET /staff": BY_ROLE,
}


def request_types() -> list[str]:
    """Return every request type of the protocol."""
    return sorted(kind for part in _members(ChatKitReq) for kind in get_args(part.model_fields["type"].annotation))


def _members(union: Any) -> Iterator[Any]:
    for part in get_args(union):
        if hasattr(part, "model_fields"):
            yield part
        elif get_args(part):
            yield from _members(part)


def routes_of(client: Chat) -> list[str]:
    """Return every route of the app: those of all generations, and those of this one."""
    app: Any = client.app
    generation: Any = client.runtime.generation.app
    found = {(method, route.path) for route in app.routes for method in getattr(route, "methods", None) or ()}
    found |= set(generation.addresses())
    return sorted(f"{method} {path}" for method, path in found if method != "HEAD")


class World:
    """A project whose users log in with tokens, the same with the headers of a proxy, and what belongs to A."""

    def __init__(self, by_token: Chat, by_header: Chat) -> None:
        self.by_token, self.by_header = by_token, by_header
        member = {"roles": ["staff"]}
        self.headers = {
            "nobody": {},
            "user A": bearer(token(sub="A", **member)),
            "user B": bearer(token(sub="B", **member)),
            "wrong role": bearer(token(sub="A", roles=["guest"])),
            "expired token": bearer(token(sub="A", exp=int(time.time()) - 3600, **member)),
            "wrong issuer": bearer(token(sub="A", iss="https://evil.example/", **member)),
            "spoofed header": {"x-user": "A", "x-roles": "staff", "x-forwarded-for": "10.0.0.7"},
        }

    def client(self, column: str) -> Client:
        """Return a client on another machine."""
        behind = self.by_header if column == "spoofed header" else self.by_token

        async def away(scope: Any, receive: Any, send: Any) -> None:
            await behind.app({**scope, "client": AWAY}, receive, send)

        return Client(away, headers=self.headers[column])

    async def ask(self, row: str, column: str) -> Exchange:
        """Send the request of a row about objects of A's, which are made for it."""
        owner = self.client("user A")
        said = await owner.say("hi")
        thread, item = said.thread_id, said.done("user_message")[0]["id"]
        client = self.client(column)
        if " " in row:
            method, _, path = row.partition(" ")
            path = (
                path.replace("{thread_id}", thread)
                .replace("{id}", "x")
                .replace("{token}", "x.y")
                .replace("{file}", ASSET)
            )
            exchange = client.request(method, path, b"{}" if method in ("POST", "PUT") else b"")
            if path == "/-/events":
                await exchange.until(lambda got: got.status)
                exchange.leave()
            return await exchange.end()
        if row == "attachments.delete":
            made = await owner.call("attachments.create", name="a.txt", size=3, mime_type="text/plain")
            return await client.call(row, attachment_id=made.json["id"])
        exchange = await client.call(row, **_params(row, thread, item))
        if column != "user A" and row == "threads.delete" and column != "wrong role":
            assert (await owner.call("threads.get_by_id", thread_id=thread)).status == 200
        return exchange


def _params(row: str, thread: str, item: str) -> dict[str, Any]:
    act = {"type": "act", "payload": {}}
    return {
        "threads.create": {"input": user_input("hi")},
        "threads.list": {},
        "threads.get_by_id": {"thread_id": thread},
        "threads.update": {"thread_id": thread, "title": "new"},
        "threads.delete": {"thread_id": thread},
        "threads.add_user_message": {"thread_id": thread, "input": user_input("more")},
        "threads.add_client_tool_output": {"thread_id": thread, "result": {}},
        "threads.add_structured_input": {
            "thread_id": thread,
            "item_id": item,
            "input": {"answers": {}, "status": "skipped"},
        },
        "threads.retry_after_item": {"thread_id": thread, "item_id": item},
        "threads.custom_action": {"thread_id": thread, "action": act},
        "threads.sync_custom_action": {"thread_id": thread, "action": act},
        "items.list": {"thread_id": thread},
        "items.feedback": {"thread_id": thread, "item_ids": [item], "kind": "positive"},
        "attachments.create": {"name": "a.txt", "size": 3, "mime_type": "text/plain"},
        "input.transcribe": {"audio_base64": "YWJj", "mime_type": "audio/wav"},
    }[row]


@pytest.fixture
def provider() -> Iterator[Provider]:
    with identity_provider("first") as served:
        yield served


@pytest.fixture(
    params=["sqlite", pytest.param("postgres", marks=pytest.mark.skipif(not POSTGRES, reason="no database"))]
)
async def store(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    if request.param == "sqlite":
        yield "sqlite:///threads.db"
        return
    name = f"access_{uuid4().hex}"
    address = str(POSTGRES).replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(address, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    yield f"{str(POSTGRES).rpartition('/')[0]}/{name}"
    async with engine.connect() as connection:
        await connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
    await engine.dispose()


@pytest.mark.in_process
@pytest.mark.timeout(600)
async def test_every_request_and_every_route_answers_those_who_may_use_it_alone(
    chat: MakeChat, provider: Provider, store: str
) -> None:
    jwt = {"jwks_url": provider.url, "issuer": ISSUER, "audience": AUDIENCE, "claims": {"roles": "roles"}}
    proxy = {"user": "X-User", "roles": "X-Roles", "proxies": ["10.0.0.0/8"]}
    files = {"app__code_py": CODE, "app__init_py": ""}
    world = World(
        await chat({**CONFIG, "store": store, "auth": {"jwt": jwt}}, name="tokens", **files),
        await chat({**CONFIG, "store": store, "auth": {"header": proxy}}, name="headers", **files),
    )
    rows = [*request_types(), *routes_of(world.by_token)]
    assert [row for row in rows if row not in EXPECTED] == [], "a request or a route without a row"
    assert [row for row in EXPECTED if row not in rows] == [], "a row of nothing"
    seen = {row: tuple([(await world.ask(row, column)).status for column in COLUMNS]) for row in EXPECTED}
    assert seen == EXPECTED
    if os.environ.get("UPDATE_EXPECTED"):
        PAGE.write_text(_page(seen), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == _page(seen)


def _page(seen: dict[str, tuple[int, ...]]) -> str:
    lines = [f"| `{row}` | {' | '.join(map(str, statuses))} |" for row, statuses in seen.items()]
    head = f"| request | {' | '.join(COLUMNS)} |\n|---|{'---|' * len(COLUMNS)}"
    return f"{INTRODUCTION}\n{head}\n" + "\n".join(lines) + "\n"


INTRODUCTION = """# Who may use what

The status of every request type of ChatKit's protocol and of every route, by who sends it. A test sends each of them,
to SQLite and to PostgreSQL, and writes this page; a new route without a row fails it.

What a request names (a thread, an item, an attachment) belongs to user A. The agent, the action, the route `/staff` and
the routes below `/-/` require a role, which A and B have. *Wrong role* is A without it. *Expired token* and *wrong
issuer* are tokens of A's that are no longer, or were never, valid. *Spoofed header* names A in the header of a trusted
proxy, and comes from another address. All of them send from another machine. See [login](guide/login.md).

A 400 is the answer to a request that is allowed and incomplete here, such as a form without a file. `threads.delete` of
a thread that is not there is no error, and deletes nothing. The address of a file is signed: it is the permission, and
needs no login. The chat page and the files of the web client hold nothing of a project or of a user: the page asks for
everything else with its user's login.
"""
