"""What a YAML syntax error means, at its place, and how to write the line: most are texts that need other quotes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from runtime.diagnostics.diagnostic import Diagnostic, Place

# A line up to a '#' that follows a space, directly before a word, outside of quotes.
_CUT = re.compile(r"""(?:[^'"#]|'[^']*'|"[^"]*"|(?<! )#)* #(?=\w)""")
_FLOW_VARIABLE = re.compile(r"[\[{,:]\s*\$\{")
_GLUED = re.compile(r"(?P<indent>\s*(?:- +)*)(?P<key>[A-Za-z_][\w-]*):(?P<rest>[^\s/:].*)$")
_BARE_KEY = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z_][\w-]*)\s*")
_MERGE_MARKERS = ("<<<<<<<", "=======", ">>>>>>>")
# What may follow a value on its line: between brackets, and elsewhere.
_AFTER_ITEM = re.compile(r"\s*($|[,\]}:]|\s#)|\s+[\"'\[{]")
_AFTER_VALUE = re.compile(r"\s*($|:(\s|$)|\s#)")
_SEPARATORS = (",", ";")
_KEY = re.compile(r"\s*(- +)*([\w.-]+: +(?=\S)|(?<=- ))")
_INDICATORS = frozenset("[]{}*&!@`%")
_COMMENT = re.compile(r"\s#.*")
_MAX_SHOWN = 100

_VARIABLE_HINT = 'a variable is written "${NAME}"'
# What the tags of other tools are in this language.
_TAG_HINTS = {
    "!include": "name more files in 'include'; a prompt is {file: …}",
    **dict.fromkeys(("!env", "!envvar", "!env_var", "!secret", "!var"), _VARIABLE_HINT),
    **dict.fromkeys(("!python", "!import"), "a Python object is {python: package.module:name}"),
}


@dataclass(frozen=True, slots=True)
class _ErrorText:
    pattern: str
    message: str
    hint: str = ""
    # The place is the start of the construct, not the position of the parser.
    at_context: bool = False


_ERROR_TEXTS = (
    _ErrorText(r"found character '\\t'", "a tab can't be used for indentation", "indent with spaces"),
    _ErrorText(r"found character (?P<what>'.+') that", "a text can't start with {what}", "put the text in quotes"),
    _ErrorText(
        r"mapping values are not allowed",
        "a ':' after something that can't be a key",
        "put a text that contains ': ' in quotes, start one of several lines with '|', or check the indentation",
    ),
    _ErrorText(r"sequence entries are not allowed", "a list can't start here", "put each '- ' on a line of its own"),
    _ErrorText(r"unexpected end of stream", "the quote that opens here is not closed", at_context=True),
    _ErrorText(
        r"expected ',' or '(?P<what>.)'",
        "expected ',' or {what!r} here",
        "add the ',', or close the bracket that opens in line {line}",
    ),
    _ErrorText(
        r"expected <block end>",
        "this doesn't fit the lines above it",
        "the keys of one mapping, and the items of one list, start in the same column",
    ),
    _ErrorText(r"could not find expected ':'", "expected ':' after the key that starts here", at_context=True),
    _ErrorText(
        r"unknown escape character",
        "a double-quoted text contains an unknown escape",
        "use single quotes, or write the backslash twice",
    ),
    _ErrorText(
        r"expected alphabetic or numeric character",
        "a text that begins with '*' or '&' needs quotes",
        "put the text in quotes",
    ),
    _ErrorText(r"expected the node content", "expected a value here"),
    _ErrorText(
        r"expected '<document start>'", "the document ends above this line", "look for an extra closing bracket"
    ),
    _ErrorText(
        r"expected (chomping or indentation indicators|a comment or a line break)",
        "a text can't start on the line of its '|' or '>'",
        "start the text on the next line, indented; or put it in quotes",
    ),
)


