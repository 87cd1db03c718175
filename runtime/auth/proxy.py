"""The user of a proxy in front of the server, in headers that count only if the proxy itself sent the request."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from starlette.requests import HTTPConnection

from runtime.auth.user import PEER, Unauthenticated, User, fault_of_id
from runtime.config.model.auth import ProxyHeaders

UNIX = "unix"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_REWRITTEN = (
    "the address of its sender was taken from X-Forwarded-For, so nobody knows whether the proxy sent it (run uvicorn "
    "with --no-proxy-headers, or use `chatkit-runtime serve`)"
)
_MAYBE_TRAILER = (
    "its header %r comes after Transfer-Encoding: it may be a trailer of the body, which the client sent, and which "
    "uvicorn takes for a header (let the proxy send the body with its length, run uvicorn with --http h11, or use "
    "`chatkit-runtime serve`)"
)


def parse_networks(proxies: Sequence[str]) -> tuple[Network, ...]:
    """Return the networks of `proxies`; an address is a network of one. Raise ValueError, which names the text."""
    return tuple(ipaddress.ip_network(proxy.strip()) for proxy in proxies if proxy != UNIX)


class ProxyAuthenticator:
    """`auth: {header: …}`: the user whom a trusted proxy names."""

    def __init__(self, declared: ProxyHeaders) -> None:
        self._declared = declared
        self._networks = parse_networks(declared.proxies)
        self._allows_unix = UNIX in declared.proxies

    async def identify(self, connection: HTTPConnection) -> User:
        """See `Authenticator`."""
        self._check_peer(connection)
        if PEER not in connection.scope:
            self._refuse_trailers(connection)
        user_id = self._header(connection, self._declared.user)
        if not user_id:
            raise Unauthenticated(f"it has no header {self._declared.user!r}")
        if fault := fault_of_id(user_id):
            raise Unauthenticated(f"the id in its header {self._declared.user!r} {fault}")
        roles = self._header(connection, self._declared.roles)
        names = (role.strip() for role in roles.split(","))
        return User(user_id, self._header(connection, self._declared.name) or None, tuple(filter(None, names)))

    def _check_peer(self, connection: HTTPConnection) -> None:
        """Raise Unauthenticated unless the connection is the proxy's own."""
        is_known = PEER in connection.scope
        peer = connection.scope[PEER] if is_known else connection.scope.get("client")
        if peer is None:
            if not self._allows_unix:
                raise Unauthenticated("its sender has no address, and `proxies` has no 'unix'")
            return
        host, port = peer
        if not is_known and _is_rewritten(connection, host, port):
            raise Unauthenticated(_REWRITTEN)
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            raise Unauthenticated(f"its sender {host!r} is no IP address") from None
        mapped = getattr(address, "ipv4_mapped", None) or address
        if not any(mapped in network for network in self._networks):
            raise Unauthenticated(f"its sender {host} is none of `proxies`")

    def _refuse_trailers(self, connection: HTTPConnection) -> None:
        """Raise Unauthenticated for a header that may be a trailer: in the list of headers, all trailers are last."""
        declared = self._declared
        names = {name.lower().encode() for name in (declared.user, declared.name, declared.roles) if name is not None}
        is_chunked = False
        for name, _ in connection.scope["headers"]:
            if is_chunked and name in names:
                raise Unauthenticated(_MAYBE_TRAILER % name.decode())
            is_chunked = is_chunked or name == b"transfer-encoding"

    def _header(self, connection: HTTPConnection, name: str | None) -> str:
        if name is None:
            return ""
        given = connection.headers.getlist(name)
        # A client may send the header as well: a proxy that adds its own instead of replacing it is no proof.
        if len(given) > 1:
            raise Unauthenticated(f"it has the header {name!r} {len(given)} times")
        try:
            return given[0].encode("latin-1").decode().strip() if given else ""
        except UnicodeDecodeError:
            raise Unauthenticated(f"its header {name!r} is not UTF-8") from None


def _is_rewritten(connection: HTTPConnection, host: str, port: int) -> bool:
    """Return whether a server such as uvicorn took the sender's address from X-Forwarded-For.

    An entry without a port becomes port 0, which no connection has; one with a port is compared.
    """
    entries = ",".join(connection.headers.getlist("x-forwarded-for")).split(",")
    return port == 0 or any(entry.strip() in (f"{host}:{port}", f"[{host}]:{port}") for entry in entries)
