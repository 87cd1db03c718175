from __future__ import annotations

import pytest

from runtime.cli.report.frames import SHOWN_AT_MOST, draw_frame, print_diagnostics
from runtime.cli.report.project_report import count
from runtime.diagnostics.diagnostic import Diagnostic, Place


def mistake(line: int, column: int, length: int = 1, **fields: str) -> Diagnostic:
    return Diagnostic("A203", "no tool named 'x'", Place("agents.yaml", line, column), length=length, **fields)


def test_a_frame_shows_the_line_and_underlines_the_value() -> None:
    frame = draw_frame(mistake(2, 9, 3, hint="did you mean 'xy'?", path="tools[0]"), "version: 1\ntools: [abc]\n")
    assert frame == (
        "agents.yaml:2:9: error A203: no tool named 'x' [tools[0]]\n"
        "  2 | tools: [abc]\n"
        "    |         ^^^\n"
        "    = hint: did you mean 'xy'?\n"
    )


def test_a_mistake_of_the_whole_file_has_no_excerpt() -> None:
    assert draw_frame(mistake(0, 0), "version: 1\n") == "agents.yaml: error A203: no tool named 'x'\n"


def test_the_caret_stands_under_wide_characters_and_behind_tabs() -> None:
    frame = draw_frame(mistake(1, 5, 2), "a: \t日本 # é\n")
    assert frame.splitlines()[1:] == ["  1 | a:  日本 # é", "    |     ^^^^"]


def test_a_length_beyond_the_end_of_the_line_is_cut() -> None:
    assert draw_frame(mistake(1, 4, 99), "a: bc\nd: e").splitlines()[-1] == "    |    ^^"


def test_a_place_beyond_the_file_has_no_excerpt() -> None:
    assert len(draw_frame(mistake(9, 1), "a: b\n").splitlines()) == 1


def test_a_long_line_is_cut_down_to_what_surrounds_the_caret() -> None:
    source = "x" * 300 + "HERE" + "y" * 300
    _, line, caret = draw_frame(mistake(1, 301, 4), source).splitlines()
    assert len(line) < 130
    assert line[caret.index("^") : caret.rindex("^") + 1] == "HERE"


def test_a_carriage_return_ends_a_line_and_a_line_separator_does_not() -> None:
    frame = draw_frame(mistake(2, 1, 2), "a: \u2028b\r\nhi: x\r\n")
    assert frame.splitlines()[1:] == ["  2 | hi: x", "    | ^^"]


def test_a_file_can_not_send_commands_to_the_terminal() -> None:
    frame = draw_frame(Diagnostic("A1", "bad \x1b[2J", Place("a\x1b.yaml", 1, 1)), "k: \x1b[31m\u202e\n")
    assert "\x1b" not in frame
    assert "\u202e" not in frame


def test_colours_only_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert "\033[" in draw_frame(mistake(1, 1), "a", colour=True)
    print_diagnostics([mistake(1, 1)], {"agents.yaml": "a"})
    assert "\033[" not in capsys.readouterr().err


def test_more_than_a_hundred_are_cut_with_a_count_of_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    print_diagnostics([mistake(1, 1)] * (SHOWN_AT_MOST + 37), {})
    printed = capsys.readouterr().err
    assert printed.count("error A203") == 100
    assert printed.endswith("… and 37 more\n")


def test_the_count_knows_singular_and_plural() -> None:
    warning = Diagnostic("A1", "m", Place("f"), severity="warning")
    assert count([mistake(1, 1), mistake(2, 1), warning]) == "2 errors, 1 warning"
    assert count([]) == "no errors"
