"""What is said about a syntax error: the place, the reason, and a way to write the line, which is proven to work."""

from __future__ import annotations

import re

import pytest

from runtime.diagnostics.diagnostic import Diagnostic
from runtime.documents.document import read_yaml

BEFORE = "version: 1\nagents:\n  a:\n    model: m\n    instructions: "
AFTER = "\n    preface: Hello\n"
COLUMN = 19
WAY_OUT = re.compile(r"write (?P<value>.+)")

# What was written, the text that was meant, and the column (from 1, in the value) of the report.
TEXTS = [
    ("'Don't be rude.'", "Don't be rude.", 5),
    ("'Don't'", "Don't", 5),
    ("'Don't say: never'", "Don't say: never", 5),
    ("'It's what you don't do.'", "It's what you don't do.", 4),
    ("'It''s what you don't do.'", "It's what you don't do.", 20),
    ("'Don't be rude.", "Don't be rude.", 5),
    ("'Don't say \"no\".'", 'Don\'t say "no".', 5),
    ("'Don't'  # polite", "Don't", 5),
    ('"Say "hello""', 'Say "hello"', 6),
    ('"Say "hello" first."', 'Say "hello" first.', 6),
    ('"Say "it\'s me"."', 'Say "it\'s me".', 6),
    ('"Say "a: b"."', 'Say "a: b".', 6),
    ('"Say \\n "hello"."', 'Say \n "hello".', 9),
    ('"{{ x | default("y") }}"', '{{ x | default("y") }}', 17),
    ("'{{ x | default('y') }}'", "{{ x | default('y') }}", 17),
    ('"Help" is what you do', '"Help" is what you do', 6),
    ("'a' b", "'a' b", 3),
    ("{{ a }} text", "{{ a }} text", 1),
    ("{{ user.name }}, hello {{ x }}  # once", "{{ user.name }}, hello {{ x }}", 1),
    ("{% if x %}a{% endif %}", "{% if x %}a{% endif %}", 1),
    ("[Important] Help people", "[Important] Help people", 1),
    ("**Help** people", "**Help** people", 1),
    ("@file.md", "@file.md", 1),
    ("`code` is what you write", "`code` is what you write", 1),
    ("%HOME% is where you are", "%HOME% is where you are", 1),
    ("You help. Note: be brief", "You help. Note: be brief", 15),
]


def report(text: str) -> Diagnostic:
    diagnostics = read_yaml(text, "a.yaml").diagnostics
    assert len(diagnostics) == 1, diagnostics
    return diagnostics[0]


@pytest.mark.parametrize(("written", "meant", "column"), TEXTS, ids=[written for written, _, _ in TEXTS])
def test_a_text_that_needs_other_quotes_is_reported_at_its_column_with_the_text_to_write(
    written: str, meant: str, column: int
) -> None:
    diagnostic = report(BEFORE + written + AFTER)
    assert (diagnostic.code, diagnostic.place.line, diagnostic.place.column) == ("A010", 5, COLUMN + column - 1)
    match = WAY_OUT.fullmatch(diagnostic.hint)
    assert match is not None, diagnostic.hint
    mended = read_yaml(BEFORE + match["value"] + AFTER, "a.yaml")
    assert mended.diagnostics == ()
    assert mended.data["agents"]["a"]["instructions"] == meant


def test_the_way_to_write_a_line_is_shown_although_the_next_line_has_the_same_mistake() -> None:
    assert report(BEFORE + "'Don't'\n    preface: 'Won't'\n").hint == 'write "Don\'t"'


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("chat: {start_prompts: [{label: 'Don't', prompt: 'Hi'}]}", 'write "Don\'t"'),
        ('chat: {greeting: "Say "hi"", title: off}', "write 'Say \"hi\"'"),
    ],
)
def test_between_brackets_only_the_text_itself_is_quoted(line: str, hint: str) -> None:
    assert report(f"version: 1\n{line}\nagents: {{a: {{model: m}}}}\n").hint == hint


