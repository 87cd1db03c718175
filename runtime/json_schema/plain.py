"""A quick look at a JSON Schema: most say so little, and so plainly, that no library is needed to see it."""

from __future__ import annotations

from typing import Any

_KINDS = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})
_TEXTS = frozenset({"description", "title", "format"})
_NUMBERS = frozenset({"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"})


def is_plain_schema(schema: Any) -> bool:
    """Tell whether a schema says only what most of them say, and says it right; False where that isn't clear."""
    return isinstance(schema, dict) and all(_is_right(key, value) for key, value in schema.items())


def _is_right(key: str, value: Any) -> bool:
    if key == "type":
        return isinstance(value, str) and value in _KINDS
    if key == "properties":
        return isinstance(value, dict) and all(map(is_plain_schema, value.values()))
    if key == "items":
        return is_plain_schema(value)
    if key == "additionalProperties":
        return isinstance(value, bool) or is_plain_schema(value)
    if key in ("required", "enum"):
        return isinstance(value, list) and len(set(map(repr, value))) == len(value) > 0 and _fits(key, value)
    if key in _TEXTS:
        return isinstance(value, str)
    return key in _NUMBERS and isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _fits(key: str, values: list[Any]) -> bool:
    return key == "enum" or all(isinstance(value, str) for value in values)
