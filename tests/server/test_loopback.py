from __future__ import annotations

from typing import Any

import httpx
import pytest

from runtime.server.http.loopback import LoopbackOnly, is_loopback


async def _app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def ask(**headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(app=LoopbackOnly(_app))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        return await client.post("/chatkit", headers=headers)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "127.0.0.1", "127.1.2.3", "::1", "[::1]"])
def test_names_of_this_machine_are_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.evil.com", "127.0.0.1.nip.io"]
)
def test_other_names_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "localhost"])
async def test_a_request_to_loopback_passes(host: str) -> None:
    assert (await ask(host=host)).status_code == 204


@pytest.mark.parametrize(
    "host", ["evil.com", "evil.com:8000", "localhost@evil.com", "evil@localhost", "localhost:8000:x", "[::1", ""]
)
async def test_a_name_that_was_rebound_to_loopback_is_refused(host: str) -> None:
    response = await ask(host=host)
    assert response.status_code == 403
    error = response.json()["error"]
    assert error["code"] == "forbidden"
    assert "Host" in error["message"]
    assert error["request_id"].startswith("req_")


@pytest.mark.parametrize("origin", ["http://localhost:5173", "http://127.0.0.1", "https://[::1]:8443"])
async def test_a_page_of_this_machine_passes(origin: str) -> None:
    assert (await ask(origin=origin)).status_code == 204


@pytest.mark.parametrize(
    "origin", ["https://evil.com", "null", "http://localhost.evil.com", "chrome-extension://x", ""]
)
async def test_a_page_of_another_site_is_refused(origin: str) -> None:
    response = await ask(origin=origin)
    assert response.status_code == 403
    assert "Origin" in response.json()["error"]["message"]


async def test_two_host_headers_are_refused() -> None:
    transport = httpx.ASGITransport(app=LoopbackOnly(_app))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.get("/", headers=[("host", "localhost"), ("host", "evil.com")])
    assert response.status_code == 403


async def test_a_websocket_of_another_site_is_closed_before_it_opens() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "headers": [(b"host", b"localhost"), (b"origin", b"https://evil.com")]}
    await LoopbackOnly(_app)(scope, None, send)  # type: ignore[arg-type]  # nothing is received
    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_the_lifespan_passes() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await LoopbackOnly(app)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]  # the app uses neither
    assert seen == ["lifespan"]
