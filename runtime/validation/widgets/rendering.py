"""What trying the widgets shows: their schemas, their samples, and data that breaks them (A412 to A418, A420, A421).

Everything that a template or a schema of the project could burn time with happens in a child process with limits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from runtime.config.check_templates import name_position
from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath, show_path
from runtime.validation.widgets.places import Spot
from runtime.validation.widgets.templates import describe_component, value_at
from runtime.validation.widgets.views import Part, View
from runtime.widgets.component_checks import ComponentFault
from runtime.widgets.sandbox import TrialResult, try_widgets
from runtime.widgets.trial import TrialFault, TrialInput

_CODES = {"component": "A412", "property": "A413", "value": "A414", "missing": "A415"}
_TOO_MUCH = {
    "time": "rendering this widget takes too long",
    "memory": "rendering this widget takes too much memory",
    "output": "this widget grows to more than 1 MiB",
    "refused": "the template does what a template must not",
    "crash": "trying this widget fails in a way that says nothing of its data",
    "skipped": "this widget was not tried to its end: there was no time left",
}
_FIELDS_SHOWN = 3


def try_views(views: Sequence[View]) -> None:
    """Try every widget, and report what goes wrong; of one that is not whole, its schema and sample alone."""
    ready = [view for view in views if _has_anything_to_try(view) and _is_filled(view)]
    if ready:
        for view, result in zip(ready, try_widgets([_job(view) for view in ready]), strict=True):
            _report(view, result)


def _has_anything_to_try(view: View) -> bool:
    if view.hopeless:
        return False
    if isinstance(view.data.value, dict) and isinstance(view.sample.value, dict | None):
        return True
    return view.kind != "python" and not view.broken


def _job(view: View) -> TrialInput:
    is_drawn = view.kind != "python" and not view.broken
    return TrialInput(
        root=view.root if is_drawn else None,
        data=view.data.value,
        copy_text=view.copy_text.value if is_drawn else None,
        sample=view.sample.value,
    )


def _is_filled(view: View) -> bool:
    """Tell whether no part of a widget waits for a variable that isn't set."""
    strings = view.project.collector.filled.strings
    return not any(path[: len(view.at)] == view.at and not text.resolved for path, text in strings.items())


def _report(view: View, result: TrialResult) -> None:
    broken: dict[tuple[str, str], _Broken] = {}
    for found in result.faults:
        match found["code"]:
            case "A416":
                _report_schema(view, found)
            case "A417":
                _report_sample(view, found)
            case "A418":
                _report_failed(view, found)
            case "components":
                _report_component(view, found)
            case "A420":
                key = found["what"], found.get("hint", "") or found["message"]
                broken.setdefault(key, _Broken(found)).fields.append(tuple(found["field"]))
    for each in broken.values():
        _report_broken(view, each)
    if result.reason:
        _report_too_much(view, result)


def _report_schema(view: View, found: TrialFault) -> None:
    path = tuple(found["path"])
    spot = view.data.document.value(path)
    what = found.get("what")
    if what == "keyword":
        spot = view.data.document.key(path)
        message = f"{path[-1]!r} is no keyword of JSON Schema, so it does nothing"
        hint = "what the data holds stands under 'properties'"
        view.report("A416", spot, message, hint, severity="warning", path=view.path_in_config(view.data, path))
    elif what == "kind":
        message, hint = "a widget's data is an object, and this schema refuses one", "write 'type: object'"
        view.report("A416", spot, message, hint, severity="warning", path=view.path_in_config(view.data, path))
    else:
        view.report("A416", spot, found["message"], found.get("hint", ""), path=view.path_in_config(view.data, path))


def _sample_severity(view: View) -> Severity:
    # What only the editor's own sample shows does not stop the build.
    return "error" if view.is_ours else "warning"


def _sample_spot(view: View, path: KeyPath, *, at_key: bool = False) -> Spot:
    if not view.is_ours:
        return view.inner.document.key(("encodedWidget",))
    document = view.sample.document
    return document.key(path) if at_key else document.value(path)


def _report_sample(view: View, found: TrialFault) -> None:
    path, kind = tuple(found["path"]), found.get("kind")
    where = show_path(path) or "sample"
    message = f"{where!r}: {found['message']}"
    if kind == "missing":
        message, spot = f"the sample lacks {where!r}, which the data needs", _sample_spot(view, path[:-1])
    elif kind == "unknown":
        message = f"the data has no {where!r}"
        spot = _sample_spot(view, path, at_key=True)
    else:
        spot = _sample_spot(view, path)
    at = view.path_in_config(view.sample, path) if view.is_ours else ()
    view.report("A417", spot, message, found.get("hint", ""), severity=_sample_severity(view), path=at)


def _report_failed(view: View, found: TrialFault) -> None:
    part, path = _part_of(view, found)
    message = f"the sample does not work: {found['message']}"
    spot = _name_spot(part, path, found.get("name", "")) or _template_spot(view, part, path)
    view.report(
        "A418",
        spot,
        message,
        found.get("hint", ""),
        severity=_sample_severity(view),
        path=view.path_in_config(part, path),
    )


