"""Try one widget: its schema, its sample, and data that it may be surprised by.

This runs in a process of its own (`sandbox`). What is found is plain JSON, since it crosses from a process that a
stranger's template has run in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Literal, TypedDict

from jsonschema import Draft202012Validator

from runtime.diagnostics.key_path import KeyPath
from runtime.errors import RuntimeFault
from runtime.json_schema.data import DataCheck, TreeError
from runtime.json_schema.samples import make_data
from runtime.templates.template import Template
from runtime.widgets.adversarial import (
    COMPUTED,
    EMPTY,
    MARK,
    PROBES,
    other_variants,
    text_fields,
    with_texts,
)
from runtime.widgets.component_checks import component_faults, root_problem, shape_problem
from runtime.widgets.forms import COPY_TEXT, Form, default_values, form_of, render_form
from runtime.widgets.studio import TOJSON_HINT, StudioTemplate
from runtime.widgets.tree import as_json, parse_text, render_text

MAX_OUTPUT = 1024 * 1024
_MOST_FAULTS = 20
_NO_JSON = "the template gives no JSON"
_KEYWORDS = frozenset(Draft202012Validator.VALIDATORS) | {
    *("title", "description", "default", "examples", "then", "else", "definitions", "dependencies", "format"),
    *("deprecated", "readOnly", "writeOnly", "contentMediaType", "contentEncoding", "contentSchema"),
    *("minContains", "maxContains"),
}


class TrialInput(TypedDict):
    """A widget to try: its template's file as JSON (None: drawn by Python), and what agents.yaml says beside it."""

    root: Any
    data: dict[str, Any] | None
    copy_text: str | None
    sample: dict[str, Any] | None


class TrialFault(TypedDict, total=False):
    """One thing that is wrong: `part` says of what, `path` where in it."""

    code: str
    part: str
    path: list[str | int]
    message: str
    hint: str
    field: list[str | int]
    what: str
    kind: str
    component: str
    meant: str | None


class LimitExceeded(RuntimeFault):
    """A widget needs more memory, or writes more output, than it may: `limit` says which."""

    def __init__(self, limit: Literal["memory", "output"]) -> None:
        self.limit = limit
        super().__init__(f"the widget exceeds its limit of {limit}")


Say = Callable[[str], None]


def try_widget(job: TrialInput, say: Say) -> Iterator[TrialFault]:
    """Yield what is wrong with a widget; `say` is told of each stage as it begins. Raises LimitExceeded."""
    form = None if job["root"] is None else form_of(job["root"])
    schema = job["data"] or (form.data if form else None)
    say("schema")
    try:
        check = DataCheck(schema) if schema else None
        yield from _strange_keywords(schema or {})
        sample = _sample_of(job, form)
        say("sample")
        wrong = _wrong_sample(check, sample)
    except TreeError as error:
        yield {"code": "A416", "part": "data", "path": list(error.path[1:]), "message": error.message}
        return
    yield from wrong
    if form is not None and not wrong:
        yield from _Trial(form, job, schema, check).run(sample, say)


def _sample_of(job: TrialInput, form: Form | None) -> dict[str, Any] | None:
    if job["sample"] is not None or form is None:
        return job["sample"]
    return form.tried if form.sample is None else form.sample


def _strange_keywords(schema: Mapping[str, Any]) -> Iterator[TrialFault]:
    kind = schema.get("type", "object")
    if kind != "object" and not (isinstance(kind, list) and "object" in kind):
        yield {"code": "A416", "part": "data", "path": ["type"], "kind": "warning", "what": "kind"}
    for key, value in schema.items():
        if key not in _KEYWORDS and not key.startswith(("$", "x-")) and isinstance(value, dict | str):
            yield {"code": "A416", "part": "data", "path": [key], "kind": "warning", "what": "keyword"}


def _wrong_sample(check: DataCheck | None, sample: dict[str, Any] | None) -> list[TrialFault]:
    if check is None or sample is None:
        return []
    return [
        {"code": "A417", "part": "sample", "path": list(fault.path), "message": fault.message, "kind": fault.kind}
        for fault in check.faults(as_json(sample, ("data",)))[:_MOST_FAULTS]
    ]


