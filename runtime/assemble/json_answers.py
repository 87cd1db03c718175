"""JSON inside the answer of a model that was asked for JSON alone, and has written more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from runtime.assemble.think_tags import visible_text

_FENCE = re.compile(r"```[a-zA-Z0-9]*[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL)
_STARTS = re.compile(r"[{\[]")
_MOST_STARTS = 50
"""How many brackets of a text are tried; each try reads the rest of the text."""


def json_in(text: str) -> Iterator[str]:
    """Yield the JSON objects and arrays in a text, the likeliest first: those inside fences, then the last ones."""
    text = visible_text(text)
    yield from (match[1] for match in _FENCE.finditer(text))
    yield from reversed(list(_values_in(text)))


def _values_in(text: str) -> Iterator[str]:
    decoder, at = json.JSONDecoder(), 0
    for _ in range(_MOST_STARTS):
        start = _STARTS.search(text, at)
        if start is None:
            return
        try:
            _, end = decoder.raw_decode(text, start.start())
        except ValueError:
            at = start.end()
            continue
        yield text[start.start() : end]
        at = end
