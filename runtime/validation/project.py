"""Every check of a project that runs nothing of it: its Python as text, its widgets, its secrets, its models.

Works on what is left of a file whose shape is wrong, too, so that one run reports every mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from runtime.config.load import LoadedProject, other_profiles, with_profile
from runtime.config.secrets.mask import mask_diagnostics
from runtime.diagnostics.dedupe import join_causes
from runtime.diagnostics.diagnostic import Diagnostic, sort_diagnostics
from runtime.validation.checked_project import CheckedProject
from runtime.validation.model_settings import check_settings, check_tool_choices
from runtime.validation.models import check_models
from runtime.validation.openapi import check_openapi
from runtime.validation.python.code import check_code
from runtime.validation.schemas import check_icons, check_schemas
from runtime.validation.scripts.scripts import check_scripts
from runtime.validation.secrets import check_secrets
from runtime.validation.widgets.widgets import check_widgets


def check_project(loaded: LoadedProject) -> list[Diagnostic]:
    """Return all that is known to be wrong with a project, what loading it has found included; sorted.

    Where no profile was asked for, the errors that each one would have are among them.
    """
    found = _check(loaded)
    told = {(each.code, each.place, each.message) for each in found}
    for name in other_profiles(loaded):
        # What a profile leaves unused or unset is no mistake of the file without it.
        for each in _check(with_profile(loaded, name)):
            if each.severity == "error" and (each.code, each.place, each.message) not in told:
                told.add((each.code, each.place, each.message))
                hint = f"{each.hint}{' ' if each.hint.endswith('?') else '; '}" if each.hint else ""
                found.append(replace(each, hint=f"{hint}with the profile {name!r}"))
    return sort_diagnostics(found)


def _check(loaded: LoadedProject) -> list[Diagnostic]:
    if loaded.recovered.config is None or loaded.filled is None:
        return list(loaded.diagnostics)
    project = CheckedProject.of(loaded)
    checks: tuple[Callable[[CheckedProject], None], ...] = (
        check_code,
        check_widgets,
        check_schemas,
        check_icons,
        check_openapi,
        check_models,
        check_settings,
        check_tool_choices,
        check_scripts,
        check_secrets,  # last: it looks into every file that was read
    )
    for check in checks:
        check(project)
    more = [found for found in project.collector.diagnostics if loaded.recovered.applies(found)]
    return mask_diagnostics(join_causes([*loaded.diagnostics, *more]), loaded.secrets)
