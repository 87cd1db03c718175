"""All checks of widgets: their templates, components and actions, and a trial with their samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runtime.config.model.tools import WidgetTool
from runtime.config.model.widgets import WidgetAction
from runtime.config.references import WIDGET_SUFFIXES
from runtime.diagnostics.diagnostic import Severity
from runtime.validation.checked_project import CheckedProject

if TYPE_CHECKING:
    from runtime.validation.identifier_search import IdentifierSearch


def check_widgets(project: CheckedProject) -> None:
    """Report faults of the widgets of a project, and of the actions in them (A410 to A425)."""
    config = project.config
    if not config.widgets and not _named([*config.tools.values(), *config.actions.values()]):
        return  # then no declared widget triggers its actions
    # A project without widgets imports none of this.
    from runtime.validation.identifier_search import IdentifierSearch
    from runtime.validation.widgets.actions import check_actions
    from runtime.validation.widgets.checked_widget import read_widgets
    from runtime.validation.widgets.rendering import check_rendering
    from runtime.validation.widgets.templates import check_template

    widgets = list(read_widgets(project))
    for widget in widgets:
        try:
            check_template(widget)
        except RecursionError:
            widget.is_broken = True
            widget.report("A411", widget.inner.document.value(()), "the widget is nested too deep")
        if isinstance(widget.data.value, dict) and not widget.is_broken:
            project.widget_schemas[widget.name] = widget.data.value
    identifiers = IdentifierSearch.of(project)
    check_actions(project, widgets, identifiers)
    _check_shown(project, identifiers)
    check_rendering(widgets)


def _check_shown(project: CheckedProject, identifiers: IdentifierSearch) -> None:
    """Report widgets that no tool and no action shows, and that no Python file mentions (A424)."""
    config = project.config
    used = _named([*config.tools.values(), *config.actions.values()])
    used |= {agent.output.widget for agent in config.agents.values() if agent.output and agent.output.widget}
    used |= {config.chat.tags.preview} if config.chat.tags is not None and config.chat.tags.preview else set()
    if any("${" in name or not (name in config.widgets or name.endswith(WIDGET_SUFFIXES)) for name in used):
        return  # a variable or an unknown name may mean any of them
    for name in config.widgets.keys() - used - project.texts_in_with:
        if not identifiers.in_python(name):
            # Code that shows widgets may compute a name.
            severity: Severity = "note" if identifiers.in_python("widget") else "warning"
            path, message = ("widgets", name), f"nothing shows the widget {name!r}"
            hint = "name it in a tool, an action or Python"
            project.collector.report("A424", path, message, hint, severity=severity, at_key=True, unused=name)


def _named(entries: Sequence[object]) -> set[str]:
    return {entry.widget for entry in entries if isinstance(entry, WidgetTool | WidgetAction)}