def test_a_text_over_several_lines_gets_the_rule_in_place_of_the_text() -> None:
    diagnostic = report(BEFORE + "'It is\n      what you don't do.'" + AFTER)
    assert (diagnostic.place.line, diagnostic.place.column) == (6, 19)
    assert diagnostic.hint == "write '' for a quote in the text, or use the other kind of quotes"


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("version:1\nagents: {a: {model: m}}\n", (1, 8), "write 'version: 1'"),
        (BEFORE.replace("instructions: ", "instructions:Hi"), (5, 17), "write 'instructions: Hi'"),
        (BEFORE.replace("instructions: ", "instructions:Hi you") + AFTER, (5, 17), "write 'instructions: Hi you'"),
        (BEFORE.replace("model: m", "model:m") + "x" + AFTER, (4, 10), "write 'model: m'"),
    ],
)
def test_a_colon_without_a_space_is_reported_at_the_colon(text: str, place: tuple[int, int], hint: str) -> None:
    diagnostic = report(text)
    assert (diagnostic.place.line, diagnostic.place.column) == place
    assert diagnostic.message == "a space is missing after this ':'"
    assert diagnostic.hint == hint


@pytest.mark.parametrize("value", ['"x",', "[a, b],", '"x";', "{a: 1},  # why"])
def test_a_comma_at_the_end_of_a_line_is_reported_as_such(value: str) -> None:
    diagnostic = report(BEFORE + value + AFTER)
    mark = "," if "," in value[-8:] else ";"
    assert diagnostic.message == f"a {mark!r} after the end of the value"
    line = (BEFORE + value).splitlines()[diagnostic.place.line - 1]
    assert line[diagnostic.place.column - 1] == mark


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"version": 1 "agents": {}}', "expected ',' or '}' here"),
        ("a: [one, two\nb: c\n", "expected ',' or ']' here"),
        ("a: 'hello\n", "the quote that opens here is not closed"),
        ('a: "hello\nb: c\n', "the quote that opens here is not closed"),
        ("a: b\n  c: d\n", "a ':' after something that can't be a key"),
        ("a:\n  b: c\n d: e\n", "this doesn't fit the lines above it"),
        ("a: | text\n", "a text can't start on the line of its '|' or '>'"),
        ("a: > text\n", "a text can't start on the line of its '|' or '>'"),
    ],
)
def test_other_mistakes_are_not_taken_for_mistakes_of_quotes(text: str, message: str) -> None:
    assert report(text).message == message


@pytest.mark.parametrize("value", ["http://127.0.0.1:80", "It's fine", 'Say "hi"', "a#b", "'a'", '"a" # b', "x: y"[:1]])
def test_a_value_that_yaml_accepts_is_not_reported(value: str) -> None:
    assert read_yaml(BEFORE + value + AFTER, "a.yaml").diagnostics == ()


def test_a_key_without_a_colon_is_reported_at_its_end() -> None:
    diagnostic = report("version: 1\nagents:\n  guide\n    model: m\n")
    assert (diagnostic.place.line, diagnostic.place.column) == (3, 8)
    assert (diagnostic.message, diagnostic.hint) == ("a ':' is missing after 'guide'", "write 'guide:'")


@pytest.mark.parametrize("text", ['{\n  // why\n  "version": 1, "agents": {}\n}\n', "version: 1\n// why\nagents: {}\n"])
def test_a_comment_of_another_language_is_named(text: str) -> None:
    diagnostic = report(text)
    assert diagnostic.place.line == 2
    assert diagnostic.message == "a comment starts with '#'"


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ('chat: {start_prompts: [{label: Issue #12, prompt: "Tell me"}]}\nserver: {}\n', 1, 38),
        ("agents:\n  a: {name: 'x#1', tools: [a, call #one]}\n", 2, 36),
        ("tools: [a,\n  b #c]\n", 2, 5),
    ],
)
def test_a_comment_that_hides_the_end_of_brackets_is_named(text: str, line: int, column: int) -> None:
    diagnostic = report(text)
    assert diagnostic.message == "a comment begins at this '#', and hides the end of the brackets"
    assert (diagnostic.place.line, diagnostic.place.column) == (line, column)


def test_a_comment_between_brackets_is_not_blamed_for_another_mistake() -> None:
    diagnostic = report("tools: [a, #first\n  b c: d e: f\n  ]\nagents: {}\n")
    assert "comment" not in diagnostic.message
