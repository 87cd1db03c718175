"""Pages of other sites in a user's browser: what they can send without asking by CORS changes and reads nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conversations.conftest import Chat, MakeChat
from tests.conversations.test_websockets import handshake

CODE = """
from fastapi import APIRouter, Request, WebSocket

router, admins, public = APIRouter(), APIRouter(), APIRouter()

def user(request):
    return {"id": "ada", "roles": ["admin"]} if "session" in request.cookies else None

async def change(request: Request):
    return {"changed": len(await request.body())}

for each, path in (router, "/mine"), (admins, "/admins"), (public, "/hook"):
    each.post(path)(change)
router.put("/mine")(change)

@router.websocket("/ws")
async def greet(socket: WebSocket):
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()
"""
CONFIG: dict[str, Any] = {
    "auth": {"python": "app:user"},
    "routes": ["app:router", {"python": "app:admins", "roles": ["admin"]}, {"python": "app:public", "public": True}],
    "admin": {"roles": ["admin"]},
}
COOKIE = {"cookie": "session=1", "host": "chat.example.com"}
# What a browser posts for a page without asking; the last one is a request without a type.
TYPES = ["text/plain", "Multipart/Form-Data; boundary=b", "application/x-www-form-urlencoded", "text/plain; a=json", ""]
FOREIGN = [
    "https://evil.example",
    "null",
    "https://chat.example.com.evil.example",
    "https://[",
    "http://localhost:5173",
]
OWN = ["https://chat.example.com", "https://app.example.com"]


async def _chat(chat: MakeChat, **server: Any) -> Chat:
    return await chat({**CONFIG, "server": {"cors": ["https://app.example.com"], **server}}, app_py=CODE)


async def _post(client: Chat, path: str, **headers: str) -> tuple[int, str]:
    sent = {**COOKIE, "x-forwarded-proto": "https", "content-type": "text/plain", **headers}
    answer = await client.request("POST", path, b"x", sent).end()
    return answer.status, "" if answer.status == 200 else answer.error["message"]


@pytest.mark.parametrize("path", ["/mine", "/admins", "/-/reload"])
async def test_a_form_of_another_sites_page_changes_nothing(chat: MakeChat, path: str) -> None:
    client = await _chat(chat)
    for media_type in TYPES:
        for origin in FOREIGN:
            status, message = await _post(client, path, origin=origin, **{"content-type": media_type})
            assert (status, message) == (
                403,
                "a form of another site's page is refused (declare its origin in server.cors)",
            )
        for origin in OWN:
            assert (await _post(client, path, origin=origin, **{"content-type": media_type}))[0] == 200
    assert (await _post(client, path))[0] == 200, "a program sends no origin"


async def test_what_a_page_has_to_ask_for_is_left_to_cors(chat: MakeChat) -> None:
    client = await _chat(chat)
    evil = {**COOKIE, "origin": "https://evil.example"}
    assert (await _post(client, "/mine", **evil, **{"content-type": "application/json"}))[0] == 200
    put = client.request("PUT", "/mine", b"x", {**evil, "content-type": "text/plain"})
    assert (await put.end()).status == 200
    assert (await client.get("/chatkit/options.json", evil)).status == 200


async def test_a_public_route_has_no_user_whose_browser_could_be_used(chat: MakeChat) -> None:
    assert (await _post(await _chat(chat), "/hook", origin="https://evil.example"))[0] == 200


async def test_origins_are_not_revealed_before_the_login(chat: MakeChat) -> None:
    assert (await _post(await _chat(chat), "/mine", origin="https://evil.example", cookie="other=1"))[0] == 401


async def test_pages_of_this_machine_are_one_site_whatever_their_ports(chat: MakeChat) -> None:
    client = await _chat(chat)
    for host, origin in (("localhost:8000", "http://localhost:5173"), ("127.0.0.1:8000", "http://localhost:3000")):
        assert (await _post(client, "/mine", host=host, origin=origin))[0] == 200
    assert (await _post(client, "/mine", host="localhost:8000", origin="http://localhost.evil.example"))[0] == 403


async def test_any_origin_is_allowed_where_the_project_says_so(chat: MakeChat) -> None:
    client = await _chat(chat, cors=["*"])
    assert (await _post(client, "/mine", origin="https://anywhere.example"))[0] == 200


@pytest.mark.in_process
@pytest.mark.parametrize(
    ("origin", "opens"), [*((origin, False) for origin in FOREIGN), *((origin, True) for origin in OWN)]
)
async def test_a_page_of_another_site_opens_no_websocket(chat: MakeChat, origin: str, opens: bool) -> None:
    client = await _chat(chat)
    sent = await handshake(client, "/ws", {**COOKIE, "origin": origin})
    assert sent[0]["type"] == ("websocket.accept" if opens else "websocket.http.response.start")
    assert opens or sent[0]["status"] == 403


@pytest.mark.parametrize("given", ["0" * 5000, "0" * 20 + "9" * 30, "9" * 19, "-1", "1e3", " 1 2"])
async def test_an_event_id_that_no_stream_has_is_refused(chat: MakeChat, given: str) -> None:
    client = await chat()
    thread = (await client.say("hi")).thread_id
    answer = await client.get(f"/chatkit/threads/{thread}/stream", {"last-event-id": given})
    assert (answer.status, answer.error["code"]) == (400, "invalid_event_id")


@pytest.mark.in_process
@pytest.mark.parametrize("length", ["²", "9" * 5000, "+5", "1e3"])
async def test_a_length_that_is_no_number_is_unknown(chat: MakeChat, length: str) -> None:
    client = await chat({"chat": {"attachments": {}}})
    for path, status in (("/chatkit", 400), ("/chatkit/files", 400)):
        exchange = client.request("POST", path, b"{}", {"content-length": length.encode().decode("latin-1")})
        assert (await exchange.end()).status == status
