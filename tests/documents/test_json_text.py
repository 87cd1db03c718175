import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runtime.documents.json_text import JsonText, line_and_column

TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in items for found in paths(item, (*path, key)))]


def at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


@given(value=VALUES, indent=st.sampled_from([None, 1, "\t"]), ascii_only=st.booleans())
def test_every_value_and_key_is_found_where_it_is_written(value: Any, indent: Any, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    read = JsonText(text)
    for path in paths(value):
        span = read.span(path)
        assert json.loads(text[span.start : span.end]) == at(value, path)
        if path and isinstance(path[-1], str):
            key = read.key(path)
            assert json.loads(text[key.start : key.end]) == path[-1]


@given(text=TEXTS, ascii_only=st.booleans())
def test_each_character_of_a_string_is_found_where_it_is_written(text: str, ascii_only: bool) -> None:
    written = json.dumps({"a": text}, ensure_ascii=ascii_only)
    read = JsonText(written)
    for index, character in enumerate(text):
        rest = written[read.inside(("a",), index) : -2]
        assert json.loads(f'"{rest}"') == text[index:], character


def test_a_path_that_is_not_there_is_at_its_nearest_parent() -> None:
    read = JsonText('{"a": {"b": 1}}')
    assert read.span(("a", "c", 0)) == read.span(("a",))
    assert read.key(("a", "c")) == read.span(("a",))


def test_of_a_key_that_stands_twice_the_last_counts_as_it_does_in_json() -> None:
    assert JsonText('{"a": 1, "a": 22}').span(("a",)).start == 14


def test_lines_and_columns_count_from_one() -> None:
    assert line_and_column('{\n  "a": 1}', 4) == (2, 3)
