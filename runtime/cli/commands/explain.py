"""The verb `explain`: print what the code of a diagnostic means, why it matters, and how to fix it."""

from __future__ import annotations

import shutil
import textwrap

from runtime.diagnostics.codes import read_codes
from runtime.errors import UsageError

_WIDTH = 100


def explain_code(code: str | None) -> int:
    """Print the explanation of a code to standard output, or the list of all codes."""
    if code is not None:
        print(_explain(code))
        return 0
    for known, entry in read_codes().items():
        print(f"{known}  {entry.summary}")
    return 0


def _explain(written: str) -> str:
    code = written.strip().upper()
    entry = read_codes().get(code)
    if entry is None:
        raise UsageError(f"unknown code {written!r} ({_suggestion(code)})")
    return f"{_fill(f'{code}: {entry.summary}')}\n\n{_fill(entry.explanation)}"


def _fill(text: str) -> str:
    width = min(shutil.get_terminal_size((_WIDTH, 24)).columns, _WIDTH)
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


def _suggestion(code: str) -> str:
    number = "".join(character for character in code if character.isdigit())
    if not 1 <= len(number) <= 4:
        return "without a code, explain lists all codes"
    wanted = int(number[:3].ljust(3, "0"))
    near = min(read_codes(), key=lambda known: (abs(int(known[1:]) - wanted), known))
    return f"did you mean {near!r}? without a code, explain lists all codes"
