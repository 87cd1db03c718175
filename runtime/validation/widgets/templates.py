"""Checks of a widget's template that do not render it: syntax, components, and the names that it reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from runtime.config.check_templates import name_position
from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath, iter_values, show_path, value_at
from runtime.diagnostics.wording import suggest
from runtime.documents.json_text import line_and_column
from runtime.json_schema.checks import find_unsatisfiable
from runtime.json_schema.data import TreeError
from runtime.templates.template import TemplateError
from runtime.validation.checked_project import CheckedProject
from runtime.validation.single_braces import find_single_braces
from runtime.validation.widgets.checked_widget import CheckedWidget, ConfigDocument, JsonDocument, Part, report_shape
from runtime.validation.widgets.page_components import find_undeclared, nearest_component
from runtime.validation.widgets.triggers import is_for_server
from runtime.widgets.component_checks import ComponentFault, certain_faults, component_faults, page_components
from runtime.widgets.forms import is_closed, undeclared_names
from runtime.widgets.sections import SectionsTemplate, read_sections, sections_faults
from runtime.widgets.tree import TreeTemplate, parse_text

Names = dict[str, tuple[Part, KeyPath]]


def check_template(widget: CheckedWidget) -> None:
    """Report faults of a widget's template (A410 to A416, A419); most of them set `is_broken`."""
    names: Names = {}
    _check_data(widget)
    is_checked = not widget.is_broken and widget.kind != "python"
    if is_checked:
        _CHECKS[widget.kind](widget, names)
    _check_copy(widget, names)
    if is_checked:
        _check_names(widget, names)
        _check_single_braces(widget)


def _check_data(widget: CheckedWidget) -> None:
    """Report a schema that no data matches: it requires what it forbids (A416)."""
    for problem in find_unsatisfiable(widget.data.value):
        source_range = widget.data.document.value(problem.path)
        message, hint, path = problem.message, problem.hint, problem.path
        widget.report("A416", source_range, message, hint, severity=problem.severity, part=widget.data, path=path)
        widget.is_unsatisfiable |= problem.is_certain


def _check_tree(widget: CheckedWidget, names: Names) -> None:
    faults: list[TreeError] = []
    template = TreeTemplate(widget.inner.value, (), faults)
    for fault in faults:
        _report_fault(widget, widget.inner, fault)
    for wrong in component_faults(widget.inner.value, templated=True):
        _report_component(widget, widget.inner, wrong, "error")
        widget.is_broken = True
    _check_page_components(widget, widget.inner)
    names |= {name: (widget.inner, path) for name, path in template.names.items()}
    widget.loop_names = frozenset(template.bound)
    widget.trees.append(widget.inner)


def _check_sections(widget: CheckedWidget, names: Names) -> None:
    document = widget.inner.document
    # Loading checks an entry of agents.yaml.
    is_entry = isinstance(document, ConfigDocument) and document.at == widget.at
    for wrong in () if is_entry else sections_faults(widget.inner.value):
        message = f"{wrong.kind} key {wrong.path[-1]!r}" if wrong.kind != "value" else wrong.message
        report_shape(widget, widget.inner, TreeError(wrong.path, message, hint=wrong.hint, kind=wrong.kind))
        widget.is_broken = True
    if widget.is_broken:
        return
    faults: list[TreeError] = []
    template = SectionsTemplate(read_sections(widget.inner.value), faults)
    for fault in faults:
        _report_fault(widget, widget.inner, fault)
    names |= {name: (widget.inner, path) for name, path in template.names.items()}


def _check_studio(widget: CheckedWidget, _: Names) -> None:
    # These import Jinja2.
    from runtime.widgets.structure import read_structure
    from runtime.widgets.studio import read_studio

    try:
        read_studio(widget.inner.value)
    except TreeError as fault:
        widget.is_broken = True
        if fault.line:
            place = widget.inner.document.inside(("template",), fault.line, fault.column)
            widget.report("A410", (place, 1), f"the template can't be read: {fault.message}")
        else:
            report_shape(widget, widget.inner, fault)
        return
    text = widget.inner.value["template"]
    structure = read_structure(text)
    if structure is not None:
        to_place = partial(widget.inner.document.inside, ("template",))
        part = Part(structure.tree, JsonDocument(structure.places, to_place))
        widget.trees.append(part)
        widget.open_ranges = structure.open
        _check_structure(widget, part)
    _check_studio_names(widget, text)


