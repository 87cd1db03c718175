"""Try one widget in the child process of `sandbox`: its schema, its sample, and adversarial data."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypedDict

from jsonschema import Draft202012Validator

from runtime.diagnostics.key_path import KeyPath, iter_values, value_at
from runtime.errors import RuntimeFault
from runtime.json_schema.data import DataCheck, TreeError
from runtime.json_schema.samples import kinds_of, make_data, walk
from runtime.templates.template import Template
from runtime.widgets.component_checks import component_faults, page_components, root_problem, shape_problem
from runtime.widgets.forms import COPY_TEXT, Form, default_values, form_of, render_form
from runtime.widgets.studio import TOJSON_HINT, StudioTemplate
from runtime.widgets.tree import as_json, parse_text, render_text

MAX_OUTPUT = 1024 * 1024
_MAX_FAULTS = 20
_KEYWORDS = frozenset(Draft202012Validator.VALIDATORS) | {
    *("title", "description", "default", "examples", "then", "else", "definitions", "dependencies", "format"),
    *("deprecated", "readOnly", "writeOnly", "contentMediaType", "contentEncoding", "contentSchema"),
    *("minContains", "maxContains"),
}

MARKER_KEY = "zq7191"
"""A key that no widget has: a node that has it was made from data."""
COMPUTED = "62615533"
"""The result of the template in the data: it appears only if that template is rendered."""

PROBES: dict[str, str] = {
    "a quote": '"',
    "a backslash": "\\",
    "a line break": "a\nb\r\n\tc",
    "a Unicode line separator": "a\u2028b\u2029c\x85d",
    "a template": "{{ 7919 * 7907 }} {% raw %} {% for x in %} {# ",
    "HTML": "<script>alert('x')</script> &amp; <b>",
    "JSON": f'","{MARKER_KEY}":"',
    "an emoji": "\U0001f9d1\u200d\U0001f680 e\u0301",
    "a very long text": "a very long text " * 750,
}
EMPTY = "an empty text"
_MAX_FIELDS = 60
_MAX_EDGE_CASES = 120


class TrialInput(TypedDict):
    """A widget to try: the JSON of its template (None: a Python function renders it), and its entry in agents.yaml."""

    root: Any
    data: dict[str, Any] | None
    copy_text: str | None
    sample: dict[str, Any] | None


class TrialFault(TypedDict, total=False):
    """One fault of a widget, as JSON, at `path` in its `part`: the template, the data's schema, or the sample."""

    code: str
    part: str
    path: list[str | int]
    message: str
    hint: str
    field: list[str | int]
    what: str
    kind: str
    name: str
    component: dict[str, Any]


class LimitExceeded(RuntimeFault):
    """A widget needs more memory, or writes more output, than it may: `limit` says which."""

    def __init__(self, limit: Literal["memory", "output"]) -> None:
        self.limit = limit
        super().__init__(f"the widget exceeds its limit of {limit}")


ReportStage = Callable[[str], None]


def try_widget(widget: TrialInput, report_stage: ReportStage) -> Iterator[TrialFault]:
    """Yield the faults of a widget, and call `report_stage` as each stage begins; raises LimitExceeded."""
    form = None if widget["root"] is None else form_of(widget["root"])
    schema = widget["data"] or (form.data if form else None)
    report_stage("schema")
    try:
        check = DataCheck(schema) if schema else None
        yield from _suspicious_keywords(schema or {})
        sample = widget["sample"]
        if sample is None and form is not None:
            sample = form.tried if form.sample is None else form.sample
        report_stage("sample")
        misfits = _sample_faults(check, sample)
    except TreeError as error:
        yield _fault("A416", "data", error.path[1:], error.message, error.hint)
        return
    yield from misfits
    if form is not None and not misfits:
        yield from _Trial(form, widget, schema, check).run(sample, report_stage)


def _suspicious_keywords(schema: Mapping[str, Any]) -> Iterator[TrialFault]:
    kind = schema.get("type", "object")
    if kind != "object" and not (isinstance(kind, list) and "object" in kind):
        yield {"code": "A416", "part": "data", "path": ["type"], "what": "kind"}
    for key, value in schema.items():
        if key not in _KEYWORDS and not key.startswith(("$", "x-")) and isinstance(value, dict | str):
            yield {"code": "A416", "part": "data", "path": [key], "what": "keyword"}


