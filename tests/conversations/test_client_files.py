"""The files of the web client over HTTP: who may load them, their headers, caching, and what is no file of it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

import runtime
from runtime.server.app import create_app
from runtime.server.http.loopback import LoopbackOnly
from tests.conversations.conftest import MakeChat
from tests.conversations.talking import Client, Exchange

BUILT = Path(runtime.__file__).parent / "server" / "web"
FILES = sorted(path.relative_to(BUILT).as_posix() for path in (BUILT / "assets").iterdir())
TOKEN = {"auth": {"bearer": {"ada": "a" * 43}}}
FRAME_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob: https:; "
    "font-src 'self' data: https:; media-src blob:; frame-src 'self'; connect-src 'none'; form-action 'none'; "
    "base-uri 'none'; object-src 'none'; frame-ancestors 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
SHARED = {
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
    "cross-origin-embedder-policy": "require-corp",
    "x-content-type-options": "nosniff",
}


def about(answer: Exchange, *more: str) -> dict[str, str]:
    """Return the headers that say who may use a response, and how long."""
    names = ("cache-control", "content-security-policy", *SHARED, *more)
    return {name: answer.headers[name] for name in names if name in answer.headers}


async def test_everybody_may_load_the_client_and_the_chat_stays_behind_the_login(chat: MakeChat) -> None:
    client = await chat(TOKEN)
    element, frame = await client.get("/chatkit/element.js"), await client.get("/chatkit/frame.html")
    assert (element.status, frame.status) == (200, 200)
    assert element.body == (BUILT / "element.js").read_bytes()
    assert frame.body == (BUILT / "frame.html").read_bytes()
    assert (await client.get("/chatkit/options.json")).status == 401


async def test_the_headers_of_each_file_are_those_that_the_client_was_tested_with(chat: MakeChat) -> None:
    client = await chat()
    element, frame = await client.get("/chatkit/element.js"), await client.get("/chatkit/frame.html")
    assert about(element) == {"cache-control": "no-cache", **SHARED}
    assert about(frame) == {"cache-control": "no-cache", "content-security-policy": FRAME_POLICY, **SHARED}
    assert element.headers["content-type"] == "text/javascript; charset=utf-8"
    assert frame.headers["content-type"] == "text/html; charset=utf-8"
    for name in FILES:
        asset = await client.get(f"/chatkit/{name}")
        assert asset.status == 200
        assert asset.body == (BUILT / name).read_bytes()
        assert about(asset) == {"cache-control": "public, max-age=31536000, immutable", **SHARED}
        assert asset.headers["content-type"] != "application/octet-stream"


async def test_the_origins_of_server_cors_may_show_the_frame(chat: MakeChat) -> None:
    origins = ["https://app.example.com", "http://localhost:5173", "null"]
    client = await chat({"server": {"cors": origins}})
    frame = await client.get("/chatkit/frame.html", {"origin": "https://app.example.com"})
    assert (
        "; frame-ancestors 'self' https://app.example.com http://localhost:5173; "
        in about(frame)["content-security-policy"]
    )
    # Not those of the chat, which allow cookies: the client is loaded without them.
    assert about(frame)["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in frame.headers


async def test_the_frame_may_show_the_pages_of_declared_components_and_no_others(chat: MakeChat) -> None:
    sources = ["https://maps.example:8443/map.html?x=1", "https://maps.example:8443/other", "/map.html"]
    components = {f"acme-map{index}": source for index, source in enumerate(sources)}
    client = await chat({"chat": {"components": components}})
    policy = about(await client.get("/chatkit/frame.html"))["content-security-policy"]
    assert "; frame-src 'self' https://maps.example:8443; " in policy
    options = json.loads((await client.get("/chatkit/options.json")).body)
    assert options["widgets"] == {"components": {kind: {"src": source} for kind, source in components.items()}}


async def test_any_page_may_show_the_frame_where_any_may_call_the_server(chat: MakeChat) -> None:
    client = await chat({"server": {"cors": ["*"]}})
    assert "; frame-ancestors 'self' *; " in about(await client.get("/chatkit/frame.html"))["content-security-policy"]


@pytest.mark.parametrize("name", ["element.js", "frame.html", FILES[0]])
async def test_a_browser_that_has_the_file_is_not_sent_it_again(chat: MakeChat, name: str) -> None:
    client = await chat()
    for encoding in ({}, {"accept-encoding": "gzip"}):
        first = await client.get(f"/chatkit/{name}", encoding)
        for known in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
            again = await client.get(f"/chatkit/{name}", {**encoding, "if-none-match": known})
            assert (again.status, again.body) == (304, b"")
            assert about(again, "etag", "vary") == about(first, "etag", "vary")
        assert (await client.get(f"/chatkit/{name}", {**encoding, "if-none-match": '"other"'})).status == 200


async def test_head_has_the_headers_of_get_and_no_body(chat: MakeChat) -> None:
    client = await chat()
    got = await client.get("/chatkit/frame.html")
    head = await client.request("HEAD", "/chatkit/frame.html").end()
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(got.body))
    assert about(head, "etag", "content-type") == about(got, "etag", "content-type")


@pytest.mark.parametrize("accepted", ["gzip", "br;q=1.0, gzip;q=0.8", "GZIP", "*"])
async def test_a_script_is_compressed_for_those_who_read_that(chat: MakeChat, accepted: str) -> None:
    client = await chat()
    name = max(FILES, key=lambda name: (BUILT / name).stat().st_size if name.endswith(".js") else 0)
    plain = await client.get(f"/chatkit/{name}")
    zipped = await client.get(f"/chatkit/{name}", {"accept-encoding": accepted})
    assert zipped.headers["content-encoding"] == "gzip"
    assert gzip.decompress(zipped.body) == plain.body
    assert len(zipped.body) < len(plain.body) / 2
    assert zipped.headers["etag"] != plain.headers["etag"]
    assert zipped.headers["vary"] == plain.headers["vary"] == "accept-encoding"


@pytest.mark.parametrize("accepted", ["", "identity", "gzip;q=0", "gzip; q=0.0, br", "br"])
async def test_a_script_is_not_compressed_for_those_who_do_not_read_that(chat: MakeChat, accepted: str) -> None:
    client = await chat()
    answer = await client.get("/chatkit/frame.html", {"accept-encoding": accepted})
    assert "content-encoding" not in answer.headers
    assert answer.body == (BUILT / "frame.html").read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/chatkit/assets/",
        "/chatkit/assets",
        "/chatkit/assets/../frame.html",
        "/chatkit/assets/../../app.py",
        "/chatkit/assets/..%2f..%2fapp.py",
        "/chatkit/assets//etc/passwd",
        "/chatkit/assets/\\..\\app.py",
        "/chatkit/assets/%00",
        "/chatkit/../app.py",
        "/chatkit/page.html",
        "/chatkit/Element.js",
        "/chatkit/element.js/",
        "/element.js",
    ],
)
async def test_nothing_else_can_be_read_at_these_addresses(chat: MakeChat, path: str) -> None:
    assert (await (await chat(TOKEN)).get(path)).status == 401
    assert (await (await chat(name="open")).get(path)).status == 404


async def test_no_other_method_is_answered(chat: MakeChat) -> None:
    client = await chat(TOKEN)
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert (await client.request(method, "/chatkit/element.js", b"{}").end()).status == 401


async def test_the_client_does_not_count_as_requests_of_an_address(chat: MakeChat) -> None:
    client = await chat({"limits": {"requests": {"address": "1/minute"}}})
    assert [(await client.get("/chatkit/element.js")).status for _ in range(3)] == [200] * 3
    assert (await client.get("/chatkit/options.json")).status == 200
    assert (await client.get("/chatkit/options.json")).status == 429
    assert (await client.get("/chatkit/element.js")).status == 200


@pytest.mark.parametrize("path", ["/", "/api/v1/chat"])
async def test_the_files_are_below_the_projects_own_path(chat: MakeChat, path: str) -> None:
    client = await chat({"server": {"path": path}})
    below = path.rstrip("/")
    for name in ("element.js", "frame.html", FILES[0]):
        assert (await client.get(f"{below}/{name}")).status == 200
    assert (await client.get(f"{below}/options.json")).json["api"]["url"] == path
    assert (await client.say("hi")).said == ["Fine."]


async def test_the_files_are_below_the_prefix_of_a_mount(chat: MakeChat) -> None:
    app = create_app((await chat()).folder, environ={})
    client = Client(Starlette(routes=[Mount("/sites/one", app)]))
    assert (await client.get("/sites/one/chatkit/frame.html")).body == (BUILT / "frame.html").read_bytes()
    assert (await client.get(f"/sites/one/chatkit/{FILES[0]}")).status == 200
    await app.state.runtime.close()


@pytest.mark.in_process
async def test_during_development_a_frame_without_an_origin_loads_the_client_and_nothing_else(chat: MakeChat) -> None:
    made = await chat()

    def is_open(scope: Any) -> bool:
        return made.runtime.generation.app.is_client_file(scope)

    client = Client(LoopbackOnly(made.app, is_open))
    nowhere = {"origin": "null"}
    assert (await client.get(f"/chatkit/{FILES[0]}", nowhere)).status == 200
    assert (await client.get("/chatkit/options.json", nowhere)).status == 403
    assert (await client.request("POST", "/chatkit/element.js", headers=nowhere).end()).status == 403
    assert (await client.get(f"/chatkit/{FILES[0]}", {"host": "evil.example"})).status == 403
