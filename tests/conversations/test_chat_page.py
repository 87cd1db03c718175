"""The chat page at `/`: which projects have one, and what a browser learns from it about the login."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from runtime.server.app import create_app
from runtime.server.http.client_files import built_files
from tests.conversations.conftest import QUICK, MakeChat
from tests.conversations.talking import Client, Exchange

BEARER = {"bearer": {"ada": "a" * 43}}
JWT = {"jwt": {"key": "k" * 40, "algorithms": ["HS256"], "issuer": "https://id.example.com", "audience": "chat"}}
HEADER = {"header": {"user": "X-User", "proxies": ["127.0.0.1"]}}
PYTHON = {"python": "login:user"}
LOGIN = "def user(request): return request.headers.get('x-user')\n"
DEV = replace(QUICK, always_page=True, local_user="default")


def settings_of(page: Exchange) -> Any:
    """Return the settings in the page."""
    assert page.status == 200
    found = re.search(r'<meta name="chatkit-page" content="([^"]*)">', page.body.decode())
    assert found is not None
    return json.loads(unescape(found[1]))


async def test_a_project_has_a_page_if_it_declares_one(chat: MakeChat) -> None:
    assert (await (await chat()).get("/")).status == 404
    client = await chat({"server": {"page": True}}, name="page")
    page = await client.get("/")
    assert settings_of(page) == {"url": "./chatkit", "login": {"kind": "none"}}
    assert page.headers["content-type"] == "text/html; charset=utf-8"


async def test_every_project_has_one_during_development(chat: MakeChat) -> None:
    assert settings_of(await (await chat(settings=DEV)).get("/"))["login"] == {"kind": "none"}
    closed = await chat({"auth": None, "server": {"page": False}}, settings=DEV, name="closed")
    assert settings_of(await closed.get("/"))["login"] == {"kind": "none"}
    tokens = await chat({"auth": BEARER}, settings=DEV, name="tokens")
    assert settings_of(await tokens.get("/"))["login"] == {"kind": "token"}


@pytest.mark.parametrize(
    ("auth", "page", "login"),
    [
        (BEARER, True, {"kind": "token"}),
        (JWT, True, {"kind": "token"}),
        (HEADER, True, {"kind": "proxy"}),
        (PYTHON, True, {"kind": "proxy"}),
        (None, True, {"kind": "proxy"}),
        (
            PYTHON,
            {"login": "/login"},
            {"kind": "redirect", "url": "/login", "parameter": "return_to"},
        ),
        (
            JWT,
            {"login": "https://id.example.com/start?client=chat", "return_parameter": "rd"},
            {"kind": "redirect", "url": "https://id.example.com/start?client=chat", "parameter": "rd"},
        ),
    ],
)
async def test_the_page_needs_no_login_and_says_how_to_log_in(chat: MakeChat, auth: Any, page: Any, login: Any) -> None:
    client = await chat({"auth": auth, "server": {"page": page}}, login_py=LOGIN)
    assert settings_of(await client.get("/")) == {"url": "./chatkit", "login": login}
    assert (await client.get("/chatkit/options.json")).status == 401


async def test_the_page_says_nothing_else_of_the_project(chat: MakeChat) -> None:
    texts = {"greeting": "Hello agents", "frame_title": "Staff", "header": {"title": "Payroll"}}
    plain = await chat({"auth": BEARER, "server": {"page": True}}, name="plain")
    named = await chat({"auth": BEARER, "server": {"page": True}, "chat": texts}, name="named")
    assert (await plain.get("/")).body == (await named.get("/")).body


async def test_the_page_may_load_its_own_site_alone_and_be_shown_in_no_frame(chat: MakeChat) -> None:
    page = await (await chat({"server": {"page": True, "cors": ["https://app.example.com"]}})).get("/")
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "font-src": "'self'",
        "connect-src": "'self'",
        "frame-src": "'self'",
        "form-action": "'none'",
        "base-uri": "'none'",
        "object-src": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["x-content-type-options"] == "nosniff"
    # Unlike the client's files: a page of another origin can't read it.
    assert "access-control-allow-origin" not in page.headers


async def test_the_page_has_an_etag_which_a_changed_login_changes(chat: MakeChat) -> None:
    client = await chat({"auth": BEARER, "server": {"page": True}})
    first = await client.get("/")
    assert (await client.get("/", {"if-none-match": first.headers["etag"]})).status == 304
    other = await chat({"auth": BEARER, "server": {"page": {"login": "/login"}}}, name="other")
    assert (await other.get("/", {"if-none-match": first.headers["etag"]})).status == 200


@pytest.mark.parametrize(("path", "base"), [("/", "."), ("/chatkit", "./chatkit"), ("/api/v1/chat", "./api/v1/chat")])
async def test_the_addresses_of_the_page_lead_to_its_files(chat: MakeChat, path: str, base: str) -> None:
    client = await chat({"server": {"page": True, "path": path}})
    page = await client.get("/")
    assert settings_of(page)["url"] == base
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page.body.decode())
    assert addresses
    for address in addresses:
        assert (await client.get(address.removeprefix("."))).status == 200, address
    assert (await client.say("hi")).said == ["Fine."]


async def test_the_page_is_below_the_prefix_of_a_mount(chat: MakeChat) -> None:
    app = create_app((await chat({"server": {"page": True}})).folder, environ={})
    client = Client(Starlette(routes=[Mount("/assistant", app)]))
    assert settings_of(await client.get("/assistant/"))["url"] == "./chatkit"
    without_slash = await client.get("/assistant")
    assert (without_slash.status, without_slash.headers["location"]) == (307, "http://localhost/assistant/")
    await app.state.runtime.close()


@pytest.mark.parametrize("public", [True, False])
async def test_a_route_of_the_project_at_the_root_comes_first(chat: MakeChat, public: bool) -> None:
    code = "from fastapi import APIRouter\nrouter = APIRouter()\n@router.get('/')\ndef root(): return 'mine'\n"
    config = {"routes": [{"python": "app.code:router", "public": public}], "server": {"page": True}}
    client = await chat(config, settings=DEV, app__code_py=code, app__init_py="")
    assert (await client.get("/")).json == "mine"
    assert (await client.get("/chatkit/element.js")).status == 200


async def test_only_reading_the_root_shows_the_page(chat: MakeChat) -> None:
    client = await chat({"auth": BEARER, "server": {"page": True}})
    head = await client.request("HEAD", "/").end()
    assert (head.status, head.body) == (200, b"")
    assert (await client.request("POST", "/", b"{}").end()).status == 401
    for path in ("/index.html", "/page.html", "//"):
        assert (await client.get(path)).status == 401


async def test_an_edit_of_the_page_takes_effect_with_the_next_request(chat: MakeChat) -> None:
    client = await chat({"server": {"page": False}})
    file = client.folder / "agents.yaml"
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "server": {"page": True}}))
    await client.runtime.reload()
    assert (await client.get("/")).status == 200


def test_the_built_page_has_a_place_for_its_settings() -> None:
    assert built_files()["page.html"].decode().count('<meta name="chatkit-page" content="{}">') == 1
