"""Build the `widgets` section: what turns data into the component tree that a ChatKit client draws.

A widget is parsed, and what can be known about it is checked, once; rendering is then filling in. However a widget is
written, its data is held against its JSON Schema before and its root against ChatKit's after.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chatkit.widgets import DynamicWidgetRoot, WidgetComponentBase, WidgetRoot
from pydantic import BaseModel, ValidationError

from runtime.assemble.problems import BuildError
from runtime.config.model import Config
from runtime.config.model.widgets import PythonWidget, SectionsWidget, TemplateWidget, Widget
from runtime.config.project_files import ProjectFiles
from runtime.errors import RuntimeFault
from runtime.json_schema.data import DataCheck, TreeError, show_value
from runtime.project_code.loader import ResolveError
from runtime.templates.template import Template
from runtime.widgets.component_checks import check_components, root_problem, shape_problem
from runtime.widgets.components import roots
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

__all__ = ["BuiltWidget", "WidgetBuildError", "WidgetError", "build_widget", "build_widgets", "check_components"]

Data = Mapping[str, Any] | BaseModel | None
Resolve = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class BuiltWidget:
    """A widget ready to render; `sample` is data to try it with, `warnings` what its author should look at."""

    name: str
    data_schema: dict[str, Any] | None
    sample: dict[str, Any] | None
    warnings: tuple[str, ...]
    _draw: Callable[[dict[str, Any]], Any]
    _check: DataCheck | None
    _copy: Template | None
    _absent: Mapping[str, Any]
    _gives_json: bool = True

    def render(self, data: Data = None) -> WidgetRoot:
        """Return the widget for this data; raises WidgetError, also where the renderer is an async function."""
        drawn = self._call(data)
        if inspect.isawaitable(drawn):
            if inspect.iscoroutine(drawn):
                drawn.close()
            raise WidgetError(self.name, "its renderer is async (await arender() instead)")
        return self._finish(drawn)

    async def arender(self, data: Data = None) -> WidgetRoot:
        """Return the widget for this data; raises WidgetError."""
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
        """Return what the copy button gives, or None where the widget has no `copy_text`; raises WidgetError."""
        if self._copy is None:
            return None
        try:
            text = render_text(self._copy, {**self._absent, **_mapping(data)}, COPY_TEXT)
        except TreeError as error:
            raise WidgetError(self.name, str(error)) from error
        return "" if text is None else text if isinstance(text, str) else show_value(text)

    async def check_sample(self) -> list[str]:
        """Render the sample and return what is wrong with the result; empty without a sample. Runs the renderer."""
        if self.sample is None:
            return []
        try:
            self.copy_text(self.sample)
            root = await self.arender(self.sample)
        except WidgetError as error:
            return [error.message]
        return _check_root(root)

    def _call(self, data: Data) -> Any:
        try:
            values = _mapping(data)
            if self._check and (problem := self._check.problem(as_json(values, ("data",)))):
                raise WidgetError(self.name, problem)
            return self._draw(values)
        except TreeError as error:
            raise WidgetError(self.name, str(error)) from error
        except WidgetError:
            raise
        except Exception as error:
            raise self._raised(error) from error

    def _finish(self, drawn: Any) -> WidgetRoot:
        if isinstance(drawn, WidgetComponentBase) and drawn.type in roots():
            # Whoever gives a root of the SDK decides about its class.
            return drawn  # type: ignore[return-value]  # only the root classes have these types
        try:
            tree = drawn if self._gives_json else as_json(drawn, ())
        except TreeError as error:
            raise WidgetError(self.name, f"expected a widget, got {error.got}") from error
        if problem := root_problem(tree):
            raise WidgetError(self.name, problem)
        try:
            return DynamicWidgetRoot.model_validate(tree)
        except ValidationError as error:
            raise WidgetError(self.name, shape_problem(tree) or "the widget is malformed") from error

    def _raised(self, error: Exception) -> WidgetError:
        # The user's own code failed: their error, in their words.
        return WidgetError(self.name, f"its renderer raised {type(error).__name__}: {error}")


def build_widgets(config: Config, files: ProjectFiles, resolve: Resolve) -> dict[str, BuiltWidget]:
    """Build every declared widget; raises WidgetBuildError with all that is wrong."""
    built: dict[str, BuiltWidget] = {}
    errors: list[tuple[str, str]] = []
    for name, entry in config.widgets.items():
        try:
            built[name] = build_widget(name, entry, files, resolve)
        except ResolveError as error:
            errors.append((name, str(error)))
        except WidgetError as error:
            errors.append((name, error.in_words))
    if errors:
        raise WidgetBuildError(errors)
    return built


def build_widget(name: str, config: Widget, files: ProjectFiles, resolve: Resolve) -> BuiltWidget:
    """Build one widget; `files` are the project's, `resolve` finds an import path. Raises WidgetError, ResolveError."""
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
    draw = resolve(config.python)
    if not callable(draw):
        raise WidgetError(name, f"{config.python!r} is not a function", "it is called as `render(data)`", code="A324")
    check = DataCheck(config.data) if config.data else None
    if check and config.sample is not None and (problem := check.problem(config.sample, "sample")):
        raise TreeError((), problem)
    return BuiltWidget(
        name=name,
        data_schema=config.data,
        sample=config.sample,
        warnings=(),
        _draw=draw,
        _check=check,
        _copy=_parse_copy(config.copy_text),
        _absent=default_values(config.data),
        _gives_json=False,
    )


