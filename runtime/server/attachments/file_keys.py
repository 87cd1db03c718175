"""The names of attached files, and their keys in a store of files: a folder for each owner, a file for each."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from chatkit.store import NotFoundError

_LONGEST_OWNER = 180
_LONGEST_NAME = 200


def file_key(owner: str, attachment_id: str) -> str:
    """Return the key of an attachment's file. Raise NotFoundError for an id that is none."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", attachment_id):
        raise NotFoundError(f"attachment {attachment_id!r} not found")
    return f"{owner_folder(owner)}/{attachment_id}"


def owner_folder(owner: str) -> str:
    """Return the prefix of the keys of an owner's files."""
    folder = base64.urlsafe_b64encode(owner.encode()).rstrip(b"=").decode()
    if len(folder) > _LONGEST_OWNER:
        folder = f".{hashlib.sha256(owner.encode()).hexdigest()}"
    return f"files/{folder}"


def read_key(key: str) -> tuple[str | None, str]:
    """Return the owner and the id of a file; None if the key has only a hash of the owner."""
    parts = key.split("/")
    if len(parts) < 3 or parts[-2].startswith("."):
        return None, ""
    try:
        return base64.urlsafe_b64decode(parts[-2] + "=" * (-len(parts[-2]) % 4)).decode(), parts[-1]
    except (binascii.Error, UnicodeDecodeError):
        return None, ""


def clean_name(name: str) -> str:
    """Return the name of a file without folders, control characters and leading dots."""
    last = re.split(r"[\\/]", name)[-1]
    kept = "".join(mark for mark in last if mark.isprintable()).strip().lstrip(".")
    stem, dot, suffix = kept.rpartition(".")
    if len(kept) > _LONGEST_NAME:
        kept = f"{stem[: _LONGEST_NAME - len(suffix) - 1]}{dot}{suffix}" if len(suffix) < 20 else kept[:_LONGEST_NAME]
    return kept or "file"
