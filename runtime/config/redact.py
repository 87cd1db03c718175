"""A configuration as plain data that may be shown: `show` prints it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel

from runtime.config.masking import mask
from runtime.config.model.types import SecretMark
from runtime.config.secrets import is_address_key, is_schema, is_secret_key
from runtime.config.tokens import find_passwords, hide

_STARS = "***"


def redact(config: BaseModel, secrets: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return a config as plain data without its secrets: `***` for what a field or key says is one, and in URLs."""
    values = vars(config)
    return {
        field.alias or name: _redacted(values[name], _has_mark(field.annotation, field.metadata), name, secrets)
        for name, field in type(config).model_fields.items()
        if values[name] is not None
    }


def _has_mark(annotation: Any, metadata: Iterable[Any] = ()) -> bool:
    marks = [*metadata, *getattr(annotation, "__metadata__", ())]
    return any(isinstance(mark, SecretMark) for mark in marks) or any(_has_mark(part) for part in get_args(annotation))


def _redacted(value: Any, secret: bool, name: str, secrets: frozenset[str]) -> Any:
    if isinstance(value, BaseModel):
        return redact(value, secrets)
    if isinstance(value, dict):
        return {key: _redacted(item, secret or _says_so(name, key, item), key, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item, secret, name, secrets) for item in value]
    # An address is worth seeing: only the passwords in it are secret.
    if secret and name != "url" and not isinstance(value, bool):
        return _STARS if value != "" else ""
    if not isinstance(value, str):
        return value
    passwords = find_passwords(value, loose=True) if secret or is_address_key(name) else ()
    return mask(hide(value, [(start, end) for start, end, _ in passwords], lambda _: _STARS), secrets)


def _says_so(name: str, key: str, value: Any) -> bool:
    """Tell whether a key of the user's data says that it holds a secret; names of objects and properties do not."""
    return name != "state" and is_secret_key(key) and not is_schema(value)