def _sample_faults(check: DataCheck | None, sample: dict[str, Any] | None) -> list[TrialFault]:
    if check is None or sample is None:
        return []
    faults = check.faults(as_json(sample, ("data",)))[:_MAX_FAULTS]
    return [_fault("A417", "sample", each.path, each.message, each.hint) | {"kind": each.kind} for each in faults]


def _fault(code: str, part: str, path: KeyPath, message: str, hint: str) -> TrialFault:
    return {"code": code, "part": part, "path": list(path), "message": message, "hint": hint}


class _Trial:
    """Renders a widget whose schema is valid and whose sample matches it."""

    def __init__(self, form: Form, widget: TrialInput, schema: dict[str, Any] | None, check: DataCheck | None) -> None:
        self.form, self.schema, self.check = form, schema, check
        self.defaults = default_values(schema)
        copy_text = widget["copy_text"] or form.copy_text
        self.copy: Template | None = None if copy_text is None else parse_text(copy_text, COPY_TEXT)

    def run(self, sample: dict[str, Any] | None, report_stage: ReportStage) -> Iterator[TrialFault]:
        self.compile()
        data = sample
        if sample is not None:
            try:
                tree = self.render(sample)
            except TreeError as error:
                yield _template_fault("A418", error)
                return
            yield from _component_faults(tree)
        else:
            report_stage("data")
            if not self.schema:
                self.render_placeholders()
                return
            data = make_data(self.schema)
            if not isinstance(data, dict) or self.misfits(data):
                return
            try:
                self.render(data)
            except TreeError as error:
                yield _edge_fault("plain", (), error)
                return
        assert data is not None
        report_stage("adversarial")
        try:
            yield from self.adversarial_faults(data)
        except RecursionError:
            return  # the schema is infinitely recursive: no data matches it

    def compile(self) -> None:
        """Compile the templates, which computes their constants, also those in branches that no data reaches."""
        try:
            self.form.template.compile()
            if self.copy is not None:
                self.copy.compile()
        except Exception as error:
            # Rendering reports the other errors, where it reaches them.
            if _is_memory_error(error):
                raise LimitExceeded("memory") from error

    def render_placeholders(self) -> None:
        """Render with a placeholder for each name, since no schema describes the data; raises LimitExceeded."""
        names = {} if isinstance(self.form.template, StudioTemplate) else self.form.template.names
        with suppress(TreeError):
            self.render(dict.fromkeys(names, "text"))

    def render(self, data: dict[str, Any]) -> Any:
        """Return the components for this data; raises TreeError, LimitExceeded."""
        try:
            if self.copy is not None:
                _check_size(render_text(self.copy, {**self.defaults, **data}, COPY_TEXT))
            tree = render_form(self.form, self.defaults, data)
        except TreeError as error:
            if _is_memory_error(error):
                raise LimitExceeded("memory") from error
            raise
        if problem := root_problem(tree) or shape_problem(tree):
            raise TreeError((), problem)
        _check_size(tree)
        return tree

    def misfits(self, data: Any) -> list[KeyPath]:
        return self.check.misfits(data) if self.check else []

    def adversarial_faults(self, data: dict[str, Any]) -> Iterator[TrialFault]:
        fields = text_fields(data)
        whole = "".join(PROBES.values())
        for name, text in (("", whole), (EMPTY, "")):
            changed, replaced = replace_texts(data, fields, text, self.misfits)
            # A field too short for all probes together may still take one of them.
            breaks = self.find_break(changed) is not None
            alone = [field for field in fields if breaks or field not in replaced]
            yield from self.breaking_fields(data, alone, {name: text} if name else PROBES)
        for case in edge_cases(self.schema or {}, data) if self.schema else ():
            if not self.misfits(case.data) and (error := self.find_break(case.data)):
                yield _edge_fault(case.what, case.path, error)

    def breaking_fields(
        self, data: dict[str, Any], fields: list[KeyPath], probes: Mapping[str, str]
    ) -> Iterator[TrialFault]:
        """Yield a fault for each field in which one of the probes breaks the widget."""
        for field in fields:
            for name, text in probes.items():
                changed, replaced = replace_texts(data, [field], text, self.misfits)
                if replaced and (error := self.find_break(changed)):
                    yield _edge_fault(name, field, error)
                    break

    def find_break(self, data: dict[str, Any]) -> TreeError | None:
        """Return how this data breaks the widget: rendering fails, or data becomes structure or is computed."""
        try:
            tree = self.render(data)
        except TreeError as error:
            # Without a schema, the author may know that no such data comes.
            return error if self.schema or error.kind == "json" else None
        text = json.dumps(tree, ensure_ascii=False)
        if MARKER_KEY in text and any(MARKER_KEY in path for path, _ in iter_values(tree)):
            return TreeError((), "text of the data becomes a part of the widget")
        if COMPUTED in text and COMPUTED not in json.dumps(data):
            return TreeError((), "text of the data is rendered as a template")
        return None