def _part_of(view: View, found: TrialFault) -> tuple[Part, KeyPath]:
    """Return where in the template, or in which other part, something went wrong."""
    if found["part"] == "copy_text":
        return view.copy_text, ()
    path = tuple(found["path"])
    if view.kind == "studio":
        # The skeleton has the places of what stands in the text.
        return (view.triggers[0], path) if view.triggers else (view.inner, ("template",))
    return view.inner, path


def _template_spot(view: View, part: Part, path: KeyPath) -> Spot:
    if view.kind == "studio" and not path and part is not view.copy_text:
        return view.inner.document.key(("template",))
    return part.document.value(path) if path or part is view.copy_text else part.document.key(path)


def _name_spot(part: Part, path: KeyPath, name: str) -> Spot | None:
    """Return where a template reads the name that is not in the data."""
    text = value_at(part.value, path)
    if not name or not isinstance(text, str):
        return None
    found = re.search(rf"\b{re.escape(name)}\b", text)
    if found is None:
        return None
    line, column = text.count("\n", 0, found.start()) + 1, found.start() - text.rfind("\n", 0, found.start())
    return part.document.inside(path, line, column), len(name)


def _report_component(view: View, found: TrialFault) -> None:
    """Report what the filled-in widget shows and its template did not: what the sample's data, or its text, made."""
    kind = found["kind"]
    fault = ComponentFault(
        tuple(found["path"]),
        found["message"],
        kind,  # type: ignore[arg-type]  # as it was written by the same code
        found["component"],
        found["meant"],
        tuple(found["field"]),
    )
    message, hint = describe_component(fault)
    if any(known.message == message for known in view.project.collector.diagnostics if known.code == _CODES[kind]):
        return
    spot = _literal(view, fault) or (
        _sample_spot(view, ()) if view.kind != "studio" or view.is_ours else view.inner.document.key(("template",))
    )
    message = f"with the sample, {message}" if view.is_ours else message
    view.report(_CODES[kind], spot, message, hint, severity=_sample_severity(view))


def _literal(view: View, fault: ComponentFault) -> Spot | None:
    """Return where a `.widget` file's text says what is wrong, if it says it once."""
    word = fault.component if fault.kind == "component" else fault.path[-1] if fault.path else ""
    text = view.inner.value.get("template") if view.kind == "studio" else None
    literal = f'"{word}"'
    if not isinstance(text, str) or not word or text.count(literal) != 1:
        return None
    index = text.index(literal)
    line, column = text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)
    return view.inner.document.inside(("template",), line, column), len(literal)


@dataclass(slots=True)
class _Broken:
    """One way in which data breaks a widget, and the fields that do."""

    found: TrialFault
    fields: list[KeyPath] = field(default_factory=list)


def _report_broken(view: View, broken: _Broken) -> None:
    found = broken.found
    part, path = _part_of(view, found)
    spot = _template_spot(view, part, path)
    if view.kind == "studio" and (named := _named_in_text(view, broken.fields[0])):
        spot = named
    message, hint = _say_broken(found, broken.fields)
    view.report("A420", spot, message, hint, severity="warning", path=view.path_in_config(part, path))


def _say_broken(found: TrialFault, fields: Sequence[KeyPath]) -> tuple[str, str]:
    what, why, hint = found["what"], found["message"], found.get("hint", "")
    if what == "plain":
        return f"with data that fits its schema, the widget can't be rendered: {why}", hint
    shown = ", ".join(repr(show_path(path)) for path in fields[:_FIELDS_SHOWN])
    more = f" and {len(fields) - _FIELDS_SHOWN} more" if len(fields) > _FIELDS_SHOWN else ""
    if found.get("kind") == "json":
        what = f"{shown}{more} left out" if what == "left out" else f"{what} in {shown}{more}"
        return f"{what} breaks the template's JSON", hint
    if what == "left out":
        guard = "let the template ask whether it is there, or make 'data' require it"
        return f"without {shown}{more}, the widget can't be rendered: {why}", guard
    guard = "let the template expect it, or let 'data' refuse it"
    return f"{what} in {shown}{more} breaks the widget: {why}", guard


def _named_in_text(view: View, path: KeyPath) -> Spot | None:
    name = next((step for step in path if isinstance(step, str)), "")
    text = view.inner.value.get("template", "")
    place = name_position(text, name) if name else (1, 1)
    return (view.inner.document.inside(("template",), *place), len(name)) if place != (1, 1) else None


def _report_too_much(view: View, result: TrialResult) -> None:
    spot = view.inner.document.key(("template",)) if view.kind == "studio" else view.inner.document.key(())
    severity: Severity = "error"
    message = _TOO_MUCH[result.reason]
    hint = "look for loops in loops and for large numbers" if result.reason in ("time", "memory", "output") else ""
    if result.reason in ("skipped", "crash"):
        severity = "note"
    elif result.stage == "adversarial" or result.reason == "refused":
        severity = "warning"
        message += " with data that its schema allows" if result.stage == "adversarial" else ""
    elif result.stage == "schema":
        spot, message = view.data.document.key(()), "holding data against this schema takes too long"
    view.report("A421", spot, message, hint, severity=severity)
