"""YAML text -> plain data and places."""

import gc
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from runtime.diagnostics.diagnostic import Diagnostic, Place
from runtime.documents import document as source
from runtime.documents import parser as syntax
from runtime.documents.document import decode_text, read_yaml
from runtime.documents.parser import resolve_plain


def read(text: str) -> Any:
    found = read_yaml(text, "a.yaml")
    assert found.diagnostics == ()
    return found.data


def codes(text: str) -> list[str]:
    return [diagnostic.code for diagnostic in read_yaml(text, "a.yaml").diagnostics]


def test_a_text_in_braces_may_end_with_a_colon() -> None:
    # YAML 1.2 forbids it, so editors underline it; every YAML parser for Python reads it.
    assert read("{label: Why:, prompt: Why?}") == {"label": "Why:", "prompt": "Why?"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("", None),
        ("~", None),
        ("Null", None),
        ("true", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("12", 12),
        ("-0", 0),
        ("+1", 1),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("1.10", 1.1),
        (".5", 0.5),
        ("1.", 1.0),
        ("1e3", 1000.0),
        ("1:30", "1:30"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("1e999", "1e999"),
        ("9" * 5000, "9" * 5000),
        ("2026-01-01", "2026-01-01"),
        ("-", "-"),
        ("1.2.3", "1.2.3"),
    ],
)
def test_a_plain_scalar_means_what_the_core_schema_says(text: str, value: object) -> None:
    resolved = resolve_plain(text)
    assert (resolved, type(resolved)) == (value, type(value))


def test_quoted_and_tagged_scalars_are_texts() -> None:
    assert read("a: '12'\nb: \"true\"\nc: !!str 1.0\nd: ! 5\ne: |\n  7\n") == {
        "a": "12",
        "b": "true",
        "c": "1.0",
        "d": "5",
        "e": "7\n",
    }


def test_tags_of_the_core_schema_that_fit_are_no_mistake() -> None:
    assert read("a: !!int 1\nb: !!float 2\nc: !!map {}\nd: !!seq []\ne: !!null ~\nf: !!bool true\n") == {
        "a": 1,
        "b": 2,
        "c": {},
        "d": [],
        "e": None,
        "f": True,
    }


def test_places_count_from_one_and_know_keys_values_and_items() -> None:
    places = read_yaml("agents:\n  a:\n    tools: [x, 'y z']\n", "a.yaml").places
    assert places.key(("agents", "a")) == Place("a.yaml", 2, 3)
    assert places.value(("agents", "a", "tools")) == Place("a.yaml", 3, 12)
    assert places.value(("agents", "a", "tools", 1)) == Place("a.yaml", 3, 16)
    assert places.key(("agents", "a", "tools", 1)) == Place("a.yaml", 3, 16)
    assert places.length(("agents", "a", "tools", 1)) == 5
    assert places.key_length(("agents",)) == 6
    assert places.length(("agents",)) == 1


def test_a_path_that_is_not_there_has_the_place_of_its_nearest_parent() -> None:
    places = read_yaml("a:\n  b: short\n", "a.yaml").places
    assert places.value(("a", "b", "text")) == Place("a.yaml", 2, 6)
    assert places.written(("a", "b", "text")) == ("a", "b")
    assert places.key(("a", "nothing")) == Place("a.yaml", 1, 1)
    assert read_yaml("", "a.yaml").places.value(("x",)) == Place("a.yaml")


def test_columns_count_characters_and_not_bytes() -> None:
    places = read_yaml('"ключ 😀": [é, x]\n', "a.yaml").places
    assert places.value(("ключ 😀", 1)) == Place("a.yaml", 1, 15)


def test_the_text_of_a_number_is_kept_as_written() -> None:
    places = read_yaml("a: 1.10\nb: '1.10'\nc: [0x1F]\n", "a.yaml").places
    assert places.text(("a",)) == "1.10"
    assert places.text(("b",)) is None
    assert places.text(("c", 0)) == "0x1F"
    assert places.text(("c",)) is None


@pytest.mark.parametrize(
    ("text", "line", "column", "expected"),
    [
        ("a: x {{ y }}\n", 1, 3, (1, 6)),
        ("a: 'x {{ y }}'\n", 1, 3, (1, 7)),
        ("a: |\n    one\n      two {{ y }}\n", 2, 7, (3, 11)),
        ("a: |\n      one\n", 1, 2, (2, 8)),
        ("a: >\n  one\n  two\n", 2, 1, (1, 4)),
        ("a: 'one\n\n  two'\n", 2, 1, (1, 4)),
    ],
)
def test_a_place_within_a_text_is_as_exact_as_its_style_allows(
    text: str, line: int, column: int, expected: tuple[int, int]
) -> None:
    assert read_yaml(text, "a.yaml").places.inside(("a",), line, column) == Place("a.yaml", *expected)


def test_an_aliased_value_has_the_place_of_its_anchor_and_its_own_key() -> None:
    found = read_yaml("a: &x {b: 1}\nc: *x\n", "a.yaml")
    assert found.data == {"a": {"b": 1}, "c": {"b": 1}}
    assert found.places.key(("c",)) == Place("a.yaml", 2, 1)
    assert found.places.value(("c", "b")) == Place("a.yaml", 1, 11)


def test_merged_keys_give_way_to_own_keys_and_to_earlier_mappings() -> None:
    data = read("x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: [*x, *y]\n  a: 0\nw: {<<: *x}\nq: {'<<': 1}\n")
    assert data["z"] == {"a": 0, "b": 1, "c": 2}
    assert data["w"] == {"a": 1, "b": 1}
    assert data["q"] == {"<<": 1}


def test_a_merged_mapping_may_be_merged_again() -> None:
    data = read("x: &x {a: 1}\ny: &y {<<: *x, b: 2}\nz: {<<: *y, c: 3}\n")
    assert data["z"] == {"a": 1, "b": 2, "c": 3}


def test_reading_does_not_change_an_anchored_mapping() -> None:
    assert read("x: &x {a: 1}\ny: {<<: *x, a: 2}\n")["x"] == {"a": 1}


def test_a_byte_order_mark_at_the_start_is_no_mistake() -> None:
    text = decode_text(b"\xef\xbb\xbfa: 1\n", "a.yaml")
    assert isinstance(text, str)
    assert read(text) == {"a": 1}
    assert read("\ufeffa: 1\n") == {"a": 1}


@pytest.mark.parametrize("text", ["a: [x:]\n", "%FOO bar\n---\na: [x]\n"])
def test_what_libyaml_refuses_and_ruamel_reads_is_read(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        list(syntax._libyaml_events(text))
    assert read(text)["a"]


def test_the_second_parser_reads_all_that_the_first_one_does() -> None:
    text = "a: &x {b: [x:], c: 1.10, d: 'q', e: !!str 5}\nf: *x\ng: |\n  text\nh: {<<: *x, b: 0}\n"
    data = read(text)
    assert data["f"] == {"b": ["x:"], "c": 1.1, "d": "q", "e": "5"}
    assert data["g"] == "text\n"
    assert data["h"]["b"] == 0


@pytest.mark.parametrize("text", ["a: {b: ${X}, c: 1}\n", "a: [${X:-y}, z]\n", "a: {b: ${X}}\n"])
def test_a_variable_without_quotes_between_brackets_is_read_or_explained(text: str) -> None:
    found = read_yaml(text, "a.yaml").diagnostics
    assert [diagnostic.code for diagnostic in found] == ["A010"]
    assert "quotes" in found[0].hint


def test_a_pair_of_escaped_surrogates_is_one_character() -> None:
    assert read('a: "\\ud83d\\ude00"\n') == {"a": "😀"}


def test_line_endings_of_windows_are_line_endings() -> None:
    found = read_yaml("a: 1\r\nb:\r\n  c: 2\r\n", "a.yaml")
    assert found.data == {"a": 1, "b": {"c": 2}}
    assert found.places.key(("b", "c")) == Place("a.yaml", 3, 3)


def test_every_duplicate_is_reported_and_the_first_one_counts() -> None:
    found = read_yaml("a: 1\na: 2\nb: {c: 1, c: 2}\na: 3\n", "a.yaml")
    assert [str(diagnostic.place) for diagnostic in found.diagnostics] == ["a.yaml:2:1", "a.yaml:3:11", "a.yaml:4:1"]
    assert found.data == {"a": 1, "b": {"c": 1}}


@pytest.mark.parametrize("opened", ["[", "[x:, "])
def test_deep_nesting_is_refused_where_it_begins(opened: str) -> None:
    found = read_yaml("a: " + opened * 500, "a.yaml")
    assert [str(diagnostic.place) for diagnostic in found.diagnostics] == [f"a.yaml:1:{4 + 99 * len(opened)}"]
    assert [diagnostic.code for diagnostic in found.diagnostics] == ["A017"]


@pytest.mark.parametrize("text", ["[" * 5000, "{" * 5000, "- " * 5000, "a: " * 5000, "? " * 3000])
def test_hostile_nesting_is_a_diagnostic_and_no_crash(text: str) -> None:
    assert codes(text)


def test_aliases_within_the_limit_are_expanded() -> None:
    assert codes("a: &a [" + "1," * 1000 + "]\nb: [" + "*a," * 150 + "]\n") == []
    assert codes("a: &a [" + "1," * 1000 + "]\nb: [" + "*a," * 250 + "]\n") == ["A016"]


def test_merges_count_as_aliases() -> None:
    keys = ", ".join(f"k{index}: 1" for index in range(1000))
    merges = "".join(f"m{index}: {{<<: *a}}\n" for index in range(150))
    assert codes(f"a: &a {{{keys}}}\n{merges}") == ["A016"]


def test_the_collector_is_as_it_was_after_reading() -> None:
    read("a: 1\n")
    assert gc.isenabled()
    gc.disable()
    try:
        read("a: 1\n")
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("content", [b"\xff\xfea\x00", b"a: \xff\n", b"\xe9", b"x\n\xc3"])
def test_bytes_that_are_not_utf8_are_a_diagnostic(content: bytes) -> None:
    found = decode_text(content, "a.yaml")
    assert isinstance(found, Diagnostic)
    assert found.code == "A003"


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_text_raises(text: str) -> None:
    found = read_yaml(text, "a.yaml")
    assert found.diagnostics or found.data is not None


_TOKENS = ["a", "b: ", "- ", "\n", "  ", "[", "]", "{", "}", ", ", ":", "'", '"', "|\n", ">\n", " #c", "&x ", "1.10"]
_TOKENS += [
    "no",
    "~",
    "? ",
    "!!str ",
    "---\n",
    "\\n",
    "é",
    "\r\n",
    "<<: ",
    "-",
    "|-\n",
    "http://x",
    "{{ x }}",
    "''",
    "+",
]


@given(
    st.lists(st.sampled_from(_TOKENS), max_size=14).map("".join),
    st.sampled_from(["k: ", "k:\n  j: ", "k: [", "k:\n- "]),
)
@settings(max_examples=300, deadline=None)
def test_where_both_parsers_read_a_mapping_they_read_the_same(tail: str, head: str) -> None:
    text = head + tail
    try:
        fast = list(syntax._libyaml_events(text))
        slow = [syntax._translate(event) for event in YAML(typ="safe", pure=True).parse(text)]
    except (yaml.YAMLError, YAMLError):
        return
    assert _build(fast) == _build(slow)


def _build(events: list[yaml.Event]) -> tuple[Any, list[str]]:
    builder = source._Builder("a.yaml")
    builder.read(events)
    return builder.data, [diagnostic.code for diagnostic in builder.diagnostics]
