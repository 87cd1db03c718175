"""Names between single braces, `{name}`, which other systems replace and which are used as they are here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# Parts of a text in which single braces are meant: code, blocks of the template itself.
_LITERAL = re.compile(
    r"\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}|\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|```.*?```|`[^`\n]*`", re.DOTALL
)
_SINGLE_BRACES = re.compile(
    r"(?<![\w{}$/=\\])\{ ?(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:![rsa])? ?\}(?!\})|%\((?P<percent>\w+)\)[sd]"
)


@dataclass(frozen=True, slots=True)
class BracedName:
    """A `name`, with dots, as it is `written` at an `offset` of a text."""

    name: str
    written: str
    offset: int

    @property
    def message(self) -> str:
        """What is wrong."""
        return f"{self.written!r} is no template: the text is used as it is"


def find_single_braces(text: str) -> Iterator[BracedName]:
    """Yield each name between single braces once, outside code and templates."""
    if "{" not in text and "%(" not in text:
        return
    text = _LITERAL.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    reported: set[str] = set()
    for match in _SINGLE_BRACES.finditer(text):
        name = match["name"] or match["percent"]
        if name not in reported:
            reported.add(name)
            yield BracedName(name, match[0], match.start())
