"""The fields that templates read of `args`, `payload`, `output`, `data`, `context` and `state`.

A field that certainly does not exist is an error: the template fails each time. One that nothing declares, although it
may exist, is a warning if a declared one is almost the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runtime.config.check_templates import SCOPES, WrittenTemplate, find_templates, name_position
from runtime.config.model.agents import Output
from runtime.config.references import find_names, find_values, is_widget_file
from runtime.diagnostics.diagnostic import Severity
from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import CLOSE, nearest
from runtime.documents.json_text import line_and_column
from runtime.templates.template import Template, TemplateError, paths_read
from runtime.validation.checked_project import CheckedProject
from runtime.validation.shapes import (
    DATETIME,
    TEXT,
    UNKNOWN,
    Shape,
    shape_of_arguments,
    shape_of_names,
    shape_of_result,
    shape_of_schema,
)
from runtime.validation.single_braces import find_single_braces

Shapes = Mapping[str, Shape]
"""What is known of the names in scope of a template."""
_MANY = 12
_EVERYWHERE = SCOPES["agents.*.preface"]


def check_template_fields(project: CheckedProject) -> None:
    """Report fields that a template reads and its names do not have (A241)."""
    always = _of_project(project)
    for written, shapes in _templates(project):
        _check(project, written, {**always, **shapes})


def _of_project(project: CheckedProject) -> Shapes:
    config = project.config
    shapes = {"context": UNKNOWN} if config.context is None else {"context": shape_of_result(project, config.context)}
    shapes |= {"locale": TEXT, "now": DATETIME}
    if config.context_class is None and config.auth is None:
        shapes["user"] = Shape({"id": TEXT, "name": TEXT})
    objects = {name: shape_of_result(project, path) for name, path in _state(project)}
    # A name that `state` or `user` lacks is reported with agents.yaml itself.
    return {**shapes, "state": Shape(objects)} if objects else shapes


def _state(project: CheckedProject) -> Iterator[tuple[str, str]]:
    for path, key in find_names(project.config, "state.*", "state.*.python"):
        yield str(key[1]), path


def _templates(project: CheckedProject) -> Iterator[tuple[WrittenTemplate, Shapes]]:
    for name, tool in project.config.tools.items():
        shapes = {"args": shape_of_arguments(project, tool)}
        for field in ("progress", "steps", "needs_approval", "ask"):
            yield from _written(project, getattr(tool, field, None), ("tools", name, field), shapes)
    for name, action in project.config.actions.items():
        shapes = {"payload": shape_of_schema(action.payload)}
        for field in ("message", "data"):
            yield from _written(project, getattr(action, field, None), ("actions", name, field), shapes)
    for key, agent in project.config.agents.items():
        if agent.output is not None:
            shape = _of_output(project, agent.output)
            # The answer's fields are in scope, too, also those that are called `now` or `locale`.
            fields = dict.fromkeys(_EVERYWHERE, UNKNOWN) if shape == UNKNOWN else shape.fields
            shapes = {**fields, "output": shape}
            yield from _written(project, agent.output.template, ("agents", key, "output", "template"), shapes)
    if (mentions := project.config.chat.tags) is not None:
        data = [entity.data for entity in mentions.entities]
        is_known = not (mentions.python or mentions.search or mentions.lookup)
        shape = shape_of_names({name for each in data for name in each}, methods=frozenset(dir(dict)))
        yield from _written(project, mentions.text, ("chat", "tags", "text"), {"data": shape} if is_known else {})
    done = ("tools.*.progress", "tools.*.steps", "tools.*.needs_approval", "tools.*.ask", "actions.*", "chat.tags.text")
    for field in SCOPES:
        if not field.startswith(done):
            for value, path in find_values(project.config, field):
                yield from _written(project, value, path, {})


def _of_output(project: CheckedProject, output: Output) -> Shape:
    if output.schema_ is not None:
        return shape_of_schema(output.schema_)
    widget = output.widget
    if output.python is None and widget is not None and not is_widget_file(project.config, widget):
        return shape_of_schema(project.widget_schemas.get(widget))
    return UNKNOWN


def _written(
    project: CheckedProject, value: Any, path: KeyPath, shapes: Shapes
) -> Iterator[tuple[WrittenTemplate, Shapes]]:
    def read(name: str, at: KeyPath) -> str | None:
        text = project.files.read(name)
        return text if isinstance(text, str) else None

    for written in find_templates(value, path, read):
        yield written, shapes


def _check(project: CheckedProject, written: WrittenTemplate, shapes: Shapes) -> None:
    text = written.text
    _check_single_braces(project, written, shapes)
    names = [name for name, shape in shapes.items() if shape != UNKNOWN and name in text]
    if not names:
        return
    try:
        Template.parse(text)
        reads = paths_read(text)
    except (TemplateError, RecursionError):
        return  # reported with agents.yaml itself
    reported: set[tuple[str, ...]] = set()
    for read in sorted(reads):
        lack = shapes[read[0]].missing(read[1:]) if read[0] in names else None
        if lack is None or read[: lack[0] + 2] in reported:
            continue
        index, shape = lack
        reported.add(read[: index + 2])
        _report(project, written, read[: index + 2], shape)


def _check_single_braces(project: CheckedProject, written: WrittenTemplate, shapes: Shapes) -> None:
    """Report `{name}`, which other systems replace, and which is sent as it is here (A505)."""
    for found in find_single_braces(written.text):
        name = found.name
        read = next((f"{root}.{name}" for root, shape in shapes.items() if name in shape.fields), "")
        if not read and name.partition(".")[0] in {*shapes, *_EVERYWHERE}:
            read = name
        way_out = f"write {{{{ {read} }}}}" if read else "a template has two braces, as in {{ user.name }}"
        place = written.place(project.collector.filled, *line_and_column(written.text, found.offset))
        hint = f"{way_out}; put the braces between backticks if they are meant"
        project.collector.report("A505", written.path, found.message, hint, severity="warning", place=place)


def _report(project: CheckedProject, written: WrittenTemplate, read: tuple[str, ...], shape: Shape) -> None:
    severity: Severity = "error"
    if not shape.closed:
        if read[0] in ("state", "user") or nearest(read[-1], shape.fields, CLOSE) is None:
            return
        severity = "warning"
    path = ".".join(read)
    place = written.place(project.collector.filled, *name_position(written.text, path))
    near = nearest(read[-1], shape.fields)
    meant = f"did you mean {'.'.join((*read[:-1], near))!r}?" if near else ""
    hint = shape.note.get(read[-1]) or meant or _known(shape)
    if shape == DATETIME:
        near = nearest(read[-1], shape.methods, CLOSE)
        hint = f"did you mean {'.'.join((*read[:-1], near))!r}?" if near else 'as in {{ now.strftime("%A, %d %B") }}'
    if shape == TEXT:
        hint = f"it is a text; filters change it, as in {{{{ {'.'.join(read[:-1])} | upper }}}}"
    message = f"{path!r} is not defined in this template"
    project.collector.report("A241", written.path, message, hint, severity=severity, place=place)


def _known(shape: Shape) -> str:
    names = sorted(name for name in shape.fields if not name.startswith("_"))
    return f"defined here: {', '.join(names) or 'nothing'}" if len(names) <= _MANY else ""
