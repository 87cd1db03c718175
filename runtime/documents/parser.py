"""The events of a YAML text, from the fastest parser that accepts it.

libyaml is ten times as fast as ruamel.yaml's own parser and refuses a few files that are valid YAML 1.2, such as
`[x:]`: those, and every syntax error, go through ruamel.yaml, whose messages name the character at fault.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from runtime.diagnostics.diagnostic import Diagnostic, Place
from runtime.errors import RuntimeFault

MAX_DEPTH = 100
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufeff\uff00-\ufffd\U00010000-\U0010ffff]")

# Line breaks to YAML 1.1, and to libyaml, and none to YAML 1.2, to ruamel.yaml and to editors; and a mark in mid-text.
_DISPUTED = re.compile("[\x85\u2028\u2029\ufeff]")
_FLOW_VARIABLE = re.compile(r"[\[{,:]\s*\$\{")
_GLUED = re.compile(r"\s*[\w-]+:[^\s/:]\S*$")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Words:
    pattern: str
    message: str
    hint: str = ""
    # The mistake stands where the construct began, not where the parser gave up.
    at_context: bool = False


_PLAIN_WORDS = (
    _Words(r"found character '\\t'", "a tab can't be used for indentation", "indent with spaces"),
    _Words(r"found character (?P<what>'.+') that", "a text can't start with {what}", "put the text in quotes"),
    _Words(
        r"mapping values are not allowed",
        "a ':' stands where no key can be",
        "put a text that holds ': ' in quotes, or check the indentation",
    ),
    _Words(r"sequence entries are not allowed", "a list can't start here", "put each '- ' on a line of its own"),
    _Words(r"unexpected end of stream", "the quote that opens here never closes", at_context=True),
    _Words(
        r"expected ',' or '(?P<what>.)'",
        "expected ',' or {what!r} here",
        "the bracket that opened in line {line} isn't closed",
    ),
    _Words(
        r"expected <block end>",
        "this doesn't fit the lines above it",
        "the keys of one mapping, and the items of one list, start in the same column",
    ),
    _Words(r"could not find expected ':'", "expected ':' after the key that starts here", at_context=True),
    _Words(
        r"unknown escape character",
        "a double-quoted text holds a backslash that means nothing",
        "use single quotes, or write the backslash twice",
    ),
    _Words(r"expected the node content", "expected a value here"),
    _Words(r"expected '<document start>'", "the file has ended above this line", "look for a bracket too many"),
)


def parse_events(text: str, file: str) -> list[yaml.Event] | Diagnostic:
    """Return the events of `text`, or the one syntax error that keeps it from being read."""
    if found := _DISPUTED.search(text):
        return _unprintable(text, found.start(), file)
    try:
        return list(_shallow(_libyaml_events(text)))
    except _TooDeep as error:
        return error.diagnostic(file)
    except (yaml.YAMLError, UnicodeError, ValueError):
        return _second_opinion(text, file)


class _TooDeep(RuntimeFault):
    def __init__(self, mark: Any) -> None:
        self.mark = mark

    def diagnostic(self, file: str) -> Diagnostic:
        place = Place(file, self.mark.line + 1, self.mark.column + 1)
        return Diagnostic("A017", f"nested more than {MAX_DEPTH} levels deep", place)


def _shallow(events: Iterable[yaml.Event]) -> Iterator[yaml.Event]:
    """Stop at the first value that is too deep: both parsers take time by the square of the depth."""
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


def _second_opinion(text: str, file: str) -> list[yaml.Event] | Diagnostic:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if found := _UNPRINTABLE.search(text):
        return _unprintable(text, found.start(), file)
    try:
        events = list(_shallow(map(_translate, YAML(typ="safe", pure=True).parse(text))))
    except _TooDeep as error:
        return error.diagnostic(file)
    except YAMLError as error:
        return _explain(error, text, file)
    except (ValueError, RecursionError, UnicodeError) as error:
        return Diagnostic("A010", f"can't read this as YAML: {error}", Place(file))
    return _join_surrogates(events, file) or events


def _join_surrogates(events: list[yaml.Event], file: str) -> Diagnostic | None:
    """Read `\\ud83d\\ude00` as the one character that it is in JSON; half of such a pair is no text."""
    for event in events:
        if isinstance(event, yaml.ScalarEvent) and _SURROGATE.search(event.value):
            try:
                event.value = event.value.encode("utf-16", "surrogatepass").decode("utf-16")
            except UnicodeDecodeError:
                mark: Any = event.start_mark
                place = Place(file, mark.line + 1, mark.column + 1)
                return Diagnostic("A010", "a text holds half of a character", place)
    return None


def _unprintable(text: str, index: int, file: str) -> Diagnostic:
    line = text.count("\n", 0, index) + 1
    column = index - text.rfind("\n", 0, index)
    message = f"the character U+{ord(text[index]):04X} can't stand in a YAML file"
    return Diagnostic("A010", message, Place(file, line, column), hint="write it as an escape in double quotes")


def _explain(error: Any, text: str, file: str) -> Diagnostic:
    problem = str(getattr(error, "problem", None) or "can't read this as YAML")
    mark = getattr(error, "problem_mark", None)
    context = getattr(error, "context_mark", None) or mark
    message, hint = f"YAML syntax error: {problem}", ""
    for words in _PLAIN_WORDS:
        if found := re.search(words.pattern, problem):
            message = words.message.format(**found.groupdict())
            hint = words.hint.format(line=context.line + 1 if context else 1)
            mark = context if words.at_context else mark
            break
    if mark is None:
        return Diagnostic("A010", message, Place(file), hint=hint)
    lines = [*text.split("\n"), ""]
    line = lines[mark.line]
    if line.startswith(("<<<<<<<", "=======", ">>>>>>>")):
        message, hint = "a merge conflict is still open here", "keep one side, and take its three marks out"
    elif hint.endswith("indentation") and _GLUED.match(lines[mark.line - 1]):
        hint = "the ':' in the line above needs a space after it"
    if _FLOW_VARIABLE.search(line[: mark.column + 1]):
        hint = 'between brackets a variable stands in quotes: "${NAME}"'
    return Diagnostic("A010", message, Place(file, mark.line + 1, mark.column + 1), hint=hint)


def _translate(event: Any) -> yaml.Event:
    """Turn an event of ruamel.yaml into PyYAML's of the same name, so that one loop reads both."""
    kind = getattr(yaml, type(event).__name__)
    marks = (event.start_mark, event.end_mark)
    if kind is yaml.ScalarEvent:
        return yaml.ScalarEvent(event.anchor, _tag(event), event.implicit, event.value, *marks)
    if kind in (yaml.MappingStartEvent, yaml.SequenceStartEvent):
        started: yaml.Event = kind(event.anchor, _tag(event), event.implicit, *marks)
        return started
    if kind is yaml.AliasEvent:
        return yaml.AliasEvent(event.anchor, *marks)
    plain: yaml.Event = kind(*marks)
    return plain


def _tag(event: Any) -> str | None:
    return None if event.tag is None else str(event.tag)


# The YAML 1.2 core schema: what a scalar without quotes means.

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_FIRST = frozenset("-+.0123456789")
_NUMBER = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
# More digits are nobody's number, and Python refuses to convert them.
_MAX_DIGITS = 300


def resolve_plain(text: str) -> Scalar:
    """Return the value that `text` has when it is written without quotes."""
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
    """Read a whole text as a number of the core schema; None where it is none."""
    value = resolve_plain(text)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def parse_bool(text: str) -> bool | None:
    """Read a whole text as `true` or `false`; None where it is neither."""
    value = resolve_plain(text)
    return value if isinstance(value, bool) else None
