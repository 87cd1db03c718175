"""Words for types, patterns and limits in the terms of the language, never those of Python or JSON Schema."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from runtime.config.model.agents import PROMPT_PATTERN
from runtime.config.model.auth import EXPIRES_PATTERN, HEADER_PATTERN
from runtime.config.model.chat import FILE_STORE_PATTERN, LOCALE_PATTERN, MIME_PATTERN
from runtime.config.model.component import ID_PATTERN, PAGE_SOURCE_PATTERN
from runtime.config.model.limits import BUDGET_PATTERN, COST_PATTERN, RATE_PATTERN
from runtime.config.model.root import NAMED_SECTIONS
from runtime.config.model.server import KEY_PATTERN, LOGIN_PATTERN, STORE_PATTERN
from runtime.config.model.types import (
    DURATION_PATTERN,
    IMPORT_PATTERN,
    POSITIVE_DURATION_PATTERN,
    SIZE_PATTERN,
    TOOL_NAME_PATTERN,
)
from runtime.config.secrets.mask import mask
from runtime.diagnostics.key_path import KeyPath
from runtime.documents.parser import parse_bool, parse_number

_TYPES = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}
_PATTERNS = (
    (POSITIVE_DURATION_PATTERN[1:], "a duration above zero", "such as 250ms, 10s, 5m or 1h; a bare number is seconds"),
    (DURATION_PATTERN[1:], "a duration", "such as 250ms, 10s, 5m or 1h; a bare number is seconds"),
    (SIZE_PATTERN[1:], "a size", "such as 512KiB or 20MiB; a bare number is bytes"),
    (IMPORT_PATTERN[1:], "an import path", "such as package.module:name"),
    (TOOL_NAME_PATTERN[1:], "a tool's name", "1 to 64 letters, digits, '_' and '-'"),
    (KEY_PATTERN[1:], "a key", "32 bytes in URL-safe base64, as `chatkit-runtime data key` prints them"),
    (STORE_PATTERN[1:], "a store's address", "memory, sqlite:///FILE or postgresql://…"),
    (PROMPT_PATTERN[1:], "the id of a stored prompt", "such as pmpt_1234; a text for the model is 'instructions'"),
    (LOGIN_PATTERN[1:], "the address of a login", "such as https://login.example.com/, or a path of this site: /login"),
    (PAGE_SOURCE_PATTERN[1:], "the address of a page", "such as /map.html or https://maps.example.com/map.html"),
    ("([A-Za-z0-9_.~-]+(/", "a path", "such as /chatkit"),
    ("[A-Z]{2}", "a country", "two capital letters, such as NO"),
    (COST_PATTERN[1:], "a budget", "such as 0.50/day; per 'turn', 'thread' or 'day'"),
    (BUDGET_PATTERN[1:], "a number of tokens", "such as 200000/day; per 'turn', 'thread' or 'day'"),
    (RATE_PATTERN[1:], "a rate", "such as 30/minute; per 'second', 'minute', 'hour' or 'day'"),
    (EXPIRES_PATTERN[1:], "a date", "such as 2027-01-31 or 2027-01-31T18:00Z"),
    (FILE_STORE_PATTERN[1:], "a place for files", "such as .chatkit/files or s3://BUCKET/FOLDER"),
    (MIME_PATTERN[1:], "a media type", "such as image/png or image/*"),
    (LOCALE_PATTERN[1:], "a language", "such as en or pt-BR"),
    (HEADER_PATTERN[1:], "the name of a header", "letters, digits, '-' and '_'"),
    (ID_PATTERN[1:], "an id", "1 to 128 letters, digits, and any of _ . : / -"),
    ("[A-Za-z0-9_-]{0,40}", "a prefix of tools' names", "at most 40 letters, digits, '_' and '-'"),
    ("[A-Za-z0-9_.-]{1,64}", "the name of a parameter", "1 to 64 letters, digits, '_', '.' and '-'"),
    ("[A-Za-z][A-Za-z0-9_-]{0,63}", "a label", "a letter, then letters, digits, '_' and '-', at most 64"),
    ("(https?://", "an address", "such as http://127.0.0.1:11434/v1"),
)
_LIMITS = {
    "minimum": "{} is too small: at least {}",
    "exclusiveMinimum": "{} is too small: more than {}",
    "maximum": "{} is too large: at most {}",
    "minLength": "this must not be empty",
    "minItems": "this list must not be empty",
    "minProperties": "this mapping must not be empty",
}
_OLD_BOOLEANS = ("yes", "no", "on", "off", "Yes", "No", "On", "Off")
# Word processors make them of a hyphen, or of an asterisk.
_DASHES = tuple("\u2010\u2011\u2012\u2013\u2014\u2015\u2022\u2212\u00b7")
_SHOWN = 40


def name_type(value: Any) -> str:
    """Name the type of a value: `a list`, `nothing`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {value!r}"
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a string"


