"""What is known of the fields of values that templates read: by a JSON Schema, a function's parameters, or a class."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from runtime.config.model.tools import (
    AgentTool,
    AskTool,
    ClientTool,
    EffectTool,
    FactoryTool,
    PythonTool,
    ThreadTool,
    WidgetTool,
)
from runtime.static_analysis.instances import attributes_of, returned_by
from runtime.static_analysis.resolver import Symbol
from runtime.static_analysis.signatures import may_rename, own_parameters, parameters_of
from runtime.templates.steps import ITEM
from runtime.validation.checked_project import CheckedProject

METHODS = frozenset(dir(dict))
"""The names that a template finds in every dict."""
# Keywords by which a schema may have more properties than `properties` lists.
_OPEN = frozenset({"$ref", "allOf", "anyOf", "oneOf", "if", "patternProperties", "dependentSchemas", "$dynamicRef"})


@dataclass(frozen=True, slots=True)
class Shape:
    """The `fields` of a value, each with its own shape. Other fields are impossible if `closed`, else undeclared.

    `methods` are names that a template finds although they are no fields; `note` explains names that are missing.
    `item` is the shape of the items of a list.
    """

    fields: Mapping[str, Shape] = field(default_factory=dict)
    closed: bool = False
    methods: frozenset[str] = frozenset()
    note: Mapping[str, str] = field(default_factory=dict)
    item: Shape | None = None

    def missing(self, path: Sequence[str]) -> tuple[int, Shape] | None:
        """Return the index of the first step of `path` that is not a field, and the shape that lacks it.

        The step `ITEM` leads to an item of a list.
        """
        shape = self
        for index, step in enumerate(path):
            if step == ITEM:
                if shape.item is None:
                    return None
                shape = shape.item
                continue
            if step not in shape.fields:
                return None if step in shape.methods or shape == UNKNOWN else (index, shape)
            shape = shape.fields[step]
        return None


UNKNOWN = Shape()
TEXT = Shape(closed=True, methods=frozenset(dir(str)))
DATETIME = Shape(closed=True, methods=frozenset(dir(datetime)))
_SCALARS = {
    "string": TEXT,
    "integer": Shape(closed=True, methods=frozenset(dir(int))),
    "number": Shape(closed=True, methods=frozenset((*dir(int), *dir(float)))),
    "boolean": Shape(closed=True, methods=frozenset(dir(bool))),
}


def union_of(shapes: Iterable[Shape]) -> Shape:
    """Return the shape of a value that has one of these shapes: a field is impossible if it is in all of them."""
    each = list(shapes)
    if not each or UNKNOWN in each:
        return UNKNOWN
    names = dict.fromkeys(name for shape in each for name in shape.fields)
    fields = {name: union_of(shape.fields[name] for shape in each if name in shape.fields) for name in names}
    items = [shape.item for shape in each if shape.item is not None]
    methods = frozenset().union(*(shape.methods for shape in each))
    return Shape(fields, all(shape.closed for shape in each), methods, item=union_of(items) if items else None)


def shape_of_names(names: Iterable[str], *, methods: frozenset[str] = frozenset()) -> Shape:
    """Return the shape of a value that has exactly these fields."""
    return Shape(dict.fromkeys(names, UNKNOWN), closed=True, methods=methods)


def shape_of_schema(schema: Any) -> Shape:
    """Return the shape of the objects that a JSON Schema accepts."""
    if not isinstance(schema, Mapping) or _OPEN & schema.keys():
        return UNKNOWN
    properties, kind = schema.get("properties", {}), schema.get("type", "object")
    if isinstance(kind, str) and kind in _SCALARS:
        return _SCALARS[kind]
    if kind != "object" or not isinstance(properties, Mapping):
        return UNKNOWN
    more = schema.get("additionalProperties", True)
    if not properties and more is not False:
        return UNKNOWN
    fields = {str(name): shape_of_schema(inner) for name, inner in properties.items()}
    return Shape(fields, closed=more is False, methods=METHODS)


def shape_of_arguments(project: CheckedProject, tool: Any) -> Shape:
    """Return the shape of `args` in the templates of a tool, which are what the model passes."""
    match tool:
        case PythonTool(python=path, with_=bound):
            return _of_parameters(project, project.find_symbol(path), bound)
        case FactoryTool(factory=path):
            return _of_parameters(project, project.find_made_tool(path), {})
        case ClientTool(parameters=schema) | EffectTool(parameters=schema) | AskTool(parameters=schema):
            return shape_of_schema(schema)
        case WidgetTool(widget=widget):
            return shape_of_schema(project.widget_schemas.get(widget))
        case AgentTool():
            return shape_of_names(["input"], methods=METHODS)
        case ThreadTool():
            return shape_of_names([], methods=METHODS)
    return UNKNOWN


def _of_parameters(project: CheckedProject, symbol: Symbol | None, bound: Mapping[str, Any]) -> Shape:
    if symbol is None or symbol.kind not in ("function", "tool") or symbol.decorated or symbol.module is None:
        return UNKNOWN
    parameters = parameters_of(project.resolver, symbol)
    if parameters is None:
        return UNKNOWN
    own, is_certain = own_parameters(project.resolver, symbol, parameters)
    renamed = any(may_rename(project.resolver, symbol.module, parameter) for parameter in own)
    if not is_certain or renamed or any(parameter.kind in ("*", "**") for parameter in own):
        return UNKNOWN
    asked = {parameter.name: UNKNOWN for parameter in own if parameter.name not in bound}
    note = dict.fromkeys(bound, "'with' binds it, so the model does not pass it")
    return Shape(asked, closed=True, methods=METHODS, note=note)


def shape_of_result(project: CheckedProject, import_path: str) -> Shape:
    """Return the shape of what a function, or a class, of the project makes."""
    symbol = project.find_symbol(import_path)
    if symbol is None:
        return UNKNOWN
    made: Symbol | ast.Dict | None = symbol
    if symbol.kind == "class":
        made = Symbol("instance", symbol.module, symbol.node)
    elif symbol.kind == "function":
        made = returned_by(project.resolver, symbol)
    if isinstance(made, ast.Dict):
        names = [str(key.value) for key in made.keys if isinstance(key, ast.Constant)]
        return shape_of_names(names, methods=METHODS)
    if made is None or made.kind != "instance":
        return UNKNOWN
    names_of_class = attributes_of(project.resolver, made)
    return UNKNOWN if names_of_class is None else shape_of_names(names_of_class)
