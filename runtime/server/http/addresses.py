"""What limits count a client by: its IPv4 address, or the network of its IPv6 address."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

_PREFIX = 64
"""The bits of an IPv6 address that a customer of a network does not choose: any address below them is theirs to use."""
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv4 addresses that a network translates (RFC 6052), each a client of its own."""


@lru_cache(4096)
def counted_address(host: str) -> str:
    """Return the address for which a limit counts: of a public IPv6 address, the first 64 bits; else the address."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    if not address.is_global or address in _TRANSLATED:
        return host
    return str(ipaddress.IPv6Network((int(address), _PREFIX), strict=False))
