"""Names that a template always reads, and those that it reads on a condition."""

from __future__ import annotations

import pytest

from runtime.templates.template import Template, TemplateError, always_read


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("{{ user.id }}", {("user", "id")}),
        (
            "{{ user['id'] }}{{ state.lists.of(user.name) }}",
            {("user", "id"), ("state", "lists")},
        ),
        ("{% if user.vip %}{{ user.level }}{% endif %}", {("user", "vip")}),
        ("{% for item in context.items %}{{ item.name }}{{ user.id }}{% endfor %}", {("context", "items")}),
        ("{{ 'a' if context.metric else context.feet }}", {("context", "metric")}),
        ("{{ context.a or context.b }}{{ context.c and context.d }}", {("context", "a"), ("context", "c")}),
        ("{{ context.a|default(context.b) }}{{ context.c is defined }}", set()),
        ("{{ context.a is none }}{{ [context.b] }}{{ context.c|map('upper')|list }}", set()),
        ("{{ context.a in user.list }}{{ context.b == 1 }}", {("user", "list"), ("context", "b")}),
        ("{{ 1 < context.a < context.b }}", {("context", "a")}),
        ("{{ context.a|upper ~ context.b }}", {("context", "a"), ("context", "b")}),
        ("{% set user = context.user %}{{ user.vip }}", set()),
        ("{{ user.profile.name }}", {("user", "profile")}),
        ("{% macro m() %}{{ user.x }}{% endmacro %}plain", set()),
    ],
)
def test_what_is_always_read_is_found(text: str, fields: set[tuple[str, str]]) -> None:
    assert always_read(text) == fields


class Nothing:
    """Has no field at all."""


@pytest.mark.parametrize(
    "text",
    [
        "{{ user.id }}",
        "{% if user.vip %}{% endif %}",
        "{{ user.id|upper }}",
        "{{ user.name or 'x' }}",
        "{{ 1 in user.list }}",
        "{{ user.id == 1 }}",
        "{{ user.id() }}",
        "{{ user.id ~ 'x' }}",
        "{{ user.a.b }}",
        "{{ 'a' if user.id else 'b' }}",
        "{% for x in user.list %}{% endfor %}",
    ],
)
def test_a_field_that_is_always_read_fails_where_it_is_missing(text: str) -> None:
    assert always_read(text)
    with pytest.raises(TemplateError):
        Template.parse(text).render({"user": Nothing()})
