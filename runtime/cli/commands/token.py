"""The verb `token`: make a random token for a user of `auth: {bearer: …}`."""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime, timedelta

from runtime.config.check_auth import RESERVED_ID
from runtime.errors import UsageError

PREFIX = "chatkit_"
"""Begins every token, so that secret scanners find one in the wrong place."""
_BYTES = 32


def make_token(user: str, days: int | None) -> int:
    """Print a new token for a user, and what to write into agents.yaml; the token is stored nowhere."""
    if not user.strip() or not user.isprintable() or user == RESERVED_ID:
        raise UsageError(f"{user!r} can't be the id of a user")
    token = PREFIX + secrets.token_urlsafe(_BYTES)
    digest = f"sha256:{hashlib.sha256(token.encode()).hexdigest()}"
    print(f"the token of {user}, which is shown only now:\n\n  {token}\n")
    print("in agents.yaml, its hash, which is no secret:\n")
    print(f"  auth:\n    bearer:\n      {_quoted(user)}: {_entry(digest, days)}\n")
    print("the client sends it in a header:\n\n  Authorization: Bearer TOKEN")
    return 0


def _entry(digest: str, days: int | None) -> str:
    if days is None:
        return f'"{digest}"'
    expires = (datetime.now(UTC) + timedelta(days=days)).date()
    return f'{{token: "{digest}", expires: "{expires.isoformat()}"}}'


def _quoted(user: str) -> str:
    plain = user.replace("-", "").replace("_", "").isalnum() and not user.isdigit()
    escaped = user.replace("\\", "\\\\").replace('"', '\\"')
    return user if plain and user.isascii() and user.lower() not in ("true", "false", "null") else f'"{escaped}"'
