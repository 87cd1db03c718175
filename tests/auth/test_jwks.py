"""The keys of an identity provider: cached, fetched again as they rotate, and kept while it is down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from runtime.auth.jwks import Jwks, JwksTimes, JwksUnavailable, parse_keys
from runtime.errors import RequestError
from tests.conversations.logins import identity_provider, public_jwk


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def until(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(180):
        while not met():  # noqa: ASYNC110  # another thread makes it true
            await asyncio.sleep(0.001)


async def test_the_keys_are_fetched_once_for_all_requests_that_wait() -> None:
    with identity_provider("first") as provider:
        provider.gate.clear()
        jwks = Jwks(provider.url)
        waiting = [asyncio.create_task(jwks.key("first")) for _ in range(10)]
        # The event loop runs on while the provider does not answer.
        await until(lambda: provider.fetched == 1)
        provider.gate.set()
        keys = await asyncio.gather(*waiting)
        assert {type(key).__name__ for key in keys} == {"RSAPublicKey"}
        assert provider.fetched == 1


async def test_an_unknown_key_is_asked_for_again_but_not_at_once() -> None:
    clock = Clock()
    with identity_provider("first") as provider:
        jwks = Jwks(provider.url, JwksTimes(retry_s=10), clock)
        assert await jwks.key("first") is not None
        provider.keys.append(public_jwk("second"))
        for _ in range(20):
            assert await jwks.key("second") is None
        assert provider.fetched == 1
        clock.now += 10
        assert await jwks.key("second") is not None
        assert (provider.fetched, jwks.current().version) == (2, 2)


async def test_old_keys_are_renewed_in_the_background_and_a_removed_one_goes() -> None:
    clock = Clock()
    with identity_provider("first", "second") as provider:
        jwks = Jwks(provider.url, JwksTimes(refresh_s=600), clock)
        assert await jwks.key("first") is not None
        provider.keys.pop(0)
        clock.now += 601
        assert jwks.current().version == 1
        await until(lambda: jwks.current().version == 2)
        clock.now += 10
        assert await jwks.key("first") is None


@pytest.mark.parametrize("broken", [{"status": 500}, {"text": "<html>"}, {"text": "{}"}, {"text": '{"keys": []}'}])
async def test_the_last_keys_are_used_for_a_time_while_the_provider_is_broken(
    broken: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    with identity_provider("first") as provider:
        jwks = Jwks(provider.url, JwksTimes(refresh_s=600, keep_s=3600), clock)
        assert await jwks.key("first") is not None
        for name, value in broken.items():
            setattr(provider, name, value)
        clock.now += 3599
        assert await jwks.key("first") is not None
        clock.now += 2
        with pytest.raises(RequestError) as caught:
            await jwks.key("first")
        assert (caught.value.status, caught.value.code) == (503, "login_unavailable")
        assert f"the keys of logins can't be fetched: {provider.url}: " in caplog.text
        provider.status, provider.text = 200, None
        clock.now += 10
        assert await jwks.key("first") is not None


async def test_a_provider_that_never_answered_refuses_with_503_and_is_asked_again_later() -> None:
    clock = Clock()
    with identity_provider("first") as provider:
        provider.status = 503
        jwks = Jwks(provider.url, None, clock)
        for _ in range(3):
            with pytest.raises(RequestError):
                await jwks.key("first")
        assert provider.fetched == 1


async def test_a_provider_that_never_ends_its_answer_is_given_up() -> None:
    with identity_provider("first") as provider:
        provider.gate.clear()
        jwks = Jwks(provider.url, JwksTimes(answer_s=0.05))
        with pytest.raises(JwksUnavailable, match="Timeout"):
            await jwks.fetch()
        await jwks.close()


def test_a_jwks_yields_public_keys_for_signatures_alone() -> None:
    shared = {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"}
    for_encryption = public_jwk("first", use="enc")
    strange = {"kty": "ML-DSA", "kid": "new"}
    assert list(parse_keys({"keys": [shared, for_encryption, strange, 5, public_jwk("first")]})) == ["first"]
    with pytest.raises(JwksUnavailable, match="no key for signatures"):
        parse_keys({"keys": [shared]})
    with pytest.raises(JwksUnavailable, match="no JWKS"):
        parse_keys([])