_CHECKS: Mapping[str, Callable[[CheckedWidget, Names], None]] = {
    "tree": _check_tree,
    "sections": _check_sections,
    "studio": _check_studio,
}


def _check_structure(widget: CheckedWidget, part: Part) -> None:
    refused = {(fault.kind, fault.path): fault for fault in certain_faults(part.value)}
    faults = {(fault.kind, fault.path): fault for fault in component_faults(part.value, templated=True)}
    for key, wrong in (refused | faults).items():
        # ChatKit Studio may know newer components: only a sample of the project's own must render.
        is_certain = widget.has_own_sample or key in refused or _lacks_action_type(part.value, wrong.path)
        _report_component(widget, part, wrong, "error" if is_certain else "warning")
    _check_page_components(widget, part)
    widget.is_broken |= bool(refused)


def _check_page_components(widget: CheckedWidget, part: Part) -> None:
    for path, kind in page_components(part.value):
        if (wrong := find_undeclared(widget.project, kind)) is not None:
            at = part.document.value(path)
            widget.report("A412", at, wrong.message, wrong.hint, severity=wrong.severity, part=part, path=path)


def _lacks_action_type(tree: Any, path: KeyPath) -> bool:
    """Return whether the fault leaves an action without its type, which the server rejects: missing, or misspelt."""
    actions = ((at, _value_or_none(tree, at)) for at in (path, path[:-1]))
    return any(is_for_server(at, action) and not isinstance(action.get("type"), str) for at, action in actions)


def _check_studio_names(widget: CheckedWidget, text: str) -> None:
    from runtime.templates.reads import strict_reads
    from runtime.widgets.structure import required_names

    unknown = _undeclared(required_names(text), widget)
    needed = {read[0] for read in strict_reads(text)} if unknown and is_closed(widget.data.value) else set()
    for name in unknown:
        severity: Severity = "error" if name in needed else "warning"
        place = widget.inner.document.inside(("template",), *name_position(text, name))
        widget.report("A419", (place, len(name)), *_unknown(name, widget.data.value), severity=severity)
        # With a sample, the trial reports other faults.
        widget.is_broken |= severity == "error" or widget.sample.value is None


def _undeclared(names: Iterable[str], widget: CheckedWidget) -> list[str]:
    """Return the names that the data lacks, except those that an unsatisfiable schema requires."""
    schema = widget.data.value
    required = schema.get("required", ()) if widget.is_unsatisfiable else ()
    return [name for name in undeclared_names(names, schema) if name not in required]


def _check_copy(widget: CheckedWidget, names: Names) -> None:
    text = widget.copy_text.value
    if not isinstance(text, str):
        return
    try:
        template = parse_text(text, ())
    except TreeError as error:
        _report_fault(widget, widget.copy_text, error)
        return
    for name in template.names:
        names.setdefault(name, (widget.copy_text, ()))


def _report_fault(widget: CheckedWidget, part: Part, fault: TreeError) -> None:
    widget.is_broken = True
    document, path, message = part.document, fault.path, fault.message
    cause = fault.__cause__
    if fault.line and isinstance(cause, TemplateError):
        source_range = document.inside(path, fault.line, fault.column), 1
        message = f"the template can't be read: {cause.message}"
    elif fault.kind == "missing":
        source_range = document.value(path[:-1])
    else:
        source_range = document.key(path) if fault.kind == "unknown" else document.value(path)
    widget.report("A410", source_range, message, fault.hint, part=part, path=path)


COMPONENT_CODES = {"component": "A412", "property": "A413", "value": "A414", "missing": "A415"}


