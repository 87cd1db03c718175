"""The template grammar of the language: Jinja2's sandbox, imported when needed, with undefined names as errors."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runtime.diagnostics.wording import nearest
from runtime.errors import RuntimeFault
from runtime.resources.interrupts import is_interrupt

if TYPE_CHECKING:
    from jinja2 import Environment, nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

_MARKS = ("{{", "{%", "{#")
_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_PLAIN_FIELD = re.compile(rf"(?<!\{{)\{{\{{-?\s+(?P<name>{_NAME})(?:\.(?P<field>{_NAME}))?(?:\.{_NAME})*\s+-?\}}\}}")
# One expression without a text in it, as most conditions are.
_LONE_EXPRESSION = re.compile(r"\{\{(?:(?![{}]{2})[^'\"])*\}\}")
# Keywords of the grammar, and the names that every template has.
_NO_NAMES = {"true", "false", "none", "True", "False", "None", "not", "and", "or", "in", "is", "if", "else"}
_NO_NAMES |= {"self", "super", "caller", "varargs", "kwargs", "dict", "namespace", "range"}
# More than any prompt needs, and few enough to be harmless in an untrusted template.
_MAX_RANGE = 10_000


class TemplateError(RuntimeFault):
    """A template that can't be parsed or rendered; `line` and `column` count from 1 in its text, 0 where unknown."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        self.message = message
        self.line = line
        self.column = column
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template: `text` as written, and the `names` that its scope must have."""

    text: str
    names: frozenset[str] = frozenset()
    _render: Callable[[Mapping[str, Any]], Any] | None = field(default=None, repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Template:
        """Parse a text; raise TemplateError with the place of a syntax error."""
        if not any(mark in text for mark in _MARKS):
            return cls(text)
        return _parse(text)

    @property
    def is_constant(self) -> bool:
        """Whether the text has no template in it."""
        return self._render is None

    def compile(self) -> None:
        """Compile the template, which evaluates its constant parts. Raise TemplateError."""
        if not self.is_constant:
            _guarded(self.text, lambda: _renderer(self.text))

    def render(self, scope: Mapping[str, Any]) -> Any:
        """Render with the names in `scope`: a single expression returns its value with its type, any other text a str.

        Raise TemplateError when a name is missing or an expression fails.
        """
        return self.text if self._render is None else self._render(scope)


@functools.cache
def _environment() -> ImmutableSandboxedEnvironment:
    from jinja2 import StrictUndefined
    from jinja2.defaults import DEFAULT_NAMESPACE
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
    environment.globals.clear()
    environment.globals |= {name: DEFAULT_NAMESPACE[name] for name in ("dict", "namespace")}
    environment.globals["range"] = _bounded_range
    return environment


def _bounded_range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > _MAX_RANGE:
        raise OverflowError(f"a range of more than {_MAX_RANGE:,} numbers")
    return numbers


@functools.lru_cache(maxsize=4096)
def _parse(text: str) -> Template:
    names = plain_names(text)
    return Template(text, parsed_names(text) if names is None else names, lambda scope: _renderer(text)(scope))


def plain_names(text: str) -> frozenset[str] | None:
    """Return the names of a template with only `{{ name }}` and `{{ name.field }}`, as most have; else None."""
    rest, names = [], set()
    position = 0
    for match in _PLAIN_FIELD.finditer(text):
        rest.append(text[position : match.start()])
        names.add(match["name"])
        position = match.end()
    rest.append(text[position:])
    if names & _NO_NAMES or any("{" in part and any(mark in part for mark in _MARKS) for part in rest):
        return None
    return frozenset(names)


def parsed_names(text: str) -> frozenset[str]:
    """Return the names that a template needs; raises TemplateError for a syntax error."""
    import jinja2

    from runtime.templates.reads import find_names, prefer_fields

    environment = _environment()
    try:
        tree = prefer_fields(environment.parse(text))
        refuse_unknown(tree, environment)
        return find_names(tree)
    except jinja2.TemplateSyntaxError as error:
        raise _syntax_error(text, error) from None
    except (RecursionError, MemoryError) as error:
        raise TemplateError("the template is nested too deep") from error
    except ValueError as error:  # an integer beyond the limit of Python
        raise TemplateError("a number in the template has too many digits") from error


_FALSE = frozenset({"", "false", "no", "off", "none"})


def truth_of(text: str) -> bool:
    """Return whether a rendered text is true as a condition: `{% if … %}yes{% endif %}` renders one."""
    return text.strip().casefold() not in _FALSE


def constant_truth(text: str) -> bool | None:
    """Return the value of a condition that nothing can change, such as a text without a template; else None.

    Raise TemplateError if the text can't be parsed.
    """
    text = text.strip()
    if Template.parse(text).is_constant:
        return truth_of(text)
    if _LONE_EXPRESSION.fullmatch(text):
        return None
    from runtime.templates.reads import fixed_text

    fixed = fixed_text(_environment().parse(text))
    return None if fixed is None else truth_of(fixed)


def always_read(text: str) -> frozenset[tuple[str, str]]:
    """Return the fields that every rendering of a valid text reads: `(user, id)` for `{{ user.id }}`."""
    if plain_names(text) is not None:
        return frozenset((match["name"], match["field"]) for match in _PLAIN_FIELD.finditer(text) if match["field"])
    from runtime.templates.reads import find_reads

    return find_reads(_environment().parse(text))


def paths_read(text: str) -> frozenset[tuple[str, ...]]:
    """Return the fields, as `(args, order, id)`, and methods that every rendering of a valid text reads."""
    if plain_names(text) is not None:
        return frozenset(tuple(match[0].strip("{}- \t\r\n").split(".")) for match in _PLAIN_FIELD.finditer(text))
    from runtime.templates.reads import strict_paths

    return strict_paths(text)


_LIKE_A_NAME = 0.7


def _unknown(noun: str, name: str, known: Iterable[str]) -> str:
    near = nearest(name, known, _LIKE_A_NAME)
    return f"no {noun} named {name!r}" + (f", did you mean {near!r}?" if near else "")


def refuse_unknown(tree: nodes.Template, environment: Environment) -> None:
    """Raise jinja2.TemplateSyntaxError for mistakes that otherwise only the compiler finds.

    The compiler evaluates constant expressions, which may never end in an untrusted template.
    """
    from jinja2 import TemplateSyntaxError, nodes

    blocks: set[str] = set()
    for node in tree.find_all(nodes.Node):
        match node:
            case nodes.Include() | nodes.Import() | nodes.FromImport() | nodes.Extends():
                raise TemplateSyntaxError("a template can't read another file", node.lineno)
            case nodes.Filter() if node.name not in environment.filters:
                raise TemplateSyntaxError(_unknown("filter", node.name, environment.filters), node.lineno)
            case nodes.Test() if node.name not in environment.tests:
                raise TemplateSyntaxError(_unknown("test", node.name, environment.tests), node.lineno)
            case nodes.Block() if node.name in blocks:
                raise TemplateSyntaxError(f"block {node.name!r} defined twice", node.lineno)
            case nodes.Block():
                blocks.add(node.name)


@functools.lru_cache(maxsize=4096)
def _renderer(text: str) -> Callable[[Mapping[str, Any]], Any]:
    """Compile a valid text when it is rendered for the first time."""
    from runtime.templates.reads import prefer_fields

    environment = _environment()
    tree = prefer_fields(environment.parse(text))
    if (expression := _single_expression(tree, text)) is not None:
        return _native_renderer(environment, expression, text)
    compiled = _guarded(text, lambda: environment.from_string(tree))
    return lambda scope: _guarded(text, lambda: compiled.render(scope))


def _single_expression(tree: nodes.Template, text: str) -> nodes.Expr | None:
    from jinja2 import nodes

    if not (text.startswith("{{") and text.rstrip().endswith("}}")):
        return None
    if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Output):
        return None
    parts = [
        part for part in tree.body[0].nodes if not (isinstance(part, nodes.TemplateData) and not part.data.strip())
    ]
    if len(parts) == 1 and not isinstance(parts[0], nodes.TemplateData):
        return parts[0]
    return None


def _native_renderer(
    environment: ImmutableSandboxedEnvironment, expression: nodes.Expr, text: str
) -> Callable[[Mapping[str, Any]], Any]:
    from jinja2 import StrictUndefined, nodes
    from jinja2.environment import TemplateExpression

    # As Environment.compile_expression does, from a tree instead of a text.
    body: list[nodes.Node] = [nodes.Assign(nodes.Name("result", "store"), expression, lineno=1)]
    tree = nodes.Template(body, lineno=1)
    tree.set_environment(environment)
    template = environment.from_string(tree)
    evaluate = TemplateExpression(template, undefined_to_none=False)

    def call(scope: Mapping[str, Any]) -> Any:
        value = evaluate(scope)
        if isinstance(value, StrictUndefined):
            str(value)  # raises, with the name that is missing
        return value

    return lambda scope: _guarded(text, lambda: call(scope))


def _guarded(text: str, render: Callable[[], Any]) -> Any:
    import jinja2

    try:
        return render()
    except jinja2.TemplateError as error:
        raise TemplateError(error.message or type(error).__name__, *_position(text, error)) from error
    except BaseException as error:
        if is_interrupt(error):
            raise
        # Functions that an expression calls may raise anything: the caller handles TemplateError only.
        raise TemplateError(f"{type(error).__name__}: {error}", *_position(text, error)) from error


def _position(text: str, error: BaseException) -> tuple[int, int]:
    """Return the line at which rendering failed, and the column of the first tag in it."""
    line, trace = 1, error.__traceback__
    while trace is not None:
        # Jinja2 puts frames with the lines of the template into the traceback, marked so.
        if "__jinja_exception__" in trace.tb_frame.f_globals:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line, _first_tag(text, line)


def _first_tag(text: str, line: int) -> int:
    source = (text.splitlines() or [""])[min(line, text.count("\n") + 1) - 1 :][:1]
    match = re.search(r"\{\{|\{%", source[0]) if source else None
    return match.start() + 1 if match else 1


def _syntax_error(text: str, error: Any) -> TemplateError:
    line = int(error.lineno or 1)
    return TemplateError(_reword(str(error.message or "not a template")), line, _first_tag(text, line))


def _reword(message: str) -> str:
    if unclosed := re.search(r"innermost block that needs to be closed is ('\w+')", message):
        return f"the block {unclosed[1]} is never closed"
    for term, sign in (("'end of print statement'", "'}}'"), ("'end of statement block'", "'%}'")):
        message = message.replace(term, sign)
    return message[:1].lower() + message[1:].rstrip(".")
