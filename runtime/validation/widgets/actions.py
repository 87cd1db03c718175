"""Clicks: every action that a widget triggers is declared and gets the payload that it takes, and none is in vain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runtime.config.model.actions import WidgetAction
from runtime.config.model.tools import WidgetTool
from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import suggest
from runtime.validation.checked_project import CheckedProject
from runtime.validation.identifier_search import IdentifierSearch
from runtime.validation.widgets.clicks import Trigger, find_triggers, is_open
from runtime.validation.widgets.payloads import wrong_payload
from runtime.validation.widgets.places import Spot
from runtime.validation.widgets.views import View


def check_actions(project: CheckedProject, views: Sequence[View], identifiers: IdentifierSearch) -> None:
    """Report actions that nothing handles, that nothing triggers, or whose payload is refused (A422, A423, A425)."""
    triggers = [trigger for view in views for trigger in find_triggers(view)]
    actions = project.config.actions
    for trigger in triggers:
        if is_open(trigger.type):
            continue
        if trigger.type not in actions:
            message = f"nothing handles the action {trigger.type!r}: a click on it is refused"
            hint = suggest(trigger.type, actions) or "declare it in 'actions', or write 'handler: client'"
            _report(trigger, identifiers, "A422", message, hint)
        elif trigger.action is not None:
            _check_payload(project, trigger, views, identifiers)
    _check_unused(project, views, triggers, identifiers)


def _report(
    trigger: Trigger,
    identifiers: IdentifierSearch,
    code: str,
    message: str,
    hint: str,
    spot: Spot | None = None,
    path: KeyPath = (),
) -> None:
    view = trigger.view
    inside = view.path_in_config(trigger.part, (*trigger.path, *path)) if trigger.part else ()
    is_certain = trigger.is_always_there and _is_shown(view, identifiers)
    severity: Severity = "error" if is_certain else "warning"
    view.report(code, spot or trigger.spot, message, hint, severity=severity, path=inside)


def _is_shown(view: View, identifiers: IdentifierSearch) -> bool:
    """Tell whether anything shows a widget: a tool, an action, or Python that says its name."""
    config = view.project.config
    entries = [*config.tools.values(), *config.actions.values()]
    if any(isinstance(entry, WidgetTool | WidgetAction) and entry.widget == view.name for entry in entries):
        return True
    return any(identifiers.python_has(f"{quote}{view.name}{quote}") for quote in "\"'")


def _check_payload(
    project: CheckedProject, trigger: Trigger, views: Sequence[View], identifiers: IdentifierSearch
) -> None:
    action = project.config.actions[trigger.type]
    schemas: list[Any] = [] if action.payload is None else [action.payload]
    if isinstance(action, WidgetAction):
        schemas += [view.data.value for view in views if view.name == action.widget and not view.hopeless]
    wrong = [found for schema in schemas or [None] for found in wrong_payload(trigger, action, schema)]
    for message, hint, path in dict.fromkeys(wrong):
        assert trigger.part is not None
        document = trigger.part.document
        place = (*trigger.path, "payload", *path)
        spot = document.value((*trigger.path, "payload")) if not path else document.key(place)
        _report(trigger, identifiers, "A425", f"the action {trigger.type!r} {message}", hint, spot, ("payload", *path))


def _check_unused(
    project: CheckedProject, views: Sequence[View], triggers: Sequence[Trigger], identifiers: IdentifierSearch
) -> None:
    """Report actions that no widget triggers: whoever else could, a widget in Python or the page, must name them."""
    used = {trigger.type for trigger in triggers}
    if any(view.kind == "python" or view.broken for view in views) or any(map(is_open, used)):
        return
    if used - project.config.actions.keys():
        return  # it may be any of them that is meant there
    for name in project.config.actions.keys() - used:
        if not identifiers.has(name):
            message, hint = f"no widget triggers the action {name!r}", "only the page itself can send it then"
            project.collector.report("A423", ("actions", name), message, hint, severity="note", at_key=True)