class _Trial:
    """A widget whose schema is one and whose sample fits it."""

    def __init__(self, form: Form, job: TrialInput, schema: dict[str, Any] | None, check: DataCheck | None) -> None:
        self.form, self.schema, self.check = form, schema, check
        self.absent = default_values(schema)
        copy_text = job["copy_text"] or form.copy_text
        self.copy: Template | None = None if copy_text is None else parse_text(copy_text, COPY_TEXT)

    def run(self, sample: dict[str, Any] | None, say: Say) -> Iterator[TrialFault]:
        self.compile()
        data = sample
        if sample is not None:
            try:
                tree = self.render(sample)
            except TreeError as error:
                yield self.failed("A418", error)
                return
            yield from _wrong_components(tree)
        else:
            say("data")
            if not self.schema:
                self.render_placeholders()
                return
            data = make_data(self.schema)
            if not isinstance(data, dict) or self.misfits(data):
                return
            try:
                self.render(data)
            except TreeError as error:
                yield self.failed("A420", error) | {"what": "plain", "field": []}
                return
        assert data is not None
        say("adversarial")
        try:
            yield from self.hostile(data)
        except RecursionError:
            # Only a schema that contains itself in all of its branches: nothing to be said of the widget.
            return

    def compile(self) -> None:
        """Compute what is constant in the templates, in branches that no data leads to as well."""
        try:
            self.form.template.compile()
            if self.copy is not None:
                self.copy.compile()
        except Exception as error:
            # What rendering comes to is told when it does.
            if _is_memory(error):
                raise LimitExceeded("memory") from error

    def render_placeholders(self) -> None:
        """Find a widget that takes too much whatever its data; nothing says what that is like. Raises LimitExceeded."""
        names = {} if isinstance(self.form.template, StudioTemplate) else self.form.template.names
        with suppress(TreeError):
            self.render(dict.fromkeys(names, "text"))

    def render(self, data: dict[str, Any]) -> Any:
        """Return the components for this data; raises TreeError, LimitExceeded."""
        try:
            if self.copy is not None:
                _measure(render_text(self.copy, {**self.absent, **data}, COPY_TEXT))
            tree = render_form(self.form, self.absent, data)
        except TreeError as error:
            if _is_memory(error):
                raise LimitExceeded("memory") from error
            raise
        if problem := root_problem(tree) or shape_problem(tree):
            raise TreeError((), problem)
        _measure(tree)
        return tree

    def failed(self, code: str, error: TreeError) -> TrialFault:
        part = "copy_text" if error.path == COPY_TEXT else "template"
        said, hint = error.message.removesuffix(f" ({TOJSON_HINT})"), ""
        if isinstance(self.form.template, StudioTemplate) and (said != error.message or said.startswith(_NO_JSON)):
            hint = TOJSON_HINT
        path = [] if part == "copy_text" else list(error.path)
        return {"code": code, "part": part, "path": path, "message": said, "hint": hint}

    def misfits(self, data: Any) -> list[KeyPath]:
        return self.check.misfits(data) if self.check else []

    def hostile(self, data: dict[str, Any]) -> Iterator[TrialFault]:
        fields = text_fields(data)
        whole = "".join(PROBES.values())
        for name, text in (("", whole), (EMPTY, "")):
            changed, held = with_texts(data, fields, text, self.misfits)
            # A text that must be short, say, may still hold one of them.
            breaks = self.problem(changed) is not None
            alone = [field for field in fields if breaks or field not in held]
            yield from self.guilty(data, alone, {name: text} if name else PROBES)
        for variant in other_variants(self.schema or {}, data) if self.schema else ():
            if not self.misfits(variant.data) and (error := self.problem(variant.data)):
                yield self.said(variant.what, variant.path, error)

    def guilty(self, data: dict[str, Any], fields: list[KeyPath], probes: Mapping[str, str]) -> Iterator[TrialFault]:
        """Find which field breaks the widget, and through what."""
        for field in fields:
            for name, text in probes.items():
                changed, held = with_texts(data, [field], text, self.misfits)
                if held and (error := self.problem(changed)):
                    yield self.said(name, field, error)
                    break

    def problem(self, data: dict[str, Any]) -> TreeError | None:
        """Return what this data breaks: the template itself, or the wall between data and structure."""
        try:
            tree = self.render(data)
        except TreeError as error:
            # Whoever gives no schema may be sure of what the texts are.
            breaks = TOJSON_HINT in error.message or error.message.startswith(_NO_JSON)
            return error if self.schema or breaks else None
        shown = json.dumps(tree, ensure_ascii=False)
        if MARK in shown and any(MARK in node for node in _objects(tree)):
            return TreeError((), "what stands in the data becomes a part of the widget")
        if COMPUTED in shown and COMPUTED not in json.dumps(data):
            return TreeError((), "what stands in the data is computed as a template")
        return None

    def said(self, what: str, field: KeyPath, error: TreeError) -> TrialFault:
        return self.failed("A420", error) | {"what": what, "field": list(field)}


def _wrong_components(tree: Any) -> Iterator[TrialFault]:
    shown = {key: value for key, value in tree.items() if value is not None}
    for fault in list(component_faults(shown))[:_MOST_FAULTS]:
        yield {
            "code": "components",
            "part": "result",
            "path": list(fault.path),
            "message": fault.message,
            "kind": fault.kind,
            "component": fault.component,
            "meant": fault.meant,
            "field": list(fault.part),
        }


def _objects(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        yield node
        for value in node.values():
            yield from _objects(value)
    elif isinstance(node, list):
        for item in node:
            yield from _objects(item)


def _measure(shown: Any) -> None:
    try:
        if len(json.dumps(shown)) > MAX_OUTPUT:
            raise LimitExceeded("output")
    except MemoryError as error:
        raise LimitExceeded("memory") from error


def _is_memory(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False
