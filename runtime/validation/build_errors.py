"""Errors of a build in the words of the checks: a mistake has one code and one place, in `validate` and in `dev`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from runtime.config.load import LoadedProject
from runtime.diagnostics.diagnostic import Diagnostic, sort_diagnostics
from runtime.validation.project import check_project

# The first two steps of a path, as `path_text` writes it.
_ENTRY = re.compile(r'[^.\[]*(?:\."[^"]*"|\.[^.\[]+|\[\d+\])?')
# What OpenAI does not serve is built like the rest.
_NOT_OF_THE_BUILD = frozenset({"A620", "A621", "A626", "A627", "A628"})
# Sections that are one object.
_WHOLE = frozenset({"context", "context_class", "converter", "entry", "store", "stream_converter"})


def entry_of(diagnostic: Diagnostic) -> str:
    """Return the path of the entry of agents.yaml that has the mistake, such as `widgets.order`."""
    section = diagnostic.path.partition(".")[0]
    if section in _WHOLE:
        return section
    match = _ENTRY.match(diagnostic.path)
    return match[0] if match else ""


def explain_build_errors(loaded: LoadedProject, errors: Sequence[Diagnostic]) -> list[Diagnostic]:
    """Return the errors of a build; each whose entry the checks find wrong as well is replaced by what they report."""
    checked = [each for each in check_project(loaded) if each.code not in _NOT_OF_THE_BUILD]
    explained: list[Diagnostic] = []
    for error in errors:
        same = [each for each in checked if entry_of(each) == entry_of(error) and error.path]
        found = [each for each in same if each.severity == "error"]
        # A warning at the very place is the reason, such as a package that is not installed here.
        found = found or [replace(each, severity="error") for each in same if each.place == error.place]
        explained += found or [error]
    return sort_diagnostics(explained)