def _report_component(widget: CheckedWidget, part: Part, fault: ComponentFault, severity: Severity) -> None:
    document, path = part.document, fault.path
    source_range = document.value(path)
    if fault.kind == "property":
        source_range = document.key(path)
    elif fault.kind == "missing" and fault.part:
        source_range = document.value(path[:-1])
    message, hint = describe_component(widget.project, fault)
    widget.report(COMPONENT_CODES[fault.kind], source_range, message, hint, severity=severity, part=part, path=path)


def describe_component(project: CheckedProject, fault: ComponentFault) -> tuple[str, str]:
    """Return a message and a hint for a fault of a component."""
    declared = nearest_component(project, fault.component) if fault.kind == "component" else None
    near = f"did you mean {meant!r}?" if (meant := declared or fault.meant) else ""
    inside = show_path(fault.part)
    match fault.kind:
        case "component" if fault.component:
            return f"there is no component {fault.component!r}", near
        case "property":
            return f"{fault.component!r} has no property {inside!r}", near
        case "missing" if inside:
            return f"{fault.component!r} needs {inside!r}", ""
        case "missing":
            return "a component needs 'type'", ""
        case "value" if inside:
            return f"{inside!r} of {fault.component!r}: {fault.message}", near
    return fault.message, near


def _check_names(widget: CheckedWidget, names: Names) -> None:
    """Report names that the data lacks (A419): an error if the schema allows no others, as in the build."""
    severity: Severity = "error" if is_closed(widget.data.value) else "warning"
    for name in _undeclared(names, widget):
        part, path = names[name]
        text = text_at(part, path)
        place = part.document.inside(path, *_position(text, name)) if text else None
        source_range = (place, len(name)) if place else part.document.value(path)
        message = _unknown(name, widget.data.value, widget.loop_names)
        widget.report("A419", source_range, *message, severity=severity, part=part, path=path)
        # With a sample, the trial reports other faults.
        widget.is_broken |= severity == "error" or widget.sample.value is None


def _check_single_braces(widget: CheckedWidget) -> None:
    """Report `{name}` in a text, where the data has this name (A505): other names may be meant as they are."""
    schema = widget.data.value
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    known = {*widget.loop_names, *(properties if isinstance(properties, Mapping) else ())}
    inner = widget.inner
    texts = [(inner, path, text) for path, text in iter_values(inner.value) if widget.kind != "studio"]
    if widget.kind == "studio":
        texts = [(inner, ("template",), inner.value["template"])]
    for part, path, text in (*texts, (widget.copy_text, (), widget.copy_text.value)):
        for found in find_single_braces(text) if isinstance(text, str) else ():
            if found.name.partition(".")[0] in known:
                place = part.document.inside(path, *line_and_column(text, found.offset))
                source_range, hint = (place, len(found.written)), f"write {{{{ {found.name} }}}}"
                widget.report("A505", source_range, found.message, hint, severity="warning", part=part, path=path)


def _unknown(name: str, schema: Mapping[str, Any], bound: frozenset[str] = frozenset()) -> tuple[str, str]:
    known = schema.get("properties", {})
    listed = ", ".join(sorted(known)) or "nothing"
    near = suggest(name, (*bound, *known))
    return f"{name!r} is not in the widget's data", near or f"its data has: {listed}"


def _position(text: str, name: str) -> tuple[int, int]:
    if "{{" in text or "{%" in text:
        return name_position(text, name)
    # The expression of a directive has no braces.
    match = re.search(rf"(?<![\w.]){re.escape(name)}\b", text)
    return 1, match.start() + 1 if match else 1


def text_at(part: Part, path: KeyPath) -> str:
    """Return the text at a path; empty if there is none."""
    text = _value_or_none(part.value, path)
    return text if isinstance(text, str) else ""


def _value_or_none(value: Any, path: KeyPath) -> Any:
    try:
        return value_at(value, path)
    except (LookupError, TypeError):
        return None
