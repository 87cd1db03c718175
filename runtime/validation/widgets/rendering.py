"""The trial of the widgets, in a child process with limits: their schemas, their samples, and data that breaks them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from runtime.config.check_templates import name_position
from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath, show_path
from runtime.documents.json_text import line_and_column
from runtime.json_schema.misread import find_misread
from runtime.validation.widgets.checked_widget import CheckedWidget, Part, SourceRange
from runtime.validation.widgets.page_components import find_undeclared
from runtime.validation.widgets.templates import COMPONENT_CODES, describe_component, text_at
from runtime.widgets.component_checks import ComponentFault, page_components
from runtime.widgets.sandbox import TrialResult, try_widgets
from runtime.widgets.trial import TrialFault, TrialInput

_TOO_MUCH = {
    "time": "rendering this widget takes too long",
    "memory": "rendering this widget takes too much memory",
    "output": "this widget grows to more than 1 MiB",
    "refused": "the template accesses what the sandbox forbids",
    "crash": "the trial of this widget crashed",
    "skipped": "the trial of this widget is incomplete: the time limit was reached",
}
_FIELDS_SHOWN = 3


def check_rendering(widgets: Sequence[CheckedWidget]) -> None:
    """Try every widget and report the faults; of a broken one, only its schema and sample are tried."""
    ready = [widget for widget in widgets if _can_be_tried(widget) and _has_its_variables(widget)]
    if ready:
        for widget, result in zip(ready, try_widgets([_trial_input(widget) for widget in ready]), strict=True):
            _report(widget, result)


def _can_be_tried(widget: CheckedWidget) -> bool:
    if widget.is_unsatisfiable:
        return False
    if isinstance(widget.data.value, dict) and isinstance(widget.sample.value, dict | None):
        return True
    return widget.kind != "python" and not widget.is_broken


def _trial_input(widget: CheckedWidget) -> TrialInput:
    is_rendered = widget.kind != "python" and not widget.is_broken
    return TrialInput(
        root=widget.root if is_rendered else None,
        data=widget.data.value,
        copy_text=widget.copy_text.value if is_rendered else None,
        sample=widget.sample.value,
    )


def _has_its_variables(widget: CheckedWidget) -> bool:
    """Return whether no part of a widget contains a variable that is not set."""
    strings = widget.project.collector.filled.strings
    return not any(path[: len(widget.at)] == widget.at and not text.resolved for path, text in strings.items())


def _report(widget: CheckedWidget, result: TrialResult) -> None:
    # Each way in which data breaks the widget, with the fields that have that effect.
    broken: dict[tuple[str, str], tuple[TrialFault, list[KeyPath]]] = {}
    for fault in result.faults:
        match fault["code"]:
            case "A416":
                _report_schema(widget, fault)
            case "A417":
                _report_sample(widget, fault)
            case "A418":
                _report_failed(widget, fault)
            case "components":
                _report_component(widget, fault)
            case "page component":
                _report_page_component(widget, fault["kind"])
            case "A420":
                key = fault["what"], fault.get("hint", "") or fault["message"]
                broken.setdefault(key, (fault, []))[1].append(tuple(fault["field"]))
    for fault, fields in broken.values():
        _report_broken(widget, fault, fields)
    if result.reason:
        _report_too_much(widget, result)


def _report_schema(widget: CheckedWidget, fault: TrialFault) -> None:
    path = tuple(fault["path"])
    if fault.get("what") == "keyword" and any(each.path in ((), path) for each in find_misread(widget.data.value)):
        return  # reported with a hint, where all schemas are checked
    document = widget.data.document
    severity: Severity = "warning" if fault.get("what") else "error"
    source_range = document.value(path)
    message, hint = fault.get("message", ""), fault.get("hint", "")
    if fault.get("what") == "keyword":
        source_range = document.key(path)
        message = f"{path[-1]!r} is no keyword of JSON Schema, so it has no effect"
        hint = "declare fields of the data under 'properties'"
    elif fault.get("what") == "kind":
        message, hint = "a widget's data is an object, which this schema rejects", "write 'type: object'"
    widget.report("A416", source_range, message, hint, severity=severity, part=widget.data, path=path)


def _sample_severity(widget: CheckedWidget) -> Severity:
    # A fault that only the editor's sample has does not fail the build.
    return "error" if widget.has_own_sample else "warning"


def _sample_spot(widget: CheckedWidget, path: KeyPath, *, at_key: bool = False) -> SourceRange:
    if not widget.has_own_sample:
        return widget.inner.document.key(("encodedWidget",))
    document = widget.sample.document
    return document.key(path) if at_key else document.value(path)


def _report_sample(widget: CheckedWidget, fault: TrialFault) -> None:
    path, kind = tuple(fault["path"]), fault.get("kind")
    where = show_path(path) or "sample"
    message = f"{where!r}: {fault['message']}"
    if kind == "missing":
        message = f"the sample lacks {where!r}, which the schema requires"
        source_range = _sample_spot(widget, path[:-1])
    elif kind == "unknown":
        message = f"the data has no {where!r}"
        source_range = _sample_spot(widget, path, at_key=True)
    else:
        source_range = _sample_spot(widget, path)
    hint, severity = fault.get("hint", ""), _sample_severity(widget)
    part = widget.sample if widget.has_own_sample else None
    widget.report("A417", source_range, message, hint, severity=severity, part=part, path=path)


def _report_failed(widget: CheckedWidget, fault: TrialFault) -> None:
    part, path = _part_of(widget, fault)
    message = f"the sample does not work: {fault['message']}"
    source_range = _name_spot(part, path, fault.get("name", "")) or _template_spot(widget, part, path)
    hint, severity = fault.get("hint", ""), _sample_severity(widget)
    widget.report("A418", source_range, message, hint, severity=severity, part=part, path=path)


def _part_of(widget: CheckedWidget, fault: TrialFault) -> tuple[Part, KeyPath]:
    if fault["part"] == "copy_text":
        return widget.copy_text, ()
    path = tuple(fault["path"])
    if widget.kind == "studio":
        # The component tree has the positions in the text.
        return (widget.trees[0], path) if widget.trees else (widget.inner, ("template",))
    return widget.inner, path


def _template_spot(widget: CheckedWidget, part: Part, path: KeyPath) -> SourceRange:
    if widget.kind == "studio" and not path and part is not widget.copy_text:
        return widget.inner.document.key(("template",))
    return part.document.value(path) if path or part is widget.copy_text else part.document.key(path)


def _name_spot(part: Part, path: KeyPath, name: str) -> SourceRange | None:
    """Return where a template reads the name that is not in the data."""
    text = text_at(part, path)
    match = re.search(rf"\b{re.escape(name)}\b", text) if name else None
    if match is None:
        return None
    return part.document.inside(path, *line_and_column(text, match.start())), len(name)


def _report_component(widget: CheckedWidget, fault: TrialFault) -> None:
    """Report a component fault of the rendered widget that its template does not have."""
    values = fault["component"]
    # JSON has lists in place of tuples.
    component_fault = ComponentFault(**{**values, "path": tuple(values["path"]), "part": tuple(values["part"])})
    code = COMPONENT_CODES[component_fault.kind]
    message, hint = describe_component(widget.project, component_fault)
    if any(known.code == code and known.message == message for known in widget.project.collector.diagnostics):
        return
    word = component_fault.component if component_fault.kind == "component" else (component_fault.path or ("",))[-1]
    source_range = _literal(widget, word)
    if source_range is None and widget.kind == "studio" and not widget.has_own_sample:
        source_range = widget.inner.document.key(("template",))
    message = f"with the sample, {message}" if widget.has_own_sample else message
    widget.report(code, source_range or _sample_spot(widget, ()), message, hint, severity=_sample_severity(widget))


def _report_page_component(widget: CheckedWidget, kind: str) -> None:
    """Report a component of the page's own that is not declared and whose type the template computes."""
    literals = [name for part in widget.trees for _, name in page_components(part.value)]
    wrong = None if kind in literals else find_undeclared(widget.project, kind)
    if wrong is not None:
        source_range = _literal(widget, kind) or _sample_spot(widget, ())
        widget.report("A412", source_range, f"with the sample, {wrong.message}", wrong.hint, severity=wrong.severity)


