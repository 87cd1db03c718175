"""Properties of hints: they never deny a key of the schema, and "did you mean" removes the diagnostic when applied.

The golden texts of tests/configs/bad say what a hint is; these tests say that it is true.
"""

from __future__ import annotations

import difflib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runtime.config.load import load_config
from runtime.config.schema import config_schema
from runtime.config.shape_errors import build_config
from runtime.config.wording import name_pattern
from runtime.diagnostics.diagnostic import Diagnostic, Place
from runtime.documents.document import read_yaml
from runtime.documents.variables import interpolate
from runtime.validation.project import check_project
from tests.config.catalogue import CONFIGS, ENVIRON, TODAY, bad_configs, check, good_configs

MEANT = re.compile(r"did you mean '(?P<name>[^']+)'(?: in '(?P<section>[^']+)')?\?")
DENIED = re.compile(r"'(?P<name>\w+)' (?:is not (?:supported|a key|allowed)|does not exist)")
FILES = [config for config in bad_configs() if config.is_file()]
# Hints repeat in a file of many mistakes: a few of each code show the property.
MOST_PER_CODE = 3


def property_names(part: Any) -> Iterator[str]:
    """Yield every key of the language that the schema declares."""
    if isinstance(part, dict):
        if isinstance(part.get("properties"), dict):
            yield from part["properties"]
        for key, value in part.items():
            if key not in ("examples", "default", "const", "enum"):
                yield from property_names(value)
    elif isinstance(part, list):
        for item in part:
            yield from property_names(item)


KEYS = frozenset(property_names(config_schema()))


@pytest.mark.parametrize("config", FILES, ids=lambda config: config.stem)
def test_no_message_denies_a_key_that_the_schema_has(config: Path) -> None:
    for diagnostic in check(config)[1]:
        if diagnostic.code == "A101":
            denied = {match["name"] for match in DENIED.finditer(f"{diagnostic.message} {diagnostic.hint}")}
            assert not denied & KEYS, str(diagnostic)
            for match in MEANT.finditer(diagnostic.hint):
                assert match["name"] in KEYS, str(diagnostic)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the bad configs, with the files that they name, in which a file can change."""
    return Path(shutil.copytree(CONFIGS, tmp_path_factory.mktemp("hints") / "configs"))


def suggestions(config: Path) -> Iterator[tuple[Diagnostic, str]]:
    """Yield the diagnostics of a config whose hint suggests a name for the same place, with the name."""
    seen: dict[str, int] = {}
    for diagnostic in check(config)[1]:
        match = MEANT.search(diagnostic.hint)
        if match is not None and not match["section"] and diagnostic.place.line:
            seen[diagnostic.code] = seen.get(diagnostic.code, 0) + 1
            if seen[diagnostic.code] <= MOST_PER_CODE:
                yield diagnostic, match["name"]


def corrected(text: str, diagnostic: Diagnostic, name: str) -> str:
    """Return a file's text with the suggested name at the place of a diagnostic."""
    lines = text.splitlines(keepends=True)
    line, column = lines[diagnostic.place.line - 1], diagnostic.place.column - 1
    before, after = line[:column], line[column:]
    quoted = {word for word in re.findall(r"['\"]([^'\"]+)['\"]", diagnostic.message) if word in after} - {name}
    wrong = max(sorted(quoted), key=lambda word: difflib.SequenceMatcher(None, word, name).ratio(), default="")
    if diagnostic.code == "A320":  # the message names the missing package, the hint a whole module
        wrong = after.strip("\"'").partition(":")[0]
    if diagnostic.code == "A413":  # the message names the property by a dotted path
        wrong = re.findall(r"'([^']+)'", diagnostic.message)[-1].rpartition(".")[2]
    after = (
        after.replace(wrong, name, 1) if wrong else json.dumps(name, ensure_ascii=False) + after[diagnostic.length :]
    )
    lines[diagnostic.place.line - 1] = before + after
    return "".join(lines)


WITH_HINTS = [config for config in FILES if "did you mean" in config.with_suffix(".txt").read_text(encoding="utf-8")]


@pytest.mark.parametrize("config", WITH_HINTS, ids=lambda config: config.stem)
def test_the_name_that_a_hint_suggests_removes_the_diagnostic(config: Path, workspace: Path) -> None:
    copy = workspace / "bad" / config.name
    for diagnostic, name in suggestions(config):
        file = copy if diagnostic.place.file == config.name else copy.parent / diagnostic.place.file
        original = file.read_bytes()
        text = original.decode("utf-8-sig")
        try:
            file.write_text(corrected(text, diagnostic, name), encoding="utf-8", newline="")
            loaded = load_config(copy, environ=ENVIRON)
            left = loaded.diagnostics if diagnostic.code < "A3" else check_project(loaded, TODAY)
        finally:
            file.write_bytes(original)
        same = [each for each in left if (each.code, each.place) == (diagnostic.code, diagnostic.place)]
        if diagnostic.code == "A623":  # the code of every mistake in a script: another one may come up at the place
            same = [each for each in same if each.message == diagnostic.message]
        assert same == [], f"{diagnostic} is still there with {name!r}"


def misspellings() -> Iterator[tuple[Path, str, Place]]:
    """Yield each key of the good configs once per section, with its place."""
    seen: set[tuple[str, str]] = set()
    for config in good_configs():
        source = read_yaml(config.read_text(encoding="utf-8"), config.name)
        for path in key_paths(source.data):
            key = path[-1]
            if isinstance(key, str) and len(key) > 3 and key in KEYS and (str(path[0]), key) not in seen:
                seen.add((str(path[0]), key))
                yield config, key, source.places.key(path)


def key_paths(value: Any, base: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if isinstance(key, str):
            yield (*base, key)
        yield from key_paths(item, (*base, key))


def unknown_key(text: str, place: Place) -> Diagnostic | None:
    """Return the diagnostic of an unknown key at a place, if there is one."""
    diagnostics = build_config(interpolate(read_yaml(text, place.file), ENVIRON)).diagnostics
    return next((each for each in diagnostics if each.code == "A101" and each.place == place), None)


MISSPELLINGS = list(misspellings())


@pytest.mark.parametrize("part", range(8))
def test_a_misspelt_key_gets_a_hint_with_a_key_that_is_known_there(part: int) -> None:
    suggested = unnamed = 0
    for config, key, place in MISSPELLINGS[part::8]:
        lines = config.read_text(encoding="utf-8").splitlines(keepends=True)
        line, column = lines[place.line - 1], place.column - 1
        wrong = key[:2] + key[3:]
        if line[column : column + len(key)] != key:
            continue
        lines[place.line - 1] = line[:column] + wrong + line[column + len(key) :]
        diagnostic = unknown_key("".join(lines), place)
        if diagnostic is None:
            continue  # the key is a name or data of the user, or the misspelt key is a name of the user
        match = MEANT.search(diagnostic.hint)
        if match is None or match["section"]:
            unnamed += 1
            continue
        suggested += 1
        assert unknown_key(corrected("".join(lines), diagnostic, match["name"]), place) is None, str(diagnostic)
    assert suggested > 10
    assert unnamed < suggested / 10


def _patterns(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("pattern"), str):
            yield part["pattern"]
        part = list(part.values())
    for item in part if isinstance(part, list) else ():
        yield from _patterns(item)


@pytest.mark.parametrize("pattern", sorted(set(_patterns(config_schema()))))
def test_no_message_shows_a_regular_expression_for_what_the_language_expects(pattern: str) -> None:
    noun, hint = name_pattern(pattern)
    assert noun != "valid here"
    assert pattern not in hint
