"""Claims of tokens, and the keys that verify them."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from runtime.auth.jwt import find_claim, load_key
from tests.conversations.logins import public_pem, rsa_key

CLAIMS = {
    "sub": "ada",
    "realm_access": {"roles": ["a", "b"]},
    "https://example.com/roles": ["c"],
    "https://example.com/app": {"roles": ["d"]},
    "flat.name": "x",
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("sub", "ada"),
        ("realm_access.roles", ["a", "b"]),
        ("https://example.com/roles", ["c"]),
        ("https://example.com/app.roles", ["d"]),
        ("flat.name", "x"),
        ("realm_access.groups", None),
        ("sub.roles", None),
        ("missing", None),
    ],
)
def test_a_claim_is_found_by_name_or_by_a_dotted_path(path: str, value: Any) -> None:
    assert find_claim(CLAIMS, path) == value


@pytest.mark.parametrize(
    ("text", "is_shared", "reason"),
    [
        ("short", True, "less than 32 bytes"),
        (public_pem("first"), True, "is no shared one"),
        ("not a key", False, "."),
        ("{}", False, "no JWKS"),
    ],
)
def test_a_key_of_the_wrong_kind_is_refused(text: str, is_shared: bool, reason: str) -> None:
    with pytest.raises(Exception, match=reason):
        load_key(text, is_shared)


def test_a_private_key_is_refused() -> None:
    pem = rsa_key("first").private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(ValueError, match="private key"):
        load_key(pem.decode(), False)


async def test_a_pem_may_be_written_in_one_line() -> None:
    keys = load_key(public_pem("first").replace("\n", "\\n"), False)
    assert await keys.key(None) is not None
    assert await keys.key("any id") is not None
