"""Component trees with templates as values: data becomes values of the tree, and never its structure.

Every string of the tree is a template of its own, parsed once. A node may be one of two directives:
`{"$for": "item in items", "$do": node}` repeats and `{"$if": "expression", "$then": node, "$else": node}` chooses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from jinja2 import UndefinedError
from jinja2.exceptions import SecurityError
from pydantic import BaseModel

from runtime.diagnostics.key_path import KeyPath
from runtime.diagnostics.wording import suggest
from runtime.json_schema.data import TreeError, kind_of, show_value
from runtime.templates.template import Template, TemplateError
from runtime.widgets.components import text_properties

Scope = Mapping[str, Any]

_FOR = re.compile(r"\s*([A-Za-z_]\w*)(?:\s*,\s*([A-Za-z_]\w*))?\s+in\s+(.+)", re.DOTALL)
_KEYS = {"$for": ("$for", "$do"), "$if": ("$if", "$then", "$else")}
_NEEDED = {"$for": "$do", "$if": "$then"}
_LOOP = "loop"
_FIELD = re.compile(r"\{\{\s*([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)\s*\}\}")
_MISSING_NAME = re.compile(r"'(.+)' is undefined")
_MISSING_FIELD = re.compile(r"(?:has no attribute|has no element) '?(.+?)'?$")


_OMITTED = object()
"""The value of an `$if` without `$else`: the key or the list item that has it is left out."""
_Value = Callable[[Scope], Any]
_Values = Callable[[Scope], Iterable[Any]]


def is_directive(node: Any) -> bool:
    """Return whether a node is a directive, known or misspelt."""
    return isinstance(node, dict) and any(isinstance(key, str) and key.startswith("$") for key in node)


class TreeTemplate:
    """A parsed tree; `names` maps every free name in it to the path of its first use."""

    def __init__(self, tree: Any, start: KeyPath = (), faults: list[TreeError] | None = None) -> None:
        """Parse a JSON tree; raises TreeError with the path of a mistake, under `start`.

        With `faults`, every mistake is appended there instead, and the tree must not be rendered.
        """
        self.names: dict[str, KeyPath] = {}
        self.texts: list[Template] = []
        self.bound: set[str] = set()
        """The names that the loops of the tree set."""
        self._faults = faults
        self._value = self._parse(tree, start, frozenset())

    def compile(self) -> None:
        """Compile every text, also those in branches that no data reaches; raises TemplateError."""
        for text in self.texts:
            text.compile()

    def render(self, scope: Scope) -> Any:
        """Render the tree; raises TreeError with the path of the template that fails."""
        value = self._value(scope)
        return None if value is _OMITTED else value

    def _parse(self, node: Any, path: KeyPath, bound: frozenset[str]) -> _Value:
        try:
            return self._parse_node(node, path, bound)
        except TreeError as error:
            self._note(error)
            return lambda _: None

    def _note(self, error: TreeError) -> None:
        if self._faults is None:
            raise error
        self._faults.append(error)

    def _parse_node(self, node: Any, path: KeyPath, bound: frozenset[str]) -> _Value:
        match node:
            case str():
                return self._parse_text(node, path, bound)
            case dict() if is_directive(node):
                return self._parse_directive(node, path, bound)
            case dict():
                return self._parse_object(node, path, bound)
            case list():
                values = self._parse_list(node, path, bound)
                return lambda scope: list(values(scope))
            case _:
                return lambda _: node

    def _parse_text(self, text: str, path: KeyPath, bound: frozenset[str]) -> _Value:
        template = parse_text(text, path)
        if template.is_constant:
            return lambda _: text
        self.texts.append(template)
        for name in template.names - bound:
            self.names.setdefault(name, path)
        return _read_field(template, path) or (lambda scope: render_text(template, scope, path))

    def _parse_object(self, node: dict[str, Any], path: KeyPath, bound: frozenset[str]) -> _Value:
        kind = node.get("type")
        texts = text_properties(kind) if isinstance(kind, str) else frozenset()
        entries = [
            (key, _as_text(value) if key in texts else value)
            for key, value in ((key, self._parse(value, (*path, key), bound)) for key, value in node.items())
        ]

        def render(scope: Scope) -> dict[str, Any]:
            filled = [(key, value(scope)) for key, value in entries]
            return {key: value for key, value in filled if value is not _OMITTED}

        return render

    def _parse_list(self, nodes: list[Any], path: KeyPath, bound: frozenset[str]) -> _Values:
        """Parse the items of a list; an item that renders to null is left out."""
        items = [self._parse_item(node, (*path, index), bound) for index, node in enumerate(nodes)]

        def render(scope: Scope) -> Iterator[Any]:
            for item in items:
                yield from (value for value in item(scope) if value is not None and value is not _OMITTED)

        return render

    def _parse_item(self, node: Any, path: KeyPath, bound: frozenset[str]) -> _Values:
        if not is_directive(node):
            value = self._parse(node, path, bound)
            return lambda scope: (value(scope),)
        try:
            return self._parse_for(node, path, bound) if "$for" in node else self._parse_if(node, path, bound)
        except TreeError as error:
            self._note(error)
            return lambda _: ()

    def _parse_several(self, node: Any, path: KeyPath, bound: frozenset[str]) -> _Values:
        parse = self._parse_list if isinstance(node, list) else self._parse_item
        return parse(node, path, bound)

    def _parse_directive(self, node: dict[str, Any], path: KeyPath, bound: frozenset[str]) -> _Value:
        """Parse a directive that is the value of a key: `$for` makes a list, `$if` the value of its branch."""
        if "$for" in node:
            values = self._parse_list([node], path, bound)
            return lambda scope: list(values(scope))
        chooses = self._parse_condition(node, path, bound)
        chosen = self._parse(node["$then"], (*path, "$then"), bound)
        other = self._parse(node["$else"], (*path, "$else"), bound) if "$else" in node else lambda _: _OMITTED
        return lambda scope: chosen(scope) if chooses(scope) else other(scope)

    def _parse_if(self, node: dict[str, Any], path: KeyPath, bound: frozenset[str]) -> _Values:
        chooses = self._parse_condition(node, path, bound)
        chosen = self._parse_several(node["$then"], (*path, "$then"), bound)
        other = self._parse_several(node.get("$else", []), (*path, "$else"), bound)
        return lambda scope: chosen(scope) if chooses(scope) else other(scope)

    def _parse_condition(self, node: dict[str, Any], path: KeyPath, bound: frozenset[str]) -> _Value:
        _check_directive(node, path)
        return self._parse_expression(node["$if"], (*path, "$if"), bound)

    def _parse_for(self, node: dict[str, Any], path: KeyPath, bound: frozenset[str]) -> _Values:
        _check_directive(node, path)
        where = (*path, "$for")
        written = _FOR.fullmatch(node["$for"]) if isinstance(node["$for"], str) else None
        if written is None:
            raise TreeError(where, f"expected 'item in items', got {show_value(node['$for'])}")
        first, second, expression = written.groups()
        looped = self._parse_expression(expression, where, bound)
        names = (first, second) if second else (first,)
        self.bound.update(names, (_LOOP,))
        body = self._parse_several(node["$do"], (*path, "$do"), bound.union(names, (_LOOP,)))

        def render(scope: Scope) -> Iterator[Any]:
            items = _items(looped(scope), len(names), where)
            for index, item in enumerate(items):
                loop = {"index": index + 1, "index0": index, "first": not index, "last": index == len(items) - 1}
                yield from body({**scope, **dict(zip(names, item, strict=True)), _LOOP: loop | {"length": len(items)}})

        return render

    def _parse_expression(self, text: Any, path: KeyPath, bound: frozenset[str]) -> _Value:
        if not isinstance(text, str) or not text.strip():
            raise TreeError(path, f"expected an expression, got {show_value(text)}")
        if "{{" in text:
            raise TreeError(path, f"expected an expression without braces, got {show_value(text)}")
        return self._parse_text(f"{{{{ {text.strip()} }}}}", path, bound)


def _as_text(value: _Value) -> _Value:
    """Convert a number to a text, for properties that take only texts, as in `{"value": "{{ count }}"}`."""

    def render(scope: Scope) -> Any:
        rendered = value(scope)
        return json.dumps(rendered) if isinstance(rendered, (bool, int, float)) else rendered

    return render


def _read_field(template: Template, where: KeyPath) -> _Value | None:
    """Return a fast function for `{{ order.items }}`: it reads the field, also where a dict method has its name."""
    written = _FIELD.fullmatch(template.text)
    if written is None or (names := written[1].split("."))[0] not in template.names:
        return None

    def render(scope: Scope) -> Any:
        value: Any = scope
        for name in names:
            if not isinstance(value, Mapping) or name not in value:
                return render_text(template, scope, where)
            value = value[name]
        return as_json(value, where)

    return render


def _check_directive(node: dict[str, Any], path: KeyPath) -> None:
    kind = "$for" if "$for" in node else "$if"
    if kind not in node:
        word = next(key for key in node if key.startswith("$"))
        raise TreeError((*path, word), f"unknown directive {word!r}", hint=suggest(word, _KEYS), kind="unknown")
    for key in node:
        if key not in _KEYS[kind]:
            message = f"unknown key {key!r} beside {kind!r}"
            raise TreeError((*path, key), message, hint=suggest(key, _KEYS[kind]), kind="unknown")
    if _NEEDED[kind] not in node:
        raise TreeError(path, f"{_NEEDED[kind]!r} is missing beside {kind!r}")


def _items(value: Any, width: int, where: KeyPath) -> list[tuple[Any, ...]]:
    """Return a tuple for each iteration of `$for`, with one value for each of its `width` names."""
    if value is None:
        return []
    if isinstance(value, dict) and width > 1:
        return list(value.items())
    if not isinstance(value, list):
        raise TreeError(where, f"expected a list, got {show_value(value)}")
    if width == 1:
        return [(item,) for item in value]
    for item in value:
        if not isinstance(item, list) or len(item) != width:
            raise TreeError(where, f"expected a list of pairs, got {show_value(item)} in it")
    return [tuple(item) for item in value]


def parse_text(text: str, where: KeyPath) -> Template:
    """Parse one template of a widget; raises TreeError with its path."""
    try:
        return Template.parse(text)
    except TemplateError as error:
        raise TreeError(where, f"{error.message} in {show_value(text)}", error.line, error.column) from error


def render_text(template: Template, scope: Scope, where: KeyPath) -> Any:
    """Render one template to JSON; raises TreeError with its path and the name that is missing."""
    try:
        return as_json(template.render(scope), where)
    except TreeError:
        raise
    except Exception as error:
        # Filters return lazy values, so an expression may fail while its result is read.
        raise explain_failure(error, where, show_value(template.text), scope) from error


def explain_failure(error: BaseException, where: KeyPath, template: str, scope: Scope) -> TreeError:
    """Return why a template failed, in terms of its data; `template` is how the message names it.

    The kind of a name that the data lacks is `name`, and `got` is the name.
    """
    if isinstance(error, TemplateError) and error.__cause__:
        error = error.__cause__
    if isinstance(error, UndefinedError):
        said = str(error)
        if name := _MISSING_NAME.search(said):
            message, hint = f"{name[1]!r} is not in the data", suggest(name[1], scope)
            return TreeError(where, message, hint=hint, kind="name", got=name[1])
        if field := _MISSING_FIELD.search(said):
            message = f"{template} reads {field[1]!r}, which is not in the data"
            return TreeError(where, message, kind="name", got=field[1])
        return TreeError(where, f"{template} reads what is not in the data")
    if isinstance(error, SecurityError):
        return TreeError(where, f"{template} does what a template must not")
    if isinstance(error, ZeroDivisionError):
        return TreeError(where, f"{template} divides by zero")
    return TreeError(where, f"{template} can't be computed from this data")


def as_json(value: Any, where: KeyPath) -> Any:
    """Return a copy of a value with JSON types only; raises TreeError for a value that has no JSON form."""
    if type(value) is str:
        return value
    match value:
        case Enum():
            return as_json(value.value, where)
        case str():
            return str(value)
        case None | bool() | int() | float():
            return value
        case list() | tuple():
            return [as_json(item, where) for item in value]
        case dict():
            return {str(key): as_json(item, where) for key, item in value.items()}
        case BaseModel():
            return value.model_dump(mode="json", by_alias=True)
        case Mapping():
            return as_json(dict(value), where)
        case date() | time():
            return value.isoformat()
        case UUID() | Decimal():
            return str(value)
        case Iterable() if not isinstance(value, (bytes, bytearray)):
            return as_json(list(value), where)
        case _:
            raise TreeError(where, f"expected a value of JSON, got {kind_of(value)}", got=kind_of(value))
