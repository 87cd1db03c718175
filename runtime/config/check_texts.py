"""Cross-checks of texts that are not what their author sees: cut by YAML, changed by an escape, or with look-alikes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from runtime.config.collector import DiagnosticCollector
from runtime.config.model import Config
from runtime.config.model.instructions import InlineInstructions
from runtime.config.model.types import IMPORT_PATTERN
from runtime.config.references import find_names, find_values
from runtime.config.wording import shorten
from runtime.diagnostics.characters import as_it_looks, misleading_character
from runtime.diagnostics.diagnostic import Place, Severity
from runtime.diagnostics.key_path import KeyPath, iter_values

PROSE = frozenset(
    {
        *("instructions", "text", "description", "greeting", "placeholder", "message", "question", "label", "title"),
        *("prompt", "copy_text", "preface", "progress", "steps", "error", "reason", "approve", "deny", "rejection"),
        *("options", "errors", "alt", "value", "disclaimer", "frame_title"),
    }
)
"""The keys whose texts are written for people and models."""
INSTRUCTIONS = (
    *("agents.*.instructions", "chat.title.instructions", "chat.history.summary.instructions"),
    "guardrails.*.instructions",
)
"""The fields that take a text, `{file: …}` or `{python: …}`."""


def check_texts(config: Config, collector: DiagnosticCollector) -> None:
    """Report texts that YAML has cut or changed, paths in the place of a text, and characters that mislead."""
    _check_comments(collector)
    _check_controls(collector)
    _check_paths(config, collector)
    _check_characters(config, collector)


# A ` #` ends a text without quotes. A comment is set off by a space behind the `#`.

_CUT = re.compile(r"\S[ \t]+#[^\s#!]")
_COMMENT = re.compile(r"[ \t]#(?=\s|$)")
_REST = re.compile(r"[ \t]+#[^\s#!]")


def _check_comments(collector: DiagnosticCollector) -> None:
    source, places = collector.filled.source, collector.filled.source.places
    if not any(_CUT.search(text) for text in source.texts.values()):
        return
    for path, value in iter_values(source.data):
        if not isinstance(value, str) or not _is_prose(path) or places.text(path) is None:
            continue
        span = places.span(path)
        lines = places.lines.get(span[1].file, ()) if span is not None else ()
        if span is None or not 0 < span[1].line <= len(lines):
            continue
        line = lines[span[1].line - 1]
        if _REST.match(line, span[1].column - 1):
            rest = _COMMENT.split(line[span[1].column - 1 :])[0]
            whole = f"{value}{rest}".rstrip()
            message = f"the text ends before ' #', which begins a comment: {shorten(value)}"
            place = Place(span[1].file, span[1].line, span[1].column + 1)
            collector.report("A115", path, message, f"write {_quoted(whole)}", severity="warning", place=place)


def _is_prose(path: KeyPath) -> bool:
    names = [step for step in path if isinstance(step, str)]
    return bool(names) and (names[-1] in PROSE or (len(names) > 1 and names[-2] == "errors"))


def _quoted(text: str) -> str:
    if "\\" not in text and '"' not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"


# `"\b"` is a backspace in YAML, not a word boundary.

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ESCAPES = {"\x00": "\\0", "\x07": "\\a", "\x08": "\\b", "\x0b": "\\v", "\x0c": "\\f", "\x1b": "\\e"}


def control_character(text: str) -> tuple[str, str] | None:
    """Return the first control character of a text in words, and how to write the text; None if it has none."""
    match = _CONTROL.search(text)
    if match is None:
        return None
    written = _CONTROL.sub(lambda each: _ESCAPES.get(each[0], f"\\x{ord(each[0]):02x}"), text)
    name = f"the control character U+{ord(match[0]):04X}"
    return name, f"in double quotes {_ESCAPES.get(match[0], 'an escape')!s} is one; write {_single(written)}"


def _single(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _check_controls(collector: DiagnosticCollector) -> None:
    source = collector.filled.source
    if not any("\\" in text for text in source.texts.values()):
        return
    for path, value in iter_values(source.data):
        found = control_character(value) if isinstance(value, str) else None
        if found is not None:
            message = f"{path[-1]!r} contains {found[0]}"
            collector.report("A112", path, message, found[1], severity="warning")


# `instructions: prompts/main.md` is a text of one word for the model.

_PREFIXED = re.compile(r"[rRfFbBuU]{1,2}(['\"])(?P<text>.*)\1", re.DOTALL)
_FILE = re.compile(
    r"(?:@|file:(?://)?|!include\s+)?(?P<file>[\w.\-][\w.\-\\/]*\.(?:md|mdx|markdown|txt|j2|jinja2?|prompt|rst))"
)


def _check_paths(config: Config, collector: DiagnosticCollector) -> None:
    for text, path in find_names(config, "guardrails.*.regex", *(f"{field}.text" for field in INSTRUCTIONS)):
        if match := _PREFIXED.fullmatch(text.strip()):
            message = f"the prefix and the quotes of Python are part of this text: {shorten(text)}"
            collector.report("A113", path, message, f"write {_single(match['text'])}", severity="warning")
    for field in INSTRUCTIONS:
        for value, path in find_values(config, field):
            if not isinstance(value, InlineInstructions) or path in collector.filled.strings:
                continue
            text = value.text.strip()
            if match := _FILE.fullmatch(text):
                name = match["file"].replace("\\", "/")
                message = f"the model would be told {shorten(text)}, which looks like the name of a file"
                collector.report("A113", path, message, f"write {{file: {name}}}", severity="warning")
            elif re.fullmatch(IMPORT_PATTERN, text):
                message = f"the model would be told {shorten(text)}, which looks like an import path"
                collector.report("A113", path, message, f"write {{python: '{text}'}}", severity="warning")


# Characters that look like others, or like nothing.


def _check_characters(config: Config, collector: DiagnosticCollector) -> None:
    source = collector.filled.source
    if all(text.isascii() for text in source.texts.values()):
        return
    declared = {name for section in _SECTIONS for name in getattr(config, section)}
    for text, path, at_key in _names(source.data, ()):
        found = misleading_character(text)
        if found is not None:
            message = f"{shorten(text)} contains {found}"
            # Nobody gives a name that only looks like a declared one to something else.
            is_meant = not at_key and text not in declared and as_it_looks(text) in declared
            severity: Severity = "error" if is_meant else "warning"
            collector.report("A114", path, message, "type it again", severity=severity, at_key=at_key)


def _names(value: Any, path: KeyPath) -> Iterator[tuple[str, KeyPath, bool]]:
    """Yield the keys, and the values that are names: one word that is not prose or the user's own data."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not path and (key.startswith("x-") or key == "profiles"):
                continue
            yield key, (*path, key), True
            if key not in _DATA or len(path) < _ENTRY:
                yield from _names(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _names(item, (*path, index))
    elif isinstance(value, str) and _is_name(value, path):
        yield value, path, False


def _is_name(value: str, path: KeyPath) -> bool:
    is_shown = _is_prose(path) or (path[:1] == ("agents",) and path[-1] == "name")
    is_text = "\n" in value or "{{" in value or (len(value.split()) > 1 and not _SCHEME.match(value))
    return not is_shown and not is_text


# The sections whose entries other places name.
_SECTIONS = ("agents", "tools", "models", "widgets", "actions", "mcp", "guardrails", "state")
_ENTRY = 2  # names of entries, such as a model named `default`
_DATA = frozenset({"data", "sample", "enum", "const", "default", "examples"})
_SCHEME = re.compile(r"(?:Bearer|Basic|Token|ApiKey)\s+\S+$|\w+://")
