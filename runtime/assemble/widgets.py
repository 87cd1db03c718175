"""The `widgets` section -> renderers that turn data into the component tree that a ChatKit client shows.

A widget is parsed and checked once. Each rendering validates the data against the widget's JSON Schema, and the result
against ChatKit's root models, for every kind of widget.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chatkit.types import ThreadItem, ThreadItemAddedEvent, ThreadItemDoneEvent, ThreadStreamEvent, WidgetItem
from chatkit.widgets import DynamicWidgetRoot, WidgetComponentBase, WidgetRoot
from pydantic import BaseModel, ValidationError

from runtime.assemble.problems import AlreadyReported, BuildError, Problems
from runtime.config.model import Config
from runtime.config.model.widgets import PythonWidget, SectionsWidget, TemplateWidget, Widget
from runtime.config.project_files import ProjectFiles
from runtime.json_schema.data import DataCheck, TreeError, show_value
from runtime.project_code.loader import ProjectCode
from runtime.resources.containment import reason_of
from runtime.templates.template import Template
from runtime.widgets.component_checks import check_components, root_problem, shape_problem
from runtime.widgets.components import roots
from runtime.widgets.final_tree import read_tree
from runtime.widgets.forms import (
    COPY_TEXT,
    Form,
    default_values,
    is_closed,
    read_form,
    render_form,
    sections_form,
    undeclared_name_errors,
)
from runtime.widgets.studio import TOJSON_HINT, StudioTemplate
from runtime.widgets.tree import as_json, parse_text, render_text

Data = Mapping[str, Any] | BaseModel | None
Tree = BaseModel | Mapping[str, Any]
"""A widget that Python made: a root of the SDK, a model, or a component tree as a dict."""
Resolve = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class FinishedWidget:
    """A widget for the client, and the text of its copy button."""

    root: WidgetRoot
    copy_text: str | None = None


def draw_tree(written: Any, name: str = "") -> FinishedWidget:
    """Return the widget that Python made, as a root of the SDK. Raise WidgetError that names each wrong node.

    `name` is that of the declared widget whose renderer made it.
    """
    if isinstance(written, WidgetComponentBase) and written.type in roots():
        # A root of the SDK is returned unchanged: its class is the renderer's choice.
        return FinishedWidget(written)  # type: ignore[arg-type]  # only the root classes have these types
    try:
        tree = read_tree(written)
    except TreeError as error:
        expected = f"expected a widget, got {error.got}" if error.got else str(error)
        raise WidgetError(name, expected) from error
    return FinishedWidget(_root_of(tree.components, name), tree.copy_text)


class DrawnStates:
    """One widget, or the states of one that is updated as it streams, as the SDK expects them.

    `source` is what the SDK streams. `copy_text` is that of the caller, or else of the widget itself.
    """

    def __init__(self, widget: Any, copy_text: str | None) -> None:
        self.copy_text = copy_text
        self._is_given = copy_text is not None
        self.source: Any = self._states(widget) if isinstance(widget, AsyncGenerator) else self._root(widget)

    def complete(self, event: ThreadStreamEvent) -> ThreadStreamEvent:
        """Set the copy text of a streamed item, which is not known before its first state."""
        if isinstance(event, ThreadItemAddedEvent | ThreadItemDoneEvent) and isinstance(event.item, WidgetItem):
            event.item.copy_text = self.copy_text
        return event

    async def _states(self, widgets: AsyncGenerator[Any, None]) -> AsyncGenerator[WidgetRoot, None]:
        async for widget in widgets:
            yield self._root(widget)

    def _root(self, widget: Any) -> WidgetRoot:
        drawn = draw_tree(widget)
        if not self._is_given and drawn.copy_text is not None:
            self.copy_text = drawn.copy_text
        return drawn.root


def with_drawn_widget(item: ThreadItem) -> ThreadItem:
    """Return an item whose widget is a root of the SDK: `model_copy` does not check a tree. Raise WidgetError."""
    if isinstance(item, WidgetItem) and isinstance(item.widget, Mapping):
        return redrawn(item, draw_tree(item.widget))
    return item


def redrawn(item: WidgetItem, drawn: FinishedWidget) -> WidgetItem:
    """Return the item with another widget; it keeps its copy text where the widget has none."""
    copy_text = item.copy_text if drawn.copy_text is None else drawn.copy_text
    return item.model_copy(update={"widget": drawn.root, "copy_text": copy_text})


def _root_of(tree: Any, name: str) -> WidgetRoot:
    if problem := root_problem(tree):
        raise WidgetError(name, problem)
    try:
        return DynamicWidgetRoot.model_validate(tree)
    except ValidationError as error:
        raise WidgetError(name, shape_problem(tree) or "the widget is malformed") from error


@dataclass(frozen=True, slots=True)
class BuiltWidget:
    """A widget ready to render; `sample` is data to try it with, `warnings` are for its author."""

    name: str
    data_schema: dict[str, Any] | None
    sample: dict[str, Any] | None
    warnings: tuple[str, ...]
    _renderer: Callable[[dict[str, Any]], Any]
    _check: DataCheck | None
    _copy_text: Template | None
    _defaults: Mapping[str, Any]
    _returns_json: bool = True

    def render(self, data: Data = None) -> WidgetRoot:
        """Return the widget for this data. Raise WidgetError, also for an async renderer."""
        drawn = self._call(data)
        if inspect.isawaitable(drawn):
            if inspect.iscoroutine(drawn):
                drawn.close()
            raise WidgetError(self.name, "its renderer is async (await arender() instead)")
        return self._finish(drawn).root

    async def arender(self, data: Data = None) -> WidgetRoot:
        """Return the widget for this data. Raise WidgetError."""
        return (await self._draw(data)).root

    async def draw(self, data: Data = None) -> FinishedWidget:
        """Return the widget for this data with the text of its copy button. Raise WidgetError."""
        drawn = await self._draw(data)
        return drawn if self._copy_text is None else replace(drawn, copy_text=self.copy_text(data))

    async def _draw(self, data: Data) -> FinishedWidget:
        drawn = self._call(data)
        if inspect.isawaitable(drawn):
            try:
                drawn = await drawn
            except WidgetError:
                raise
            except Exception as error:
                raise self._raised(error) from error
        return self._finish(drawn)

    def copy_text(self, data: Data = None) -> str | None:
        """Return the text of the copy button; None if the widget has no `copy_text`. Raise WidgetError."""
        if self._copy_text is None:
            return None
        try:
            text = render_text(self._copy_text, {**self._defaults, **_mapping(data)}, COPY_TEXT)
        except TreeError as error:
            raise WidgetError(self.name, str(error)) from error
        return "" if text is None else text if isinstance(text, str) else show_value(text)

    def _call(self, data: Data) -> Any:
        try:
            values = _mapping(data)
            if self._check and (problem := self._check.problem(as_json(values, ("data",)))):
                raise WidgetError(self.name, problem)
            return self._renderer(values)
        except TreeError as error:
            raise WidgetError(self.name, str(error)) from error
        except WidgetError:
            raise
        except Exception as error:
            raise self._raised(error) from error

    def _finish(self, drawn: Any) -> FinishedWidget:
        return FinishedWidget(_root_of(drawn, self.name)) if self._returns_json else draw_tree(drawn, self.name)

    def _raised(self, error: Exception) -> WidgetError:
        return WidgetError(self.name, f"its renderer raised {reason_of(error)}")


class Widgets:
    """The declared widgets, and those that a tool or action names by their file."""

    def __init__(self, config: Config, files: ProjectFiles, code: ProjectCode, problems: Problems) -> None:
        self.files, self.code = files, code
        self.declared = frozenset(config.widgets)
        self.built: dict[str, BuiltWidget] = {}
        for name, entry in config.widgets.items():
            with problems.record("A401", "widgets", name):
                self.built[name] = build_widget(name, entry, files, code.resolve)

    def get(self, name: str) -> BuiltWidget:
        """Return the widget of that name or file. Raise BuildError, AlreadyReported."""
        if name not in self.built:
            if name in self.declared:
                raise AlreadyReported
            if not name.endswith((".widget", ".json")):
                raise BuildError(f"no widget is named {name!r}")
            self.built[name] = build_widget(name, TemplateWidget(template=name), self.files, self.code.resolve)
        return self.built[name]


def build_widget(name: str, config: Widget, files: ProjectFiles, resolve: Resolve) -> BuiltWidget:
    """Build one widget; `resolve` returns the object at an import path. Raise WidgetError, ResolveError."""
    try:
        match config:
            case PythonWidget():
                return _build_python(name, config, resolve)
            case SectionsWidget():
                return _build_template(name, config, sections_form(config))
            case TemplateWidget():
                return _build_template(name, config, read_form(config.template, files))
    except TreeError as error:
        raise WidgetError(name, str(error)) from error


def _build_python(name: str, config: PythonWidget, resolve: Resolve) -> BuiltWidget:
    renderer = resolve(config.python)
    if not callable(renderer):
        raise WidgetError(name, f"{config.python!r} is not a function", "it is called as `render(data)`", code="A324")
    check = DataCheck(config.data) if config.data else None
    if check and config.sample is not None and (problem := check.problem(config.sample, "sample")):
        raise TreeError((), problem)
    return BuiltWidget(
        name=name,
        data_schema=config.data,
        sample=config.sample,
        warnings=(),
        _renderer=renderer,
        _check=check,
        _copy_text=_parse_copy(config.copy_text),
        _defaults=default_values(config.data),
        _returns_json=False,
    )


def _build_template(name: str, config: TemplateWidget | SectionsWidget, form: Form) -> BuiltWidget:
    schema = config.data or form.data
    copy_text, defaults = _parse_copy(config.copy_text or form.copy_text), default_values(schema)
    if form.tree is not None and (mistakes := check_components(form.tree, templated=True)):
        raise TreeError((), "; ".join(mistakes))
    warnings = _check_names(form, copy_text, schema)
    sample = form.sample if config.sample is None else config.sample
    widget = BuiltWidget(
        name=name,
        data_schema=schema,
        sample=form.tried if sample is None else sample,
        warnings=(),
        _renderer=functools.partial(render_form, form, defaults),
        _check=DataCheck(schema) if schema else None,
        _copy_text=copy_text,
        _defaults=defaults,
    )
    mistakes = _try_sample(widget)
    if mistakes and sample is not None:
        raise TreeError((), f"the sample does not work: {'; '.join(mistakes)}")
    # Only a warning if the sample is the editor's: the editor may know newer components.
    warnings += mistakes or _quote_warnings(form, widget.sample)
    return replace(widget, warnings=tuple(warnings))


def _try_sample(widget: BuiltWidget) -> list[str]:
    if widget.sample is None:
        return []
    try:
        widget.copy_text(widget.sample)
        root = widget.render(widget.sample)
    except WidgetError as error:
        return [error.message]
    return check_components(root.model_dump(mode="json", exclude_none=True))


def _quote_warnings(form: Form, sample: dict[str, Any] | None) -> list[str]:
    if sample is None or not isinstance(form.template, StudioTemplate):
        return []
    fields = form.template.fragile_fields(sample)
    return [f"a quote in {field!r} breaks the template's JSON ({TOJSON_HINT})" for field in fields]


def _check_names(form: Form, copy_text: Template | None, schema: Mapping[str, Any] | None) -> list[str]:
    """Check the names in templates against the schema: raise TreeError if it is closed, else return warnings."""
    errors = [str(error) for error in undeclared_name_errors(form, copy_text, schema)]
    if errors and is_closed(schema):
        raise TreeError((), "; ".join(errors))
    return errors


def _parse_copy(text: str | None) -> Template | None:
    return None if text is None else parse_text(text, COPY_TEXT)


def _mapping(data: Data) -> dict[str, Any]:
    if data is None:
        return {}
    if isinstance(data, BaseModel):
        return data.model_dump()
    if not isinstance(data, Mapping):
        raise TreeError(("data",), f"expected an object, got {show_value(data)}")
    return dict(data)


class WidgetError(BuildError):
    """A widget can't be built or rendered: `widget` is its name, empty for a tree that Python made for one call.

    `message` includes the path within the widget.
    """

    def __init__(self, widget: str, message: str, hint: str = "", *, code: str = "") -> None:
        super().__init__(message, hint, code=code)
        self.widget = widget

    def __str__(self) -> str:
        name = f"widget {self.widget!r}" if self.widget else "the widget"
        return f"{name}: {super().__str__()}"
