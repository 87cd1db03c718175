"""Logins for tests: JSON Web Tokens, and an identity provider on loopback whose keys rotate, and which can be down."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

ISSUER, AUDIENCE = "https://id.example.com/", "chat"
_KEYS: dict[str, Any] = {}


def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """Return the private key of that name; making one takes a while."""
    if name not in _KEYS:
        _KEYS[name] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return _KEYS[name]  # type: ignore[no-any-return]


def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    return _KEYS.setdefault(name, ec.generate_private_key(ec.SECP256R1()))  # type: ignore[no-any-return]


def public_pem(name: str) -> str:
    public = rsa_key(name).public_key()
    kind = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.PEM, kind).decode()


def public_jwk(name: str, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key(name).public_key(), as_dict=True)
    return {**made, "kid": name, "use": "sig", **more}


def token(
    key: str = "first", *, algorithm: str = "RS256", headers: Any = None, secret: Any = None, **claims: Any
) -> str:
    """Return a signed token of Ada's, valid for five minutes; a claim that is None is left out."""
    now = int(time.time())
    whole = {"sub": "ada", "name": "Ada", "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 300, **claims}
    payload = {name: value for name, value in whole.items() if value is not None}
    signed_with = secret if secret is not None else rsa_key(key)
    return jwt.encode(payload, signed_with, algorithm=algorithm, headers={"kid": key, **(headers or {})})


def bearer(value: str) -> dict[str, str]:
    return {"authorization": f"Bearer {value}"}


@dataclass
class Provider:
    """An identity provider: `keys` are served as its JWKS, unless `status` or `text` says otherwise."""

    url: str = ""
    keys: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    text: str | None = None
    fetched: int = 0
    gate: threading.Event = field(default_factory=threading.Event)

    @property
    def body(self) -> bytes:
        return (json.dumps({"keys": self.keys}) if self.text is None else self.text).encode()


@contextmanager
def identity_provider(*names: str) -> Iterator[Provider]:
    """Serve the public keys of these names on loopback while the block runs."""
    provider = Provider(keys=[public_jwk(name) for name in names])
    provider.gate.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            provider.fetched += 1
            provider.gate.wait(180)
            self.send_response(provider.status)
            self.send_header("content-length", str(len(provider.body)))
            self.end_headers()
            self.wfile.write(provider.body)

        def log_message(self, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    provider.url = f"http://127.0.0.1:{server.server_address[1]}/keys"
    try:
        yield provider
    finally:
        provider.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()