def explain_error(error: Any, text: str, file: str) -> Diagnostic:
    """Return the diagnostic of an error of ruamel.yaml about `text`."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return Diagnostic("A010", f"YAML syntax error: {_problem(error)}", Place(file))
    lines = [*text.split("\n"), ""]
    context = getattr(error, "context_mark", None) or mark
    for explain in _EXPLANATIONS:
        if explained := explain(_Failure(text, file, lines, mark, context)):
            return explained
    message, hint, place = f"YAML syntax error: {_problem(error)}", "", mark
    for known in _ERROR_TEXTS:
        if match := re.search(known.pattern, _problem(error)):
            message = known.message.format(**match.groupdict())
            hint = known.hint.format(line=context.line + 1)
            place = context if known.at_context else mark
            break
    return Diagnostic("A010", message, Place(file, place.line + 1, place.column + 1), hint=hint)


def hint_tag(tag: str) -> str:
    """Return what to write instead of a custom tag."""
    return _TAG_HINTS.get(tag.lower(), "put a text that begins with '!' in quotes")


def glued_key(text: str) -> str:
    """Return how to write `key:value` with the missing space; empty if the text is anything else, such as a URL."""
    match = _GLUED.match(text)
    return f"{match['key']}: {match['rest']}" if match else ""


def _problem(error: Any) -> str:
    return str(getattr(error, "problem", None) or "can't read this as YAML")


@dataclass(frozen=True, slots=True)
class _Failure:
    """Where parsing failed: at `mark`, in the construct that starts at `context`; both count from 0."""

    text: str
    file: str
    lines: list[str]
    mark: Any
    context: Any

    def diagnostic(self, line: int, column: int, message: str, hint: str) -> Diagnostic:
        """Return the diagnostic at a line and column that count from 0."""
        return Diagnostic("A010", message, Place(self.file, line + 1, column + 1), hint=hint)


def _merge_conflict(failure: _Failure) -> Diagnostic | None:
    for mark in (failure.context, failure.mark):
        if failure.lines[mark.line].startswith(_MERGE_MARKERS):
            hint = "keep one side, and remove the three marker lines"
            return failure.diagnostic(mark.line, 0, "an unresolved merge conflict", hint)
    return None


def _other_comment(failure: _Failure) -> Diagnostic | None:
    for number in (failure.mark.line, failure.mark.line - 1):
        row = failure.lines[number] if number >= 0 else ""
        if row.lstrip().startswith(("//", "/*")):
            column = len(row) - len(row.lstrip())
            return failure.diagnostic(number, column, "a comment starts with '#'", "write '#' in front of it")
    return None


def _missing_colon(failure: _Failure) -> Diagnostic | None:
    """Explain a key without a colon, above the keys of its mapping."""
    number = failure.mark.line - 1
    above, here = failure.lines[number] if number >= 0 else "", failure.lines[failure.mark.line]
    match = _BARE_KEY.fullmatch(above)
    if match is None or len(match["indent"]) >= len(here) - len(here.lstrip(" ")) or here.lstrip().startswith("- "):
        return None
    hint = f"write '{match['key']}:'"
    return failure.diagnostic(number, match.end("key"), f"a ':' is missing after {match['key']!r}", hint)


def _missing_space(failure: _Failure) -> Diagnostic | None:
    """Explain `key:value`, which is a text: the error is at its start, or in the line below it."""
    number = failure.context.line
    here = _GLUED.match(failure.lines[number])
    if here is None or here.end("indent") != failure.context.column:
        number = failure.mark.line - 1
        here = _GLUED.match(failure.lines[number]) if number >= 0 else None
        below = failure.lines[failure.mark.line]
        if here is None or here.end("indent") != len(below) - len(below.lstrip(" ")):
            return None
    hint = f"write {_shortened(glued_key(failure.lines[number]))}"
    return failure.diagnostic(number, here.end("key"), "a space is missing after this ':'", hint)


def _comment_in_brackets(failure: _Failure) -> Diagnostic | None:
    """Explain a '#' in a text between brackets: the comment that it begins hides what closes them."""
    for number in range(failure.context.line, failure.mark.line):
        row = failure.lines[number]
        match = _CUT.match(row)
        # The file must become readable up to a later line: the comment may be meant, and the mistake another one.
        if match and _is_better(failure, number, f"{row[: match.end() - 1]}_{row[match.end() :]}", failure.mark.line):
            message = "a comment begins at this '#', and hides the end of the brackets"
            return failure.diagnostic(number, match.end() - 1, message, "put the text with the '#' in quotes")
    return None


def _variable_in_brackets(failure: _Failure) -> Diagnostic | None:
    line, column = failure.mark.line, failure.mark.column
    if not _FLOW_VARIABLE.search(failure.lines[line][: column + 1]):
        return None
    hint = 'write a variable between brackets in quotes: "${NAME}"'
    return failure.diagnostic(line, column, "a variable without quotes between brackets", hint)


# A text that needs quotes, or others: YAML read a value from its beginning, and more text follows on the line.


@dataclass(frozen=True, slots=True)
class _Value:
    """A value on one line, from the column `start` (-1: an earlier line) to `end`; `quote` is '' without quotes."""

    line: int
    start: int
    end: int
    quote: str = ""


def _text_without_quotes(failure: _Failure) -> Diagnostic | None:
    """Explain a text that begins with a character that begins something else in YAML, such as `[`, or contains `: `."""
    value = _followed_value(failure) or _unquoted_value(failure)
    if value is None or value.quote:
        return None
    row = failure.lines[value.line]
    better, first = _better_line(failure, value), row[value.start]
    if first in _INDICATORS:
        hint = f"write {better}" if better else "put the whole text in quotes"
        message = f"a text that begins with {first!r} needs quotes"
        return failure.diagnostic(value.line, value.start, message, hint)
    if not better or row[failure.mark.column : failure.mark.column + 1] != ":":
        return None
    hint = f"write {better}"
    return failure.diagnostic(value.line, failure.mark.column, "a text that contains ': ' needs quotes", hint)


def _unquoted_value(failure: _Failure) -> _Value | None:
    """Return the value behind the key of the line, in which parsing failed, unless it may be a list or a mapping."""
    row, column = failure.lines[failure.mark.line], failure.mark.column
    match = _KEY.match(row)
    if match is None or match.end() > column or (row[match.end()] in "[{" and not row.startswith("{%", match.end())):
        return None
    return _Value(failure.mark.line, match.end(), column)


def _early_end(failure: _Failure) -> Diagnostic | None:
    """Explain a quoted text that ends at a quote in the text, and a comma behind a value."""
    value = _followed_value(failure)
    if value is None:
        return None
    row = failure.lines[value.line]
    rest = _COMMENT.sub("", row[value.end :]).strip()
    if rest in _SEPARATORS:
        column = row.index(rest, value.end)
        hint = "remove it: the line break ends the value"
        return failure.diagnostic(value.line, column, f"a {rest!r} after the end of the value", hint)
    if not value.quote:
        return None
    better, escape = _better_line(failure, value), "''" if value.quote == "'" else '\\"'
    hint = f"write {better}" if better else f"write {escape} for a quote in the text, or use the other kind of quotes"
    return failure.diagnostic(value.line, value.end - 1, f"the text ends at this {value.quote}", hint)


def _followed_value(failure: _Failure) -> _Value | None:
    """Return the last value in front of the error, on its line, that more text follows."""
    tokens = _tokens(failure.text)
    for index, token in reversed(list(enumerate(tokens))):
        end = token.end_mark
        if end.line not in (failure.mark.line, failure.context.line) or end.index > failure.mark.index:
            continue
        start, depth = _start_of(tokens[: index + 1])
        row = failure.lines[end.line]
        following = row[end.column :]
        is_whole = (_AFTER_ITEM if depth else _AFTER_VALUE).match(following)
        if start is None or is_whole:
            continue
        quote = str(token.style) if isinstance(token, yaml.ScalarToken) else ""
        return _Value(end.line, start.column if start.line == end.line else -1, end.column, quote)
    return None


def _start_of(tokens: list[Any]) -> tuple[Any, int]:
    """Return where the value starts that the last token ends, or None, and the number of brackets around it."""
    last, depth = tokens[-1], 0
    opened: list[Any] = []
    for token in tokens:
        if isinstance(token, yaml.FlowMappingStartToken | yaml.FlowSequenceStartToken):
            opened.append(token.start_mark)
        elif isinstance(token, yaml.FlowMappingEndToken | yaml.FlowSequenceEndToken) and opened:
            start = opened.pop()
            if token is last:
                return (start if not opened else None), len(opened)
    depth = len(opened)
    is_quoted = isinstance(last, yaml.ScalarToken) and last.style in ("'", '"')
    return (last.start_mark if is_quoted or isinstance(last, yaml.AliasToken) else None), depth


def _tokens(text: str) -> list[Any]:
    """Return the tokens of a text up to its first error."""
    loader: Any = yaml.SafeLoader(text)
    tokens: list[Any] = []
    try:
        while loader.check_token():
            tokens.append(loader.get_token())
    except yaml.YAMLError:
        tokens += loader.tokens
    finally:
        loader.dispose()
    return tokens


def _better_line(failure: _Failure, value: _Value) -> str:
    """Return the text that was probably meant, in quotes with which the file can be read past its line; or ''."""
    if value.start < 0:
        return ""
    row = failure.lines[value.line]
    before, written = row[: value.start], row[value.start :].rstrip()
    for quoted, rest in _rewritten(written, value.end - value.start, value.quote):
        if len(quoted) <= _MAX_SHOWN and _is_better(failure, value.line, before + quoted + rest):
            return quoted
    return ""


def _rewritten(written: str, end: int, quote: str) -> Iterator[tuple[str, str]]:
    """Yield a text in other quotes, and what follows it on its line; the likeliest first."""
    whole = _COMMENT.sub("", written).rstrip()
    ends = [index for index in range(end, len(written)) if written[index] == quote]
    is_apostrophe = quote == "'" and written[end - 2 : end - 1].isalnum() and written[end : end + 1].isalnum()
    if not quote or not (ends or is_apostrophe):
        yield _quoted(whole), written[len(whole) :]
        return
    for index in ends or [len(whole)]:
        inner = written[1:index]
        yield _quoted(inner.replace("''", "'") if quote == "'" else inner, quote), written[index + 1 :]
    yield _quoted(whole), written[len(whole) :]


def _quoted(text: str, was: str = "") -> str:
    """Return a text as a scalar in quotes; `was` are the quotes that it had, whose escapes are kept."""
    if was == '"' and "\\" in text:
        return '"' + re.sub(r'(?<!\\)"', r"\"", text) + '"'
    if '"' not in text and "\\" not in text:
        return f'"{text}"'
    return f"'{text}'" if "'" not in text else json.dumps(text, ensure_ascii=False)


def _is_better(failure: _Failure, number: int, line: str, past: int = -1) -> bool:
    """Return whether the file can be read past a line, and the line `past`, if the line is written so."""
    lines = [*failure.lines[:number], line, *failure.lines[number + 1 :]]
    try:
        for _ in yaml.parse("\n".join(lines), Loader=yaml.CLoader):
            pass
    except yaml.MarkedYAMLError as error:
        is_open = "scalar" in str(error.context)
        mark = error.context_mark if is_open else error.problem_mark
        return mark is not None and mark.line > max(number, past)
    except (yaml.YAMLError, ValueError):
        return False
    return True


def _shortened(text: str) -> str:
    return repr(text if len(text) <= _MAX_SHOWN // 2 else f"{text[: _MAX_SHOWN // 2]}…")


_EXPLANATIONS = (
    _merge_conflict,
    _other_comment,
    _missing_space,
    _missing_colon,
    _variable_in_brackets,
    _comment_in_brackets,
    _early_end,
    _text_without_quotes,
)
"""Each returns a diagnostic, or None for another kind of error; the first one counts."""
