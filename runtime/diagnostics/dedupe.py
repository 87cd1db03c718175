"""One report for each cause: a widget that three tools miss is one mistake, not three.

And what only follows from a mistake is none: an agent that nobody reaches, where its name was misspelt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from runtime.diagnostics.diagnostic import Diagnostic, sort_diagnostics

# What is mended in one place, wherever it is named: codes that stand together are about the same kind of thing.
_KINDS = (
    ("A201", "A205", "A206"),
    ("A203",),
    ("A204",),
    ("A207", "A208"),
    ("A230",),
    ("A231",),
    ("A320",),
    ("A321",),
    ("A322",),
    ("A501",),
    ("A620",),
)
_KIND = {code: kind[0] for kind in _KINDS for code in kind}
_SHOWN = 3
# What is unused because the name of its only use is wrong, by the codes that say so.
_FOLLOWS = {
    "A220": ("A201", "A205", "A206"),
    "A221": ("A203",),
    "A222": ("A204",),
    "A424": ("A207", "A208"),
}
_NAMES = frozenset(code for codes in _FOLLOWS.values() for code in codes)
_MEANT = "did you mean "


def join_causes(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return the first of all that have the same cause, sorted; its hint says where the others are."""
    groups: dict[tuple[object, ...], list[Diagnostic]] = {}
    sorted_ = sort_diagnostics(diagnostics)
    meant = {(found.code, found.hint) for found in sorted_ if found.code in _NAMES and found.hint.startswith(_MEANT)}
    for found in sorted_:
        if not (found.code in _FOLLOWS and _follows(found, meant)):
            groups.setdefault(_cause(found), []).append(found)
    return [_join(group) for group in groups.values()]


def _follows(found: Diagnostic, meant: set[tuple[str, str]]) -> bool:
    """Tell whether something is unused because another mistake misspells it."""
    hints = [hint for code, hint in meant if code in _FOLLOWS[found.code]]
    # Whoever is reached through the misspelt agent is out of reach, too.
    if found.code == "A220":
        return bool(hints)
    name = found.path.partition(".")[2].strip('"')
    return any(hint.startswith(f"{_MEANT}{name!r}") for hint in hints)


def _cause(found: Diagnostic) -> tuple[object, ...]:
    if found.code in _KIND:
        return _KIND[found.code], found.message, found.severity
    # An anchor, or a file that several entries name: the mistake is in one place and has several paths.
    return found.code, found.message, found.severity, found.place


def _join(group: list[Diagnostic]) -> Diagnostic:
    first, *others = group
    if not others:
        return first
    where = [str(other.place) if other.place != first.place else other.path for other in others]
    where = [text for text in dict.fromkeys(where) if text not in (str(first.place), first.path, "")]
    if not where:
        return first
    more = f" and {len(where) - _SHOWN} more" if len(where) > _SHOWN else ""
    also = f"also at {', '.join(where[:_SHOWN])}{more}"
    hint = "" if not first.hint else first.hint + (" " if first.hint.endswith("?") else "; ")
    return replace(first, hint=hint + also)
