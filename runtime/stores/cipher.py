"""Encryption of what a store holds of conversations: its texts, and the content of files.

Fernet (AES-128-CBC with HMAC-SHA256, of the `cryptography` package). The first key encrypts, every key decrypts. What
was written before a store had keys stays readable, until `chatkit-runtime data encrypt` encrypts it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from runtime.stores.store import StoreError

_MARK = "fernet:"
_PLAIN = "fernet:plain:"
_TOKEN = re.compile(r"fernet:gAAAA[A-Za-z0-9_-]+={0,2}")
_NO_KEY = "the store is encrypted with a key that `store.encrypt` does not list (add the key; the first one encrypts)"


def new_key() -> str:
    """Return a random key: 32 bytes in URL-safe base64."""
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode()


class Cipher:
    """Encrypts with the first of some keys, and decrypts with any of them. Raise StoreError for a key that is none."""

    def __init__(self, keys: Sequence[str]) -> None:
        # Imported on demand: it takes 20 ms, and most stores have no keys.
        from cryptography.fernet import Fernet, InvalidToken, MultiFernet

        self._invalid = InvalidToken
        fernets = []
        for number, key in enumerate(keys, 1):
            try:
                fernets.append(Fernet(key))
            except ValueError:
                raise StoreError(
                    f"key {number} of `store.encrypt` is not a key: 32 bytes in URL-safe base64 are expected "
                    "(`chatkit-runtime data key` prints a new one)"
                ) from None
        self._newest, self._all = fernets[0], MultiFernet(fernets)

    def encrypt(self, text: str) -> str:
        """Return the text as a token of the first key."""
        return _MARK + self._newest.encrypt(text.encode()).decode()

    def decrypt(self, text: str) -> str:
        """Return the text of a token, or of `plain_text`; other texts as they are. Raise StoreError without its key."""
        return self._read(text.removeprefix(_MARK).encode()).decode() if is_encrypted(text) else read_plain_text(text)

    def encrypt_bytes(self, content: bytes) -> bytes:
        """Return the content of a file as a token of the first key."""
        return _MARK.encode() + self._newest.encrypt(content)

    def decrypt_bytes(self, content: bytes) -> bytes:
        """Return the content of a token; other content is returned as it is. Raise StoreError without its key."""
        mark = _MARK.encode()
        return self._read(content.removeprefix(mark)) if content.startswith(mark + b"gAAAA") else content

    def is_current(self, text: str | bytes) -> bool:
        """Return whether the text, or the content of a file, is a token of the first key."""
        content = text.encode() if isinstance(text, str) else text
        mark = _MARK.encode()
        if not content.startswith(mark):
            return False
        try:
            self._newest.decrypt(content.removeprefix(mark))
        except self._invalid:
            return False
        return True

    def _read(self, token: bytes) -> bytes:
        try:
            return self._all.decrypt(token)
        except self._invalid:
            raise StoreError(_NO_KEY) from None


def plain_text(text: str) -> str:
    """Return how a text is stored that is not encrypted, also one that a user writes to look like a token."""
    return f"{_PLAIN}{text}" if text.startswith(_MARK) else text


def read_plain_text(stored: str) -> str:
    """Return the text that `plain_text` has stored."""
    return stored.removeprefix(_PLAIN)


def is_encrypted(text: str) -> bool:
    """Return whether a stored text is a token of some key."""
    return text.startswith(_MARK) and _TOKEN.fullmatch(text) is not None
