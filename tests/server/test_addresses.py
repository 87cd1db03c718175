"""What limits count a client by."""

from __future__ import annotations

import pytest

from runtime.config.model.limits import RequestRates
from runtime.errors import RequestError
from runtime.server.http.addresses import counted_address
from runtime.server.http.rate_limits import RequestLimiter
from runtime.stores import open_store


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2a00:1450:4001:81b::200e", "2a00:1450:4001:81b::/64"),
        ("2a00:1450:4001:81b:ffff:ffff:ffff:ffff", "2a00:1450:4001:81b::/64"),
        ("2a00:1450:4001:81c::200e", "2a00:1450:4001:81c::/64"),
        # Each is one host of this network, or one IPv4 address.
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("fd00::7", "fd00::7"),
        ("::1", "::1"),
        ("64:ff9b::cb00:7107", "64:ff9b::cb00:7107"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_a_limit_counts_the_network_of_an_ipv6_address(host: str, counted: str) -> None:
    assert counted_address(host) == counted


async def test_a_client_with_a_network_of_its_own_counts_once() -> None:
    limiter, rates, store = RequestLimiter(), RequestRates(address="2/hour"), open_store("memory")
    for address in ("2a00:1450:4001:81b::1", "2a00:1450:4001:81b::2"):
        await limiter.check_address(address, rates, store)
    with pytest.raises(RequestError, match="too many requests"):
        await limiter.check_address("2a00:1450:4001:81b:1:2:3:4", rates, store)
    await limiter.check_address("2a00:1450:4001:81c::1", rates, store)
