"""The project's Python, as far as agents.yaml names it: found, read and understood, and never run."""

from __future__ import annotations

from runtime.validation.checked_project import CheckedProject
from runtime.validation.python.import_effects import check_computed_imports, check_starts, check_tools_made
from runtime.validation.python.import_paths import uses_of
from runtime.validation.python.imports import check_import, check_module, follow, reached
from runtime.validation.python.objects import check_object
from runtime.validation.python.report import Verdicts


def check_code(project: CheckedProject) -> None:
    """Report what is wrong with the import paths of a file and with the code that they lead to."""
    uses = uses_of(project)
    verdicts = Verdicts(project, project.resolver)
    for use in uses:
        check_module(verdicts, use)
    named = {use.module for use in uses}
    # What an unused model imports is not run: the others come first.
    for module, use in list(reached(verdicts, sorted(uses, key=lambda use: use.severity))):
        check_import(verdicts, module, use)
        check_tools_made(verdicts, module, use)
        check_starts(verdicts, module, use)
        if module.name in named:
            check_computed_imports(verdicts, module, use)
    for use in uses:
        thing = follow(verdicts, use)
        if thing is not None:
            check_object(verdicts, use, thing)
