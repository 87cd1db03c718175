"""What a widget's template shows without being filled in: its syntax, its components, and the names that it reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from runtime.config.check_templates import name_position
from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath, show_path
from runtime.diagnostics.wording import suggest
from runtime.json_schema.checks import find_unsatisfiable
from runtime.json_schema.data import TreeError
from runtime.templates.template import TemplateError
from runtime.validation.widgets.clicks import is_for_server
from runtime.validation.widgets.places import ConfigDocument, TextDocument
from runtime.validation.widgets.views import Part, View, report_shape
from runtime.widgets.component_checks import ComponentFault, certain_faults, component_faults
from runtime.widgets.forms import COPY_TEXT, is_closed, undeclared_names
from runtime.widgets.sections import SectionsTemplate, read_sections, sections_faults
from runtime.widgets.tree import TreeTemplate, parse_text

Names = dict[str, tuple[Part, KeyPath]]


def check_template(view: View) -> None:
    """Report what is wrong with the template of a widget (A410 to A415, A419); most of it makes the widget `broken`."""
    names: Names = {}
    _check_data(view)
    if view.broken or view.kind == "python":
        check_copy(view, names)
        return
    match view.kind:
        case "tree":
            _check_tree(view, names)
        case "sections":
            _check_sections(view, names)
        case "studio":
            _check_studio(view)
    check_copy(view, names)
    _check_names(view, names)


def _check_data(view: View) -> None:
    """Report a schema that nothing can fit: what it requires is what it refuses."""
    for wrong in find_unsatisfiable(view.data.value):
        spot, at = view.data.document.value(wrong.path), view.path_in_config(view.data, wrong.path)
        view.report("A416", spot, wrong.message, wrong.hint, severity=wrong.severity, path=at)
        view.hopeless |= wrong.is_certain


def _check_tree(view: View, names: Names) -> None:
    faults: list[TreeError] = []
    template = TreeTemplate(view.inner.value, (), faults)
    for fault in faults:
        report_fault(view, view.inner, fault)
    for wrong in component_faults(view.inner.value, templated=True):
        report_component(view, view.inner, wrong, "error")
        view.broken = True
    names |= {name: (view.inner, path) for name, path in template.names.items()}
    view.bound = frozenset(template.bound)
    view.triggers.append(view.inner)


def _check_sections(view: View, names: Names) -> None:
    document = view.inner.document
    # An entry of agents.yaml has been held against this when it was loaded.
    is_entry = isinstance(document, ConfigDocument) and document.at == view.at
    for wrong in () if is_entry else sections_faults(view.inner.value):
        message = f"{wrong.kind} key {wrong.path[-1]!r}" if wrong.kind != "value" else wrong.message
        report_shape(view, view.inner, TreeError(wrong.path, message, hint=wrong.hint, kind=wrong.kind))
        view.broken = True
    if view.broken:
        return
    faults: list[TreeError] = []
    template = SectionsTemplate(read_sections(view.inner.value), faults)
    for fault in faults:
        report_fault(view, view.inner, fault)
    names |= {name: (view.inner, path) for name, path in template.names.items()}


def _check_studio(view: View) -> None:
    # Only what is a template at all needs Jinja2's own grammar.
    from runtime.widgets.structure import read_structure
    from runtime.widgets.studio import read_studio

    try:
        read_studio(view.inner.value)
    except TreeError as fault:
        view.broken = True
        if fault.line:
            place = view.inner.document.inside(("template",), fault.line, fault.column)
            view.report("A410", (place, 1), f"the template can't be read: {fault.message}")
        else:
            report_shape(view, view.inner, fault)
        return
    text = view.inner.value["template"]
    skeleton = read_structure(text)
    if skeleton is not None:
        part = Part(skeleton.tree, TextDocument(view.inner.document, ("template",), skeleton.places))
        view.triggers.append(part)
        view.open = skeleton.open
        _check_skeleton(view, part)
    _check_studio_names(view, text)


def _check_skeleton(view: View, part: Part) -> None:
    refused = {(fault.kind, fault.path): fault for fault in certain_faults(part.value)}
    faults = {(fault.kind, fault.path): fault for fault in component_faults(part.value, templated=True)}
    for key, wrong in (refused | faults).items():
        # ChatKit Studio may know newer components: only a sample of the project's own must come out right.
        is_certain = view.is_ours or key in refused or _is_dead_click(part.value, wrong.path)
        report_component(view, part, wrong, "error" if is_certain else "warning")
    view.broken |= bool(refused)


def _is_dead_click(tree: Any, path: KeyPath) -> bool:
    """Tell whether what is wrong is that a click says nothing of which action it is, so that the server refuses it."""
    at = path[:-1] if path[-1:] == ("type",) else path
    action = value_at(tree, at)
    return is_for_server(at, action) and not isinstance(action.get("type"), str)


def _check_studio_names(view: View, text: str) -> None:
    from runtime.widgets.structure import required_names

    unknown = _undeclared(required_names(text), view)
    needed = _needed_whatever_comes(text) if unknown and is_closed(view.data.value) else frozenset()
    for name in unknown:
        severity: Severity = "error" if name in needed else "warning"
        place = view.inner.document.inside(("template",), *name_position(text, name))
        view.report("A419", (place, len(name)), *_unknown(name, view.data.value), severity=severity)
        # With a sample, what else goes wrong is another matter.
        view.broken |= severity == "error" or view.sample.value is None


def _needed_whatever_comes(text: str) -> frozenset[str]:
    from runtime.templates.reads import strict_reads

    return frozenset(read[0] for read in strict_reads(text))


def _undeclared(names: Iterable[str], view: View) -> list[str]:
    """Return the names that the data doesn't have; a schema that requires more than it allows has been told of."""
    schema = view.data.value
    required = schema.get("required", ()) if view.hopeless else ()
    return [name for name in undeclared_names(names, schema) if name not in required]


