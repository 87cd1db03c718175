"""The events of a YAML text, from the fastest parser that accepts it.

libyaml is ten times as fast as the parser of ruamel.yaml, but rejects some valid YAML 1.2, such as `[x:]`. So
ruamel.yaml reads what libyaml rejects, and reports syntax errors: its messages name the wrong character.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from runtime.diagnostics.diagnostic import Diagnostic, Place
from runtime.errors import RuntimeFault

MAX_DEPTH = 100
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufeff\uff00-\ufffd\U00010000-\U0010ffff]")

# Line breaks in YAML 1.1 and libyaml, but not in YAML 1.2, ruamel.yaml and editors; and a byte order mark in the text.
_DISPUTED = re.compile("[\x85\u2028\u2029\ufeff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def parse_events(text: str, file: str) -> list[yaml.Event] | Diagnostic:
    """Return the events of `text`, or its first syntax error."""
    if match := _DISPUTED.search(text):
        return _unprintable(text, match.start(), file)
    try:
        try:
            return list(_limit_depth(_libyaml_events(text)))
        except (yaml.YAMLError, UnicodeError, ValueError):
            return _ruamel_events(text, file)
    except _TooDeep as error:
        place = Place(file, error.mark.line + 1, error.mark.column + 1)
        return Diagnostic("A017", f"nested more than {MAX_DEPTH} levels deep", place)


class _TooDeep(RuntimeFault):
    def __init__(self, mark: Any) -> None:
        self.mark = mark


def _limit_depth(events: Iterable[yaml.Event]) -> Iterator[yaml.Event]:
    """Raise _TooDeep at the first value that is too deep: both parsers need quadratic time in the depth."""
    depth = 0
    for event in events:
        kind = type(event)
        if kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            depth += 1
            if depth > MAX_DEPTH:
                raise _TooDeep(event.start_mark)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            depth -= 1
        yield event


def _libyaml_events(text: str) -> Iterator[yaml.Event]:
    parser = yaml.CLoader(text)
    try:
        while (event := parser.get_event()) is not None:
            yield event
    finally:
        parser.dispose()


def _ruamel_events(text: str, file: str) -> list[yaml.Event] | Diagnostic:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if match := _UNPRINTABLE.search(text):
        return _unprintable(text, match.start(), file)
    try:
        events = list(_limit_depth(map(_translate, YAML(typ="safe", pure=True).parse(text))))
    except YAMLError as error:
        # Imported here: a correct file needs no explanation.
        from runtime.documents.syntax_errors import explain_error

        return explain_error(error, text, file)
    except (ValueError, RecursionError, UnicodeError) as error:
        return Diagnostic("A010", f"can't read this as YAML: {error}", Place(file))
    return _join_surrogates(events, file) or events


def _join_surrogates(events: list[yaml.Event], file: str) -> Diagnostic | None:
    """Join surrogate pairs such as `\\ud83d\\ude00`, as JSON does; report half of a pair."""
    for event in events:
        if isinstance(event, yaml.ScalarEvent) and _SURROGATE.search(event.value):
            try:
                event.value = event.value.encode("utf-16", "surrogatepass").decode("utf-16")
            except UnicodeDecodeError:
                mark: Any = event.start_mark
                place = Place(file, mark.line + 1, mark.column + 1)
                return Diagnostic("A010", "a text contains half of a surrogate pair", place)
    return None


def _unprintable(text: str, index: int, file: str) -> Diagnostic:
    line = text.count("\n", 0, index) + 1
    column = index - text.rfind("\n", 0, index)
    message = f"the character U+{ord(text[index]):04X} is not allowed in a YAML file"
    return Diagnostic("A010", message, Place(file, line, column), hint="write it as an escape in double quotes")


def _translate(event: Any) -> yaml.Event:
    """Convert an event of ruamel.yaml to PyYAML's event of the same name."""
    translated: yaml.Event = yaml.Event.__new__(getattr(yaml, type(event).__name__))
    fields = {name: getattr(event, name, None) for name in ("anchor", "implicit", "value", "start_mark", "end_mark")}
    tag = getattr(event, "tag", None)
    vars(translated).update(fields, tag=None if tag is None else str(tag))
    return translated


# The YAML 1.2 core schema: the value of a scalar without quotes.

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_FIRST = frozenset("-+.0123456789")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
# Python does not convert integers with thousands of digits.
_MAX_DIGITS = 300


def resolve_plain(text: str) -> Scalar:
    """Return the value of `text` as a scalar without quotes."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _FIRST or len(text) > _MAX_DIGITS:
        return text
    if _INTEGER.fullmatch(text):
        return int(text) if text[1:2] not in ("o", "x") else int(text, 0)
    if _NUMBER.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


def parse_number(text: str) -> int | float | None:
    """Return the number that a whole text is in the core schema; None if it is not a number."""
    value = resolve_plain(text)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def parse_bool(text: str) -> bool | None:
    """Return the boolean that a whole text is; None if it is neither `true` nor `false`."""
    value = resolve_plain(text)
    return value if isinstance(value, bool) else None
