"""Every check of the widgets: read them, hold their templates against the components, follow their clicks, try them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runtime.config.model.actions import WidgetAction
from runtime.config.model.tools import WidgetTool
from runtime.validation.checked_project import CheckedProject

if TYPE_CHECKING:
    from runtime.validation.identifier_search import IdentifierSearch
    from runtime.validation.widgets.views import View

_SUFFIXES = (".widget", ".json")


def check_widgets(project: CheckedProject) -> None:
    """Report what is wrong with the widgets of a project and the actions in them (A410 to A425)."""
    config = project.config
    if not config.widgets and not _named([*config.tools.values(), *config.actions.values()]):
        return  # whatever triggers its actions then, it is none of what is declared
    # A project without widgets pays for none of this.
    from runtime.validation.identifier_search import IdentifierSearch
    from runtime.validation.widgets.actions import check_actions
    from runtime.validation.widgets.rendering import try_views
    from runtime.validation.widgets.views import read_views

    views = list(read_views(project))
    for view in views:
        _check_template(view)
        if isinstance(view.data.value, dict) and not view.broken:
            project.widget_schemas[view.name] = view.data.value
    identifiers = IdentifierSearch(project)
    check_actions(project, views, identifiers)
    _check_shown(project, identifiers)
    try_views(views)


def _check_template(view: View) -> None:
    from runtime.validation.widgets.templates import check_template

    try:
        check_template(view)
    except RecursionError:
        view.broken = True
        view.report("A411", view.inner.document.value(()), "the widget is nested too deep")


def _check_shown(project: CheckedProject, identifiers: IdentifierSearch) -> None:
    """Report widgets that nothing shows: no tool, no action, and no Python that says their name."""
    config = project.config
    used = _named([*config.tools.values(), *config.actions.values()])
    used |= {agent.output.widget for agent in config.agents.values() if agent.output and agent.output.widget}
    used |= {config.chat.tags.preview} if config.chat.tags is not None and config.chat.tags.preview else set()
    if any("${" in name or not (name in config.widgets or name.endswith(_SUFFIXES)) for name in used):
        return  # it may be any of them that is meant there
    for name in config.widgets.keys() - used:
        if not identifiers.python_has(name):
            # A name may be put together, by code that shows widgets at all.
            is_certain = not identifiers.python_has("widget")
            project.collector.report(
                "A424",
                ("widgets", name),
                f"nothing shows the widget {name!r}",
                "a tool or an action shows one, or Python does by its name",
                severity="warning" if is_certain else "note",
                at_key=True,
                unused=name,
            )


def _named(entries: Sequence[object]) -> set[str]:
    return {entry.widget for entry in entries if isinstance(entry, WidgetTool | WidgetAction)}