def _build_template(name: str, config: TemplateWidget | SectionsWidget, form: Form) -> BuiltWidget:
    schema = config.data or form.data
    copy, absent = _parse_copy(config.copy_text or form.copy_text), default_values(schema)
    if form.tree is not None and (found := check_components(form.tree, templated=True)):
        raise TreeError((), "; ".join(found))
    warnings = _unknown_names(form, copy, schema)
    sample = form.sample if config.sample is None else config.sample
    widget = BuiltWidget(
        name=name,
        data_schema=schema,
        sample=form.tried if sample is None else sample,
        warnings=(),
        _draw=functools.partial(render_form, form, absent),
        _check=DataCheck(schema) if schema else None,
        _copy=copy,
        _absent=absent,
    )
    found = _try_out(widget)
    if found and sample is not None:
        raise TreeError((), f"the sample does not work: {'; '.join(found)}")
    # What only the editor's sample shows is no mistake of this project: the editor may know newer components.
    warnings += found or _fragile(form, widget.sample)
    return replace(widget, warnings=tuple(warnings))


def _try_out(widget: BuiltWidget) -> list[str]:
    if widget.sample is None:
        return []
    try:
        widget.copy_text(widget.sample)
        root = widget.render(widget.sample)
    except WidgetError as error:
        return [error.message]
    return _check_root(root)


def _check_root(root: WidgetRoot) -> list[str]:
    return check_components(root.model_dump(mode="json", exclude_none=True))


def _fragile(form: Form, sample: dict[str, Any] | None) -> list[str]:
    if sample is None or not isinstance(form.template, StudioTemplate):
        return []
    fields = form.template.fragile_fields(sample)
    return [f"a quote in {field!r} breaks the template's JSON ({TOJSON_HINT})" for field in fields]


def _unknown_names(form: Form, copy: Template | None, schema: Mapping[str, Any] | None) -> list[str]:
    """Hold the names in the templates against the schema: a mistake where it is closed, else a warning."""
    found = undeclared_name_errors(form, copy, schema)
    if found and is_closed(schema):
        raise TreeError((), "; ".join(map(str, found)))
    return [str(error) for error in found]


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


# What goes wrong with widgets: one error for one widget, and one that collects them all.


class WidgetError(BuildError):
    """A widget that can't be built or rendered: `widget` is its name, `message` says what and where."""

    def __init__(self, widget: str, message: str, hint: str = "", *, code: str = "") -> None:
        super().__init__(message, hint, code=code)
        self.widget = widget

    def __str__(self) -> str:
        return f"widget {self.widget!r}: {self.in_words}"

    @property
    def in_words(self) -> str:
        """The message, and the way out."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


class WidgetBuildError(RuntimeFault):
    """Every mistake in the `widgets` section: `errors` holds a name and a message for each, in the file's order."""

    def __init__(self, errors: Iterable[tuple[str, str]]) -> None:
        self.errors = list(errors)
        super().__init__("\n".join(f"widget {name!r}: {message}" for name, message in self.errors))
