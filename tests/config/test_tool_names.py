"""Names of tools that every API accepts, and no name twice."""

from __future__ import annotations

import re

import pytest

from runtime.config.tool_names import ToolNames, legal_tool_name

LEGAL = re.compile(r"[a-zA-Z0-9_-]{1,64}")
LONG = "search_" * 12


@pytest.mark.parametrize("name", ["find_book", "find-book", "A1", "x" * 64])
def test_a_legal_name_stays(name: str) -> None:
    assert legal_tool_name(name) == name


@pytest.mark.parametrize("name", ["files.read", "files/read", "read file", "größe", LONG, "", "x" * 65, "検索"])
def test_any_other_name_becomes_legal(name: str) -> None:
    assert LEGAL.fullmatch(legal_tool_name(name))


def test_long_names_with_one_beginning_differ() -> None:
    assert legal_tool_name(f"{LONG}a") != legal_tool_name(f"{LONG}b")


def test_the_first_has_the_name_and_the_next_that_of_its_server_before_it() -> None:
    names = ToolNames({"refund"})
    assert names.name_of("files", "search", "") == ("search", "")
    assert names.name_of("wiki", "search", "") == ("wiki_search", "'search' is taken")
    assert names.name_of("wiki", "refund", "") == ("wiki_refund", "'refund' is taken")
    assert names.name_of("wiki", "search", "") == ("wiki_search", ""), "it keeps it, and the reason is told once"
    assert names.name_of("mail", "search", "mail_") == ("mail_search", "")


def test_names_that_become_the_same_differ() -> None:
    names = ToolNames(set())
    given = [names.name_of("s", each, "")[0] for each in ("a.b", "a/b", "a b", "s_a.b", "s_a/b")]
    assert len(set(given)) == len(given)
    assert all(LEGAL.fullmatch(each) for each in given)
    assert given[0] == "a_b"