def _literal(widget: CheckedWidget, word: str | int) -> SourceRange | None:
    """Return the range of the wrong word in the text of a `.widget` file, if it occurs once."""
    text = widget.inner.value.get("template") if widget.kind == "studio" else None
    literal = f'"{word}"'
    if not isinstance(text, str) or not word or text.count(literal) != 1:
        return None
    position = line_and_column(text, text.index(literal))
    return widget.inner.document.inside(("template",), *position), len(literal)


def _report_broken(widget: CheckedWidget, fault: TrialFault, fields: Sequence[KeyPath]) -> None:
    part, path = _part_of(widget, fault)
    source_range = _template_spot(widget, part, path)
    if widget.kind == "studio" and (named := _named_in_text(widget, fields[0])):
        source_range = named
    message, hint = _broken_message(fault, fields)
    widget.report("A420", source_range, message, hint, severity="warning", part=part, path=path)


def _broken_message(fault: TrialFault, fields: Sequence[KeyPath]) -> tuple[str, str]:
    what, why, hint = fault["what"], fault["message"], fault.get("hint", "")
    if what == "plain":
        return f"with data that fits its schema, the widget can't be rendered: {why}", hint
    shown = ", ".join(repr(show_path(path)) for path in fields[:_FIELDS_SHOWN])
    more = f" and {len(fields) - _FIELDS_SHOWN} more" if len(fields) > _FIELDS_SHOWN else ""
    if fault.get("kind") == "json":
        what = f"{shown}{more} left out" if what == "left out" else f"{what} in {shown}{more}"
        return f"{what} breaks the template's JSON", hint
    if what == "left out":
        guard = "test in the template whether it is defined, or require it in 'data'"
        return f"without {shown}{more}, the widget can't be rendered: {why}", guard
    guard = "handle it in the template, or exclude it in 'data'"
    return f"{what} in {shown}{more} breaks the widget: {why}", guard


def _named_in_text(widget: CheckedWidget, path: KeyPath) -> SourceRange | None:
    name = next((step for step in path if isinstance(step, str)), "")
    text = widget.inner.value.get("template", "")
    place = name_position(text, name) if name else (1, 1)
    return (widget.inner.document.inside(("template",), *place), len(name)) if place != (1, 1) else None


def _report_too_much(widget: CheckedWidget, result: TrialResult) -> None:
    source_range = widget.inner.document.key(("template",) if widget.kind == "studio" else ())
    severity: Severity = "error"
    message = _TOO_MUCH[result.reason]
    hint = "look for nested loops and large numbers" if result.reason in ("time", "memory", "output") else ""
    if result.reason in ("skipped", "crash"):
        severity = "note"
    elif result.stage == "adversarial" or result.reason == "refused":
        severity = "warning"
        message += " with data that its schema allows" if result.stage == "adversarial" else ""
    elif result.stage == "schema":
        source_range, message = widget.data.document.key(()), "validating data against this schema takes too long"
    widget.report("A421", source_range, message, hint, severity=severity)
