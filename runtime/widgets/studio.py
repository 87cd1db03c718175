"""A `.widget` file as ChatKit Studio exports it, rendered to the same tree as by ChatKit's WidgetTemplate.

Such a file holds JSON as a text with Jinja in it, so a quote in the data can end a JSON string. Where each template is
inside one JSON string, each string is rendered on its own, and data stays data; for all data that does not break the
text, the result is the same. Elsewhere the whole text is rendered, and an error names the field that breaks it.

Nothing is compiled before it is rendered: compiling computes the constants of a template, which may never end.
"""

from __future__ import annotations

import base64
import binascii
import copy
import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, StrictUndefined, TemplateSyntaxError, nodes
from jinja2 import Template as Compiled
from jinja2.sandbox import SandboxedEnvironment

from runtime.diagnostics.key_path import KeyPath, iter_values, show_path, value_at
from runtime.documents.json_text import line_and_column
from runtime.json_schema.data import TreeError, show_value
from runtime.sdk_internals import editing_environment
from runtime.templates.reads import prefer_fields
from runtime.templates.template import refuse_unknown
from runtime.widgets.tree import Scope, explain_failure

_VERSION = "1.0"
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
OPENING = re.compile(r"\{\{|\{%|\{#")
_BLOCK = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_SLOT = "\0"
_NEAR = 20
TOJSON_HINT = "write `{{ name | tojson }}` without quotes around it"
_BREAKS_JSON = re.compile(r'["\\\x00-\x1f]')
_CHANGES_LISTS = frozenset({"append", "extend", "insert", "pop", "remove", "clear", "update", "setdefault", "sort"})
# A name that one of these sets is seen by later strings.
_NAMING: tuple[type[nodes.Node], ...] = (
    nodes.Assign,
    nodes.AssignBlock,
    nodes.Macro,
    nodes.Block,
    nodes.Import,
    nodes.FromImport,
)


class StudioTemplate:
    """The template of a `.widget` file."""

    def __init__(self, text: str) -> None:
        """Parse the text; raises TreeError if it is not a template."""
        self._text = text
        tree = _parse_tree(text)
        self.is_robust = tree is not None or _parse(text).escapes_all
        """Whether no data can break the JSON."""
        self._render = tree or functools.partial(_render_text, _parse(text))

    def compile(self) -> None:
        """Compile the whole text."""
        _compile(self._text)

    def render(self, scope: Scope) -> Any:
        """Return the component tree; raises TreeError for a missing name, or a field that breaks the JSON."""
        return self._render(scope)

    def fragile_fields(self, sample: Mapping[str, Any]) -> list[str]:
        """Return the fields of a sample whose text would break the JSON if it had a quote; the sample must render."""
        broken: list[str] = []
        for path, _ in () if self.is_robust else _strings(sample):
            quoted = copy.deepcopy(dict(sample))
            value_at(quoted, path[:-1])[path[-1]] += '"\\'
            try:
                self._render(quoted)
            except TreeError:
                broken.append(show_path(path))
        return broken


def read_studio(definition: Mapping[str, Any]) -> tuple[StudioTemplate, dict[str, Any] | None, dict[str, Any] | None]:
    """Return the template of a `.widget` file, the JSON Schema of its data, and the sample data of its editor."""
    version = definition.get("version")
    if version != _VERSION:
        raise TreeError(("version",), f"expected {show_value(_VERSION)}, got {show_value(version)}")
    text, schema = definition.get("template"), definition.get("jsonSchema")
    if not isinstance(text, str):
        raise TreeError(("template",), f"expected a string, got {show_value(text)}")
    if not isinstance(schema, dict | None):
        raise TreeError(("jsonSchema",), f"expected an object, got {show_value(schema)}")
    return StudioTemplate(text), schema or None, _sample(definition.get("encodedWidget"))


def _sample(encoded: Any) -> dict[str, Any] | None:
    """Read the sample data from the editor's state, whose format is undocumented."""
    if not isinstance(encoded, str):
        return None
    try:
        state = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))["defaultState"]
    except (binascii.Error, ValueError, LookupError, TypeError):
        return None
    return state if isinstance(state, dict) and state else None


@functools.cache
def _environment() -> Environment:
    """ChatKit's grammar in a sandbox, in which `order.items` is the field of that name rather than a method."""
    return editing_environment(SandboxedEnvironment, prefer_fields)(undefined=StrictUndefined)


@dataclass(frozen=True, slots=True)
class _Text:
    """One parsed text: whether it changes the data, affects the text around it, or escapes all that it writes."""

    text: str
    changes_data: bool
    reaches_out: bool
    escapes_all: bool

    def fill(self, scope: Scope, shown: str) -> str:
        data = copy.deepcopy(dict(scope)) if self.changes_data else scope
        try:
            return _compile(self.text).render(data)
        except Exception as error:
            raise explain_failure(error, (), shown, scope) from error


