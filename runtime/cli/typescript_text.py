"""The small parts of TypeScript: names, keys, literals, comments, and where a type needs parentheses."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

_IDENTIFIER = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
# U+2028 and U+2029 end a line of a comment.
_LINE_ENDS = re.compile("\r\n|[\n\r\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Drawn:
    """The text of a type; `kind` says how tightly it holds together: `braces` is an object type."""

    text: str
    kind: Literal["braces", "atom", "intersection", "union"] = "atom"

    @property
    def tight(self) -> str:
        """The text where a `[]` or a `&` may follow."""
        return f"({self.text})" if self.kind in ("intersection", "union") else self.text


UNKNOWN, NEVER, NULL = Drawn("unknown"), Drawn("never"), Drawn("null")


def union(parts: Iterable[Drawn]) -> Drawn:
    """Any of these."""
    different = [part for part in dict.fromkeys(parts) if part != NEVER]
    if UNKNOWN in different:
        return UNKNOWN
    if len(different) > 1:
        return Drawn(" | ".join(part.text for part in different), "union")
    return different[0] if different else NEVER


def intersection(parts: Iterable[Drawn]) -> Drawn:
    """All of these at once."""
    different = [part for part in dict.fromkeys(parts) if part != UNKNOWN]
    if NEVER in different:
        return NEVER
    if len(different) > 1:
        return Drawn(" & ".join(part.tight for part in different), "intersection")
    return different[0] if different else UNKNOWN


def literal(value: Any) -> Drawn:
    """The type of this value alone."""
    if isinstance(value, Mapping):
        inside = "; ".join(f"{key_text(str(key))}: {literal(inner).text}" for key, inner in value.items())
        return Drawn(f"{{ {inside} }}", "braces") if value else Drawn("Record<string, never>")
    if isinstance(value, list | tuple):
        return Drawn(f"[{', '.join(literal(inner).text for inner in value)}]")
    if isinstance(value, float) and not math.isfinite(value):
        return Drawn("number")
    if isinstance(value, float) and value.is_integer():
        return Drawn(str(int(value)))
    return Drawn(quote(value) if isinstance(value, str) else json.dumps(value, default=str))


def quote(text: str) -> str:
    """A string of TypeScript and JavaScript, in single quotes; fit for a `<script>`, too."""
    inside = json.dumps(text, ensure_ascii=False)[1:-1].replace('\\"', '"').replace("'", "\\'")
    return f"'{inside}'".replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").replace("<", "\\u003c")


def key_text(name: str) -> str:
    """The name of a property, quoted where it has to be."""
    return name if _IDENTIFIER.fullmatch(name) else quote(name)


def comment(text: str, indent: str = "") -> str:
    """A JSDoc comment with its line end; empty for no text."""
    lines = [line.strip() for line in _LINE_ENDS.split(text.strip().replace("*/", "*\\/"))]
    if lines == [""]:
        return ""
    if len(lines) == 1:
        return f"{indent}/** {lines[0]} */\n"
    inside = "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines)
    return f"{indent}/**\n{inside}{indent} */\n"


class Names:
    """The names of types that a file has given away."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)

    def claim(self, *words: str) -> str:
        """Make a name like `GetLocationArguments` of these words, with a number where it is taken."""
        parts = [part for word in words for part in re.split(r"[^A-Za-z0-9]+", word) if part]
        name = "".join(part[0].upper() + part[1:] for part in parts) or "Type"
        name = f"_{name}" if name[0].isdigit() else name
        free = name
        number = 1
        while free in self._taken:
            number += 1
            free = f"{name}{number}"
        self._taken.add(free)
        return free
