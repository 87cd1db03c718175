from __future__ import annotations

import pytest

from runtime.server.attachments.file_keys import clean_name


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("../../a.png", "a.png"),
        ("C:\\temp\\b.pdf", "b.pdf"),
        ("a\x00b\n.txt", "ab.txt"),
        ("..", "file"),
        ("x" * 300 + ".png", "x" * 196 + ".png"),
        ("übersicht.pdf", "übersicht.pdf"),
    ],
)
def test_names_are_made_harmless(name: str, clean: str) -> None:
    assert clean_name(name) == clean
