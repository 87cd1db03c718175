from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runtime.errors import RequestError
from runtime.server.attachments.signed_urls import READ_WINDOW_S, UPLOAD_S, Grant, SignedUrls
from runtime.stores.blobs import FolderStore

BASE = "https://chat.example/chatkit"
FILE: dict[str, Any] = {"owner": "ana", "file_id": "atc_1", "mime_type": "image/png", "size": 9}


class Clock:
    now = 10 * READ_WINDOW_S

    def __call__(self) -> float:
        return self.now


def _token(url: str) -> str:
    return url.removeprefix(f"{BASE}/files/")


async def _refusal(urls: SignedUrls, token: str, use: Any = "read") -> str:
    with pytest.raises(RequestError) as refused:
        await urls.check(token, use)
    assert refused.value.status == 403
    return refused.value.code


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def urls(tmp_path: Path, clock: Clock) -> SignedUrls:
    return SignedUrls(FolderStore(tmp_path), "secret", clock)


async def test_a_url_says_for_what_and_until_when_it_is_good(urls: SignedUrls, clock: Clock) -> None:
    grant = await urls.check(_token(await urls.for_reading(BASE, **FILE)), "read")
    until = clock.now + 2 * READ_WINDOW_S
    assert grant == Grant(use="read", owner="ana", id="atc_1", type="image/png", size=9, until=until)
    upload = _token(await urls.for_upload(BASE, **FILE))
    assert await urls.check(upload, "upload") == replace(grant, use="upload", until=clock.now + UPLOAD_S)
    assert await _refusal(urls, upload, "read") == "invalid_url"
    assert await _refusal(urls, _token(await urls.for_reading(BASE, **FILE)), "upload") == "invalid_url"


async def test_read_urls_are_equal_in_one_window_and_expire_after_the_next(urls: SignedUrls, clock: Clock) -> None:
    first = await urls.for_reading(BASE, **FILE)
    clock.now += READ_WINDOW_S - 1
    assert await urls.for_reading(BASE, **FILE) == first
    clock.now += 1
    assert await urls.for_reading(BASE, **FILE) != first
    clock.now += READ_WINDOW_S
    assert (await urls.check(_token(first), "read")).id == "atc_1"
    clock.now += 1
    assert await _refusal(urls, _token(first)) == "expired"


async def test_an_upload_url_expires(urls: SignedUrls, clock: Clock) -> None:
    url = await urls.for_upload(BASE, **FILE)
    clock.now += UPLOAD_S + 1
    assert await _refusal(urls, _token(url), "upload") == "expired"


@pytest.mark.parametrize(
    "change", [{"owner": "omar"}, {"id": "atc_2"}, {"size": 10}, {"type": "text/html"}, {"until": 9e99}]
)
async def test_no_part_of_a_grant_can_be_changed(urls: SignedUrls, change: dict[str, Any]) -> None:
    payload, _, signature = _token(await urls.for_reading(BASE, **FILE)).partition(".")
    grant = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    forged = base64.urlsafe_b64encode(json.dumps({**grant, **change}).encode()).rstrip(b"=").decode()
    assert await _refusal(urls, f"{forged}.{signature}") == "invalid_url"


@pytest.mark.parametrize("token", ["", ".", "x.y", "é.é", "x" * 10_000, "e30."])
async def test_a_token_that_was_not_signed_is_refused(urls: SignedUrls, token: str) -> None:
    assert await _refusal(urls, token) == "invalid_url"


@pytest.mark.parametrize("text", [b"{}", b"[]", b"no json", b'{"owner": "ana", "id": "atc_1"}', b"\xff"])
async def test_a_url_that_an_earlier_version_signed_is_out_of_date(urls: SignedUrls, text: bytes) -> None:
    payload = base64.urlsafe_b64encode(text).rstrip(b"=").decode()
    digest = hmac.new(b"secret", payload.encode(), hashlib.sha256).digest()
    signature = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert await _refusal(urls, f"{payload}.{signature}") == "invalid_url"


async def test_servers_on_one_folder_share_a_secret_and_others_do_not(tmp_path: Path, clock: Clock) -> None:
    first, second = (SignedUrls(FolderStore(tmp_path / "a"), None, clock) for _ in range(2))
    token = _token(await first.for_reading(BASE, **FILE))
    assert (await second.check(token, "read")).owner == "ana"
    other = SignedUrls(FolderStore(tmp_path / "b"), None, clock)
    assert await _refusal(other, token) == "invalid_url"


async def test_a_request_without_an_address_has_no_urls(urls: SignedUrls) -> None:
    with pytest.raises(RequestError, match="need a request over HTTP"):
        await urls.for_reading("", **FILE)
