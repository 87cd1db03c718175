"""Every check of the widgets: read them, hold their templates against the components, follow their clicks, try them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runtime.config.model.actions import WidgetAction
from runtime.config.model.tools import WidgetTool
from runtime.validation.subject import Subject

if TYPE_CHECKING:
    from runtime.validation.widgets.views import View
    from runtime.validation.word_search import Mentions

_SUFFIXES = (".widget", ".json")


def check_widgets(subject: Subject) -> None:
    """Report what is wrong with the widgets of a project and the actions in them (A410 to A425)."""
    config = subject.config
    if not config.widgets and not _named([*config.tools.values(), *config.actions.values()]):
        return  # whatever triggers its actions then, it is none of what is declared
    # A project without widgets pays for none of this.
    from runtime.validation.widgets.actions import check_actions
    from runtime.validation.widgets.rendering import try_views
    from runtime.validation.widgets.views import read_views
    from runtime.validation.word_search import Mentions

    views = list(read_views(subject))
    for view in views:
        _check_template(view)
    mentions = Mentions(subject)
    check_actions(subject, views, mentions)
    _check_shown(subject, mentions)
    try_views(views)


def _check_template(view: View) -> None:
    from runtime.validation.widgets.templates import check_template

    try:
        check_template(view)
    except RecursionError:
        view.broken = True
        view.report("A411", view.inner.document.value(()), "the widget is nested too deep")


def _check_shown(subject: Subject, mentions: Mentions) -> None:
    """Report widgets that nothing shows: no tool, no action, and no Python that says their name."""
    config = subject.config
    used = _named([*config.tools.values(), *config.actions.values()])
    used |= {agent.output.widget for agent in config.agents.values() if agent.output and agent.output.widget}
    used |= {config.chat.tags.preview} if config.chat.tags is not None and config.chat.tags.preview else set()
    if any("${" in name or not (name in config.widgets or name.endswith(_SUFFIXES)) for name in used):
        return  # it may be any of them that is meant there
    for name in config.widgets.keys() - used:
        if not mentions.python_has(name):
            # A name may be put together, by code that shows widgets at all.
            is_certain = not mentions.python_has("widget")
            subject.found.report(
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
