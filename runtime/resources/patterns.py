"""Search with a regular expression of the project in a limited time: some need years for 40 characters.

The `regex` package has the syntax of Python's `re`, a time limit, and releases the interpreter while it searches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from runtime.errors import RuntimeFault

THREAD_S = 1.0
"""How long a search in a thread may take."""
LOOP_S = 0.1
"""How long a search in the event loop may take, which answers nobody else meanwhile."""
_FIRST_S = 0.005


class PatternTimeout(RuntimeFault):
    """A search was given up after its time limit."""

    def __init__(self, pattern: str, limit_s: float) -> None:
        super().__init__(f"the pattern {pattern!r} took longer than {limit_s:g} s on a text, and was given up")


@dataclass(frozen=True, slots=True)
class LimitedPattern:
    """A compiled pattern; `text` is as written."""

    text: str
    _compiled: Any

    @classmethod
    def compile(cls, text: str, *, ignore_case: bool = False) -> LimitedPattern:
        """Compile a pattern that `re` accepts. Raise ValueError."""
        return _compile(text, ignore_case)

    def search(self, text: str, limit_s: float = LOOP_S) -> Any:
        """Return the first match in a text, which is like an `re.Match`, or None. Raise PatternTimeout."""
        try:
            return self._compiled.search(text, timeout=limit_s, concurrent=True)
        except TimeoutError:
            raise PatternTimeout(self.text, limit_s) from None

    def matches(self, text: str, limit_s: float = LOOP_S) -> bool:
        """Return whether the pattern is found in a text. Raise PatternTimeout."""
        return self.search(text, limit_s) is not None

    async def found_in(self, text: str) -> bool:
        """Return whether the pattern is found in a text, without blocking the event loop. Raise PatternTimeout."""
        try:
            return self.matches(text, _FIRST_S)
        except PatternTimeout:
            # Not at the top: `validate` uses this module, and asyncio takes 50 ms to import.
            from runtime.resources.threads import in_file_thread

            return await in_file_thread(self.matches, text, THREAD_S)


@lru_cache(maxsize=1024)
def _compile(text: str, ignore_case: bool) -> LimitedPattern:
    # Imported on demand: few projects have a pattern.
    import regex  # type: ignore[import-untyped]

    try:
        return LimitedPattern(text, regex.compile(text, regex.IGNORECASE if ignore_case else 0))
    except regex.error as error:
        raise ValueError(f"{text!r} is not a valid regular expression: {error}") from error
