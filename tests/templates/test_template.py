"""The one template grammar."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.templates.template import Template, TemplateError, parsed_names, plain_names

# What plain templates are made of, and what only looks like one.
PIECES = [
    "{{ name }}",
    "{{ user.name }}",
    "{{- name -}}",
    "{{ range }}",
    "{{ true }}",
    "{{ not }}",
    "{{",
    "}}",
    "{",
    "}",
    "{#",
    "#}",
    "{% raw %}",
    "{% endraw %}",
    "{% if name %}",
    "{% endif %}",
    "{{ 'x' }}",
    "{{ a b }}",
    " ",
    "text",
    "\n",
    "{{name}}",
]


def render(text: str, **scope: Any) -> Any:
    return Template.parse(text).render(scope)


def test_a_text_without_marks_is_constant_and_itself() -> None:
    template = Template.parse("Hello } { % you")
    assert template.is_constant
    assert template.names == frozenset()
    assert template.render({}) == "Hello } { % you"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{{ n > 1 }}", True),
        ("{{ n }}", 3),
        ("{{ items }}", [1, 2]),
        ("{{ none }}", None),
        ("{{ items }}\n", [1, 2]),
        ("{{- n -}}", 3),
        ("{{ '5' }}", "5"),
        ("{{ n if n > 5 else 'few' }}", "few"),
        ("{{ items | length }}", 2),
    ],
)
def test_a_single_expression_keeps_its_type(text: str, value: object) -> None:
    rendered = render(text, n=3, items=[1, 2], none=None)
    assert (rendered, type(rendered)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("n is {{ n }}", "n is 3"),
        ("{{ n }}{{ n }}", "33"),
        (" {{ n }}", " 3"),
        ("{% if n %}yes{% endif %}", "yes"),
        ("{% for i in range(3) %}{{ i }}{% endfor %}\n", "012\n"),
        ("<b>{{ html }}</b>", "<b><&></b>"),
        ("{# note #}{{ n }}.", "3."),
    ],
)
def test_anything_else_is_text(text: str, value: str) -> None:
    assert render(text, n=3, html="<&>") == value


def test_names_are_the_free_variables() -> None:
    template = Template.parse(
        "{{ user.name }} {% for x in rows %}{{ x }}{{ loop.index }}{% endfor %}{% set y = a %}{{ y }}"
    )
    assert template.names == {"user", "rows", "a"}
    assert Template.parse("{{ range(3) }}").names == frozenset()


@pytest.mark.parametrize("text", ["{{ gone }}", "a {{ gone }}", "{{ n.gone }}", "{{ gone.x }}", "{{ n.gone + 1 }}"])
def test_an_undefined_name_is_an_error(text: str) -> None:
    with pytest.raises(TemplateError, match="gone"):
        render(text, n=3)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("{{ n", 1, 1), ("one\n  {{ n | nosuch }}", 2, 3), ("a\nb {% if %}", 2, 3), ("{% if n %}", 1, 1), ("{# n", 1, 1)],
)
def test_a_syntax_error_has_a_place(text: str, line: int, column: int) -> None:
    with pytest.raises(TemplateError) as caught:
        Template.parse(text)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(
    "text", ["{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}", "{% from 'x' import y %}"]
)
def test_a_template_reads_no_other_file(text: str) -> None:
    with pytest.raises(TemplateError, match="another file"):
        Template.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ n.__class__ }}",
        "{{ items.append(1) }}",
        "{{ call.__globals__ }}",
        "{% for i in range(99999999) %}{% endfor %}",
        "{{ 1 / 0 }}",
        "{{ call() }}",
    ],
)
def test_what_an_expression_may_not_or_can_not_do_is_one_kind_of_error(text: str) -> None:
    def call() -> None:
        raise KeyError("inside")

    with pytest.raises(TemplateError):
        render(text, n=3, items=[1], call=call)


def test_values_are_never_templates_again() -> None:
    assert render("{{ x }} {{ x }}", x="{{ y }}") == "{{ y }} {{ y }}"
    assert render("{{ x }}", x="{{ y }}") == "{{ y }}"


@pytest.mark.parametrize("text", ["{{ order.items }}", "{{ order.items | length }} of {{ order['items'] | length }}"])
def test_a_dot_finds_a_field_before_a_method_of_the_same_name(text: str) -> None:
    rendered = Template.parse(text).render({"order": {"items": [1, 2]}})
    assert rendered in ([1, 2], "2 of 2")


def test_a_method_can_still_be_called() -> None:
    assert Template.parse("{{ name.upper() }}!").render({"name": "ada"}) == "ADA!"


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_the_names_of_plain_templates_are_those_that_parsing_finds(text: str) -> None:
    plain = plain_names(text)
    if plain is not None:
        assert parsed_names(text) == plain