def check_copy(view: View, names: Names) -> None:
    """Report a `copy_text` that is no template; take note of its names."""
    text = view.copy_text.value
    if not isinstance(text, str):
        return
    try:
        template = parse_text(text, COPY_TEXT)
    except TreeError as error:
        report_fault(view, view.copy_text, TreeError((), error.message, error.line, error.column), error)
        return
    for name in template.names:
        names.setdefault(name, (view.copy_text, ()))


def report_fault(view: View, part: Part, fault: TreeError, origin: TreeError | None = None) -> None:
    """Report a template that can't be parsed, at the place in its text."""
    view.broken = True
    document, path, message = part.document, fault.path, fault.message
    cause = (origin or fault).__cause__
    if fault.line and isinstance(cause, TemplateError):
        spot = document.inside(path, fault.line, fault.column), 1
        message = f"the template can't be read: {cause.message}"
    elif fault.kind == "missing":
        spot = document.value(path[:-1])
    else:
        spot = document.key(path) if fault.kind == "unknown" else document.value(path)
    view.report("A410", spot, message, fault.hint, path=view.path_in_config(part, path))


_CODES = {"component": "A412", "property": "A413", "value": "A414", "missing": "A415"}


def report_component(view: View, part: Part, fault: ComponentFault, severity: Severity) -> None:
    """Report what a component doesn't know, refuses or needs, at the key or value itself."""
    document, path = part.document, fault.path
    spot = document.value(path)
    if fault.kind == "property":
        spot = document.key(path)
    elif fault.kind == "missing" and fault.part:
        spot = document.value(path[:-1])
    message = describe_component(fault)
    view.report(_CODES[fault.kind], spot, *message, severity=severity, path=view.path_in_config(part, path))


def describe_component(fault: ComponentFault) -> tuple[str, str]:
    """Say what is wrong with a component when its place is known: a message and a hint."""
    near = f"did you mean {fault.meant!r}?" if fault.meant else ""
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


def _check_names(view: View, names: Names) -> None:
    """Report names that the data does not have; a mistake where it can't have them, as the build says."""
    severity: Severity = "error" if is_closed(view.data.value) else "warning"
    for name in _undeclared(names, view):
        part, path = names[name]
        text = value_at(part.value, path)
        place = part.document.inside(path, *_position(text, name)) if isinstance(text, str) else None
        spot = (place, len(name)) if place else part.document.value(path)
        message = _unknown(name, view.data.value, view.bound)
        view.report("A419", spot, *message, severity=severity, path=view.path_in_config(part, path))
        # With a sample, what else goes wrong is another matter.
        view.broken |= severity == "error" or view.sample.value is None


def _unknown(name: str, schema: Mapping[str, Any], bound: frozenset[str] = frozenset()) -> tuple[str, str]:
    known = schema.get("properties", {})
    listed = ", ".join(sorted(known)) or "nothing"
    near = suggest(name, (*bound, *known))
    return f"{name!r} is not in the widget's data", near or f"its data has: {listed}"


def _position(text: str, name: str) -> tuple[int, int]:
    if "{{" in text or "{%" in text:
        return name_position(text, name)
    # An expression of a directive stands without braces.
    found = re.search(rf"(?<![\w.]){re.escape(name)}\b", text)
    return 1, found.start() + 1 if found else 1


def value_at(value: Any, path: KeyPath) -> Any:
    """Return what stands at a path; None where it is not there."""
    for step in path:
        try:
            value = value[step]
        except (LookupError, TypeError):
            return None
    return value
