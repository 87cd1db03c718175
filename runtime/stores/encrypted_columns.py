"""The type of columns whose texts are encrypted where the database has a cipher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from runtime.stores.cipher import Cipher, plain_text, read_plain_text

Convert = Callable[[Any], Any]

_ciphers: WeakKeyDictionary[sa.Dialect, Cipher] = WeakKeyDictionary()


def use_cipher(dialect: sa.Dialect, cipher: Cipher) -> None:
    """Let the columns of type `EncryptedText` of this dialect, which one database has alone, use a cipher."""
    _ciphers[dialect] = cipher


class EncryptedText(sa.types.TypeDecorator[str]):
    """A text that is encrypted where the database has a cipher; without one, it is a `Text` and costs nothing.

    `by_users` is for texts of users that are no JSON: they may look like encrypted ones.
    """

    impl = sa.Text
    cache_ok = True

    def __init__(self, by_users: bool = False) -> None:
        super().__init__()
        self.by_users = by_users

    def bind_processor(self, dialect: sa.Dialect) -> Convert | None:
        """Return the conversion of a value for the database."""
        cipher = _ciphers.get(dialect)
        if cipher is None:
            return _unless_null(plain_text) if self.by_users else None
        return _unless_null(cipher.encrypt)

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Convert | None:
        """Return the conversion of a value from the database."""
        cipher = _ciphers.get(dialect)
        if cipher is None:
            return _unless_null(read_plain_text) if self.by_users else None
        return _unless_null(cipher.decrypt)


def _unless_null(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)
