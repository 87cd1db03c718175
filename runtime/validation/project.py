"""Every check of a project that does not run its code; each also runs on the recovered part of an invalid file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime

from runtime.config.load import LoadedProject, other_profiles, with_profile
from runtime.config.secrets.mask import mask_diagnostics
from runtime.diagnostics.diagnostic import Diagnostic, join_causes, sort_diagnostics
from runtime.validation.checked_project import CheckedProject
from runtime.validation.foreign_variables import check_foreign_variables
from runtime.validation.icons import check_icons
from runtime.validation.lifetimes import check_lifetimes
from runtime.validation.model_settings import check_settings, check_tool_choices
from runtime.validation.models import check_models
from runtime.validation.python.code import check_code
from runtime.validation.schemas import check_openapi, check_schemas
from runtime.validation.scripts.scripts import check_scripts
from runtime.validation.secrets import check_secrets
from runtime.validation.template_fields import check_template_fields
from runtime.validation.widgets.checks import check_widgets


def check_project(loaded: LoadedProject, today: date | None = None) -> list[Diagnostic]:
    """Return the diagnostics of a project, those of loading it included, sorted.

    Without a selected profile, the errors of every profile are included. `today` is the day, in UTC, for what has an
    end, such as models; by default that of the clock.
    """
    today = today or datetime.now(UTC).date()
    diagnostics = _check(loaded, today)
    known = {(each.code, each.place, each.message) for each in diagnostics}
    for name in other_profiles(loaded):
        # Declarations that only this profile leaves unused are no mistakes of the file.
        for each in _check(with_profile(loaded, name), today):
            if each.severity == "error" and (each.code, each.place, each.message) not in known:
                known.add((each.code, each.place, each.message))
                hint = f"{each.hint}{' ' if each.hint.endswith('?') else '; '}" if each.hint else ""
                diagnostics.append(replace(each, hint=f"{hint}with the profile {name!r}"))
    return sort_diagnostics(diagnostics)


def _check(loaded: LoadedProject, today: date) -> list[Diagnostic]:
    if loaded.recovered.config is None or loaded.filled is None:
        return list(loaded.diagnostics)
    project = CheckedProject.of(loaded, today)
    checks: tuple[Callable[[CheckedProject], None], ...] = (
        check_code,
        check_widgets,
        check_template_fields,
        check_schemas,
        check_icons,
        check_openapi,
        check_models,
        check_lifetimes,
        check_settings,
        check_tool_choices,
        check_scripts,
        check_foreign_variables,
        check_secrets,  # last: it searches every file that was read
    )
    for check in checks:
        check(project)
    more = [each for each in project.collector.diagnostics if loaded.recovered.applies(each)]
    diagnostics = [*loaded.diagnostics, *more]
    if any(each.wanted for each in diagnostics):
        from runtime.validation.python.search import hint_import_paths

        diagnostics = hint_import_paths(diagnostics, project.resolver.modules)
    return mask_diagnostics(join_causes(diagnostics), loaded.secrets)