@functools.lru_cache(maxsize=4096)
def _parse(text: str) -> _Text:
    try:
        tree = parse_studio(text)
    except TemplateSyntaxError as error:
        said = (error.message or "not a template").rstrip(".")
        message = f"{said[:1].lower()}{said[1:]}"
        raise TreeError(("template",), message, *_locate(text, error), hint=f"line {error.lineno}") from error
    except (RecursionError, MemoryError) as error:
        raise TreeError(("template",), "the template is nested too deep") from error
    except ValueError as error:  # Python limits the digits of an integer
        raise TreeError(("template",), "a number in the template has too many digits") from error
    return _Text(text, _changes_data(tree), _reaches_out(tree), _escapes_all(tree))


def parse_studio(text: str) -> nodes.Template:
    """Parse a text of ChatKit's grammar; raises jinja2.TemplateSyntaxError."""
    tree = _environment().parse(text)
    refuse_unknown(tree, _environment())
    return tree


@functools.lru_cache(maxsize=4096)
def _compile(text: str) -> Compiled:
    return _environment().from_string(text)


def _locate(text: str, error: TemplateSyntaxError) -> tuple[int, int]:
    """Return the line and column of the wrong block: Jinja2 knows only the line, and exports have only one."""
    for block in _BLOCK.finditer(text):
        try:
            parse_studio(block[0])
        except TemplateSyntaxError as block_error:
            if block_error.message == error.message:
                return line_and_column(text, block.start())
        except (RecursionError, MemoryError, ValueError):
            continue
    return error.lineno, 1


def _changes_data(tree: nodes.Template) -> bool:
    called = (call.node for call in tree.find_all(nodes.Call))
    return any(isinstance(method, nodes.Getattr) and method.attr in _CHANGES_LISTS for method in called)


def _reaches_out(tree: nodes.Template) -> bool:
    escapes = any(filter_.name == "tojson" for filter_ in tree.find_all(nodes.Filter))
    return escapes or any(True for _ in tree.find_all(_NAMING))


def _escapes_all(tree: nodes.Template) -> bool:
    written = (part for output in tree.find_all(nodes.Output) for part in output.nodes)
    return all(
        isinstance(part, nodes.TemplateData) or (isinstance(part, nodes.Filter) and part.name == "tojson")
        for part in written
    )


def _render_text(text: _Text, scope: Scope) -> Any:
    rendered = text.fill(scope, "the template")
    try:
        return json.loads(rendered)
    except json.JSONDecodeError as error:
        raise _explain_broken(rendered, error, scope) from error


def _parse_tree(text: str) -> Callable[[Scope], Any] | None:
    """Return a function that renders each string on its own, or None where only the whole text is a template."""
    strings: list[str] = []

    def replace(match: re.Match[str]) -> str:
        if not OPENING.search(match[0]):
            return match[0]
        strings.append(match[0][1:-1])
        return json.dumps(f"{_SLOT}{len(strings) - 1}")

    try:
        tree = json.loads(_JSON_STRING.sub(replace, text))
    except (json.JSONDecodeError, RecursionError):
        return None
    # Jinja, which reads the text, and JSON, which reads the result, interpret an escape differently.
    if r"\u0000" in text.lower() or any("\\" in string for string in strings):
        return None
    try:
        texts = [_parse(string) for string in strings]
    except TreeError:
        return None
    if any(text.reaches_out or text.changes_data for text in texts):
        return None
    return _filler(tree, list(zip(texts, strings, strict=True)))


def _filler(node: Any, texts: list[tuple[_Text, str]], path: KeyPath = ()) -> Callable[[Scope], Any]:
    match node:
        case str() if node.startswith(_SLOT):
            return functools.partial(_fill_string, *texts[int(node[1:])], path)
        case dict():
            entries = [(_filler(key, texts, path), _filler(value, texts, (*path, key))) for key, value in node.items()]
            return lambda scope: {key(scope): value(scope) for key, value in entries}
        case list():
            items = [_filler(item, texts, (*path, index)) for index, item in enumerate(node)]
            return lambda scope: [item(scope) for item in items]
        case _:
            return lambda _: node


def _fill_string(text: _Text, string: str, where: KeyPath, scope: Scope) -> str:
    try:
        return text.fill(scope, show_value(string))
    except TreeError as error:
        raise TreeError(where, error.message, hint=error.hint, kind=error.kind, got=error.got) from error


def _strings(value: Any) -> list[tuple[KeyPath, str]]:
    return [(path, text) for path, text in iter_values(value) if isinstance(text, str)]


def _explain_broken(text: str, error: json.JSONDecodeError, scope: Scope) -> TreeError:
    """Return an error that names the field at which the JSON broke, else the place in the template's own JSON."""
    for path, value in _strings(dict(scope)):
        if not _BREAKS_JSON.search(value):
            continue
        start = text.find(value)
        while start >= 0:
            if start <= error.pos <= start + len(value) + 1:
                message = f"the text of {show_path(path)!r} breaks the template's JSON"
                return TreeError((), message, hint=TOJSON_HINT, kind="json")
            start = text.find(value, start + 1)
    near = text[max(0, error.pos - _NEAR) : error.pos + _NEAR]
    hint = "look for a comma, bracket or quote there"
    return TreeError((), f"the template does not render to JSON near {near!r}", hint=hint, kind="json")
