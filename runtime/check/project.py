"""Every check of a project that runs nothing of it: its Python as text, its widgets, its secrets, its models.

Works on what is left of a file whose shape is wrong, too, so that one run reports every mistake.
"""

from __future__ import annotations

from collections.abc import Callable

from runtime.check.subject import Subject
from runtime.config.load import Loaded
from runtime.diagnostics import Diagnostic, sort_diagnostics


def check_project(loaded: Loaded) -> list[Diagnostic]:
    """Return all that is known to be wrong with a project, what loading it has found included; sorted."""
    if loaded.rest.config is None or loaded.filled is None:
        return list(loaded.diagnostics)
    subject = Subject.of(loaded)
    checks: tuple[Callable[[Subject], None], ...] = ()
    for check in checks:
        check(subject)
    more = [found for found in subject.found.diagnostics if loaded.rest.stands(found)]
    return sort_diagnostics([*loaded.diagnostics, *more])