def name_pattern(pattern: str) -> tuple[str, str]:
    """Return a noun for the texts that a pattern matches, and a hint with examples."""
    for known, noun, hint in _PATTERNS:
        if known in pattern:
            return noun, hint
    return "valid here", f"it must match {pattern}"


def shorten(value: Any) -> str:
    """Return a value as text of limited length, without secrets of known formats."""
    text = mask(repr(value))
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def name_limit(keyword: str, shown: str, limit: Any) -> str | None:
    """Return the message for a value, shown as `shown`, that violates a keyword of JSON Schema; None if unknown."""
    message = _LIMITS.get(keyword)
    return None if message is None else message.format(shown, limit)


def name_variables(names: Iterable[str]) -> str:
    """Return a phrase for the value of variables, instead of the value."""
    return f"the value of {' and '.join(f'${{{name}}}' for name in dict.fromkeys(names))}"


def name_types(kinds: Iterable[dict[str, Any]]) -> list[str]:
    """Name the types that the JSON Schemas `kinds` accept, each once per schema."""
    nouns: list[str] = []
    for kind in kinds:
        noun = name_pattern(kind["pattern"])[0] if "pattern" in kind else ""
        nouns.append(noun if noun.startswith("a") else _TYPES[kind.get("type", "object")])
    if "a duration" in nouns or "a size" in nouns:
        nouns = [noun for noun in nouns if noun not in ("a number", "a whole number")]
    return nouns


def _hint_items(path: KeyPath, value: str) -> str:
    """Return how the items of a list are written that is a text; empty if the text does not show it."""
    from runtime.config.unknown_keys import as_yaml

    if value[:1] in _DASHES:
        code = f"U+{ord(value[0]):04X} {unicodedata.name(value[0], '')}".strip()
        return f"an item begins with '-' and a space, and this is {code}"
    words = value.split()
    if path[-1] == "args" and len(words) > 1:
        return f"write '[{', '.join(filter(None, map(as_yaml, words)))}]'"
    if value.startswith("-"):
        return "a space is missing after the '-' of each item"
    item = as_yaml(value)
    return f"write '[{item}]'" if item else ""


def hint_type(path: KeyPath, value: Any, expected: Sequence[str]) -> str:
    """Return how to write the expected type, if the value shows what the user meant."""
    from runtime.config.unknown_keys import advise_value
    from runtime.documents.syntax_errors import glued_key

    if path == ("version",):
        return "this release reads version 1"
    if path[-1:] == ("output",) and isinstance(value, str) and re.fullmatch(IMPORT_PATTERN, value):
        return f"write '{{python: {value}, template: …}}'"
    if isinstance(value, str) and "a mapping" in expected and (written := glued_key(value)):
        return f"a space is missing after the ':'; write {written!r}"
    if not path and isinstance(value, str):
        return "an agents.yaml starts with 'version: 1' and 'agents:'"
    if advice := advise_value(path, value):
        return advice
    if "true or false" in expected and isinstance(value, str) and value in _OLD_BOOLEANS:
        return "YAML 1.2 has only true and false"
    if expected == ["true or false"]:
        text = value if isinstance(value, str) else ""
        return f"write {text} without quotes" if parse_bool(text) is not None else ""
    if isinstance(value, bool) and "a string" in expected:
        return "put a text in quotes"
    if isinstance(value, str) and parse_number(value) is not None and {"a number", "a whole number"} & {*expected}:
        return "write the number without quotes"
    if value is None and {"a list", "a mapping"} & {*expected}:
        return "indent the content below the key, or remove the key"
    if expected == ["a list"] and isinstance(value, str) and (hint := _hint_items(path, value)):
        return hint
    if expected == ["a list"] and isinstance(value, (str, dict)):
        return "write a list as [one, two], or each item on a line after '- '"
    if expected == ["a string"] and isinstance(value, dict):
        in_tools = path[0] == "agents" and path[2:3] == ("tools",)
        return "declare it in 'tools' and name it here" if in_tools else "put a text that contains ': ' in quotes"
    if expected == ["a mapping"] and isinstance(value, list) and len(path) == 1 and path[0] in NAMED_SECTIONS:
        return "start each entry with its name, as in 'name: …', not with '-'"
    return ""
