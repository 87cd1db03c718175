"""One diagnostic for each cause: a widget that three tools miss is one mistake, not three.

A diagnostic that only follows from another one is dropped: an agent is unreachable because its name is misspelt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from runtime.diagnostics.diagnostic import Diagnostic, sort_diagnostics

# Equal messages with these codes have one cause, wherever they occur; codes of one row name the same kind of thing.
_SAME_CAUSE = (
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
_GROUP = {code: codes[0] for codes in _SAME_CAUSE for code in codes}
_MAX_PLACES = 3
# The codes for unused declarations, each with those for a misspelt name that may be their cause.
_FOLLOWS = {
    "A220": ("A201", "A205", "A206"),
    "A221": ("A203",),
    "A222": ("A204",),
    "A424": ("A207", "A208"),
}


def join_causes(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return the first diagnostic of each cause, sorted; its hint lists the other places."""
    groups: dict[tuple[object, ...], list[Diagnostic]] = {}
    sorted_ = sort_diagnostics(diagnostics)
    misspelt = {(diagnostic.code, diagnostic.meant) for diagnostic in sorted_ if diagnostic.meant}
    for diagnostic in sorted_:
        if not _follows(diagnostic, misspelt):
            groups.setdefault(_cause(diagnostic), []).append(diagnostic)
    return [_join(group) for group in groups.values()]


def _follows(diagnostic: Diagnostic, misspelt: set[tuple[str, str]]) -> bool:
    """Return whether a declaration is unused because another diagnostic reports its misspelt name."""
    meant = {name for code, name in misspelt if code in _FOLLOWS.get(diagnostic.code, ())}
    # An agent may also be reached only through the misspelt one.
    return bool(meant) if diagnostic.code == "A220" else diagnostic.unused in meant


def _cause(diagnostic: Diagnostic) -> tuple[object, ...]:
    if diagnostic.code in _GROUP:
        return _GROUP[diagnostic.code], diagnostic.message, diagnostic.severity
    # An anchor, or a file that several entries name: one place with several paths.
    return diagnostic.code, diagnostic.message, diagnostic.severity, diagnostic.place


def _join(group: list[Diagnostic]) -> Diagnostic:
    first, *others = group
    places = [str(other.place) if other.place != first.place else other.path for other in others]
    places = [text for text in dict.fromkeys(places) if text not in (str(first.place), first.path, "")]
    if not places:
        return first
    more = f" and {len(places) - _MAX_PLACES} more" if len(places) > _MAX_PLACES else ""
    also = f"also at {', '.join(places[:_MAX_PLACES])}{more}"
    hint = "" if not first.hint else first.hint + (" " if first.hint.endswith("?") else "; ")
    return replace(first, hint=hint + also)