def _template_fault(code: str, error: TreeError) -> TrialFault:
    part, path = ("copy_text", ()) if error.path == COPY_TEXT else ("template", error.path)
    hint = TOJSON_HINT if error.kind == "json" else error.hint
    name = error.got if error.kind == "name" else ""
    return _fault(code, part, path, error.message, hint) | {"kind": error.kind, "name": name}


def _edge_fault(what: str, field: KeyPath, error: TreeError) -> TrialFault:
    return _template_fault("A420", error) | {"what": what, "field": list(field)}


def _component_faults(tree: Any) -> Iterator[TrialFault]:
    present = {key: value for key, value in tree.items() if value is not None}
    for fault in list(component_faults(present))[:_MAX_FAULTS]:
        yield {"code": "components", "component": asdict(fault)}
    for kind in dict.fromkeys(kind for _, kind in page_components(tree)):
        yield {"code": "page component", "kind": kind}


def _check_size(value: Any) -> None:
    """Raise LimitExceeded for a value whose JSON is longer than 1 MiB."""
    try:
        if len(json.dumps(value)) > MAX_OUTPUT:
            raise LimitExceeded("output")
    except MemoryError as error:
        raise LimitExceeded("memory") from error


def _is_memory_error(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


# Adversarial data: what the schema of a widget allows and its author may not expect.


@dataclass(frozen=True, slots=True)
class EdgeCase:
    """Data with one change: `what` is the new value of the field at `path`, in words."""

    what: str
    path: KeyPath
    data: dict[str, Any]


def text_fields(data: Mapping[str, Any]) -> list[KeyPath]:
    """Return the paths of the first 60 texts in some data, in a list only those of the first item."""
    return [path for path, value in _leaves(data, ()) if isinstance(value, str)][:_MAX_FIELDS]


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value[:1]):
            yield from _leaves(item, (*path, index))
    else:
        yield path, value


def replace_texts(
    data: dict[str, Any], fields: list[KeyPath], text: str, find_misfits: Callable[[Any], list[KeyPath]]
) -> tuple[dict[str, Any], list[KeyPath]]:
    """Put a text into each field whose schema allows it, so that there are no misfits; return the data and fields."""
    replaced = fields
    for _ in range(2):
        changed = copy.deepcopy(data)
        for path in replaced:
            _set(changed, path, text)
        misfits = find_misfits(changed)
        if not misfits:
            return changed, replaced
        replaced = [path for path in replaced if not any(path[: len(misfit)] == misfit for misfit in misfits)]
    return data, []


def edge_cases(schema: Mapping[str, Any], data: dict[str, Any]) -> Iterator[EdgeCase]:
    """Yield the data with each of its parts as empty, as small, or as absent as the schema may allow."""
    for what, path, value in itertools.islice(_candidates(schema, data), _MAX_EDGE_CASES):
        changed = copy.deepcopy(data)
        if what == "left out":
            del value_at(changed, path[:-1])[path[-1]]
        else:
            _set(changed, path, value)
        yield EdgeCase(what, path, changed)


def _candidates(schema: Mapping[str, Any], data: dict[str, Any]) -> Iterator[tuple[str, KeyPath, Any]]:
    for path, node, value, is_optional in walk(schema, data):
        kinds = kinds_of(schema, node)
        if is_optional:
            yield "left out", path, None
        if "null" in kinds and value is not None:
            yield "null", path, None
        if isinstance(value, list) and value:
            yield "an empty list", path, []
        if isinstance(value, int | float) and not isinstance(value, bool) and kinds & {"integer", "number"}:
            yield "zero", path, 0
            yield "a negative number", path, -7
        if isinstance(value, bool) and "boolean" in kinds:
            yield str(not value).lower(), path, not value


def _set(data: Any, path: KeyPath, value: Any) -> None:
    value_at(data, path[:-1])[path[-1]] = value
