import base64
import json
from pathlib import Path
from typing import Any

import pytest
from chatkit.widgets import WidgetTemplate
from hypothesis import given
from hypothesis import strategies as st

from runtime.assemble.widgets import BuiltWidget, WidgetError, build_widget
from runtime.config.model.widgets import TemplateWidget
from runtime.config.project_files import ProjectFiles

# As ChatKit Studio writes them: expressions outside the quotes, loops and conditions with dashes.
WEATHER = (
    '{"type":"Card","size":"sm","background":"{{ theme }}","children":[{"type":"Row","justify":"between","children":['
    '{"type":"Title","value":{{ (city) | tojson }}},{"type":"Caption","value":{{ ((high ~ "° / " ~ low ~ "°")) | tojson'
    ' }}}]}{%- if (alert) -%},{"type":"Badge","label":{{ (alert) | tojson }},"color":"warning"}{%- endif -%}]}'
)
ORDERS = (
    '{"type":"ListView","limit":5,"children":[{%- for order in orders -%}{"type":"ListViewItem","key":{{ (order.id) |'
    ' tojson }},"onClickAction":{"type":"order.open","payload":{"id":{{ (order.id) | tojson }},"tags":{{ (order.tags) |'
    ' tojson }}}},"children":[{"type":"Text","value":{{ (order.title) | tojson }},"weight":"bold"},{"type":"Spacer"}'
    ',{%- if (order.paid) -%}{"type":"Badge","label":"Paid","color":"success"}{%- else -%}{"type":"Badge","label":"Open'
    '"}{%- endif -%}]}{% if not loop.last %},{% endif %}{%- endfor -%}]}'
)
QUOTED = (
    '{"type":"Card","children":[{"type":"Title","value":"{{ title }}","size":"{{ size }}"},{"type":"Text","value":'
    '"{% if count == 1 %}one item{% else %}{{ count }} items{% endif %}, {{- note }}"},{"type":"Caption","value":'
    '"{{ tags | join(\' · \') }} {{ ratio }} {{ done }} {{ none_yet }} {# nobody sees this #}","{{ flag }}":true}]}'
)
MIXED = (
    '{"type":"Card","children":[{"type":"Text","value":"He said \\"{{ word }}\\"\\n","maxLines":{{ lines }}},'
    '{"type":"Text","value":"{{ (word | tojson)[1:-1] }}"}]}'
)
NAMING = (
    '{"type":"Card","id":"{% set total = price * 2 %}c","children":[{"type":"Text","value":"{{ total }}"},'
    '{"type":"Text","value":"{{ \'yes\' if total > 3 else \'no\' }}"}]}'
)
GATHERING = (
    '{"type":"Card","children":[{% set seen = [] %}{% for word in words %}{% set _ = seen.append(word | upper) %}'
    '{% endfor %}{"type":"Text","value":{{ seen | join("-") | tojson }}}]}'
)

EXPORTS: list[tuple[str, dict[str, Any]]] = [
    (WEATHER, {"theme": "surface", "city": 'Oslo "S"', "high": 21, "low": 9, "alert": "Storm & <rain>"}),
    (WEATHER, {"theme": "surface", "city": "Oslo", "high": 21.5, "low": None, "alert": ""}),
    (ORDERS, {"orders": []}),
    (
        ORDERS,
        {
            "orders": [
                {"id": "a", "title": "Née\nÅse \\ 'x'", "paid": True, "tags": ["x", None, {"k": 1}]},
                {"id": "b", "title": "{{ id }}", "paid": False, "tags": []},
            ]
        },
    ),
    (
        QUOTED,
        {
            "title": "Plan æøå <b>",
            "size": "lg",
            "count": 3,
            "note": " soon",
            "tags": ["a", "b"],
            "ratio": 0.1,
            "done": True,
            "none_yet": None,
            "flag": "italic",
        },
    ),
    (MIXED, {"word": "plain", "lines": 2}),
    (NAMING, {"price": 2}),
    (GATHERING, {"words": ["a", "b"]}),
    ('{"type":"Basic","gap":{{ gap }},"children":{"type":"Text","value":"one"}}', {"gap": 2}),
    ('{"type":"Card","children":[{"type":"Text","value":"{{ order.name }}"}]}', {"order": {"name": "n", "items": [1]}}),
    ('{"type":"Card","children":[{"type":"Text","value":"\\u007b\\u007b literal }}"}]}', {}),
    ('{"type":"Card","children":[{"type":"Text","value":"{{ d.keys() | list | length }}"}]}', {"d": {"keys": 1}}),
]


def definition(template: str, **more: Any) -> dict[str, Any]:
    return {"version": "1.0", "name": "export", "template": template, **more}


def build(folder: Path, template: str, **more: Any) -> BuiltWidget:
    (folder / "export.widget").write_text(json.dumps(definition(template, **more)), encoding="utf-8")
    return build_widget("export", TemplateWidget(template="export.widget"), ProjectFiles(folder), lambda path: path)


@pytest.mark.parametrize(("template", "data"), EXPORTS)
def test_an_export_renders_to_exactly_what_chatkit_makes_of_it(
    tmp_path: Path, template: str, data: dict[str, Any]
) -> None:
    ours = build(tmp_path, template).render(data)
    stock = WidgetTemplate(definition(template)).build(data)
    assert ours == stock
    assert ours.model_dump_json(exclude_none=True) == stock.model_dump_json(exclude_none=True)


@given(
    title=st.text(st.characters(blacklist_characters='"\\', blacklist_categories=["Cc", "Cs"])),
    count=st.one_of(st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False)),
)
def test_filling_in_by_structure_equals_the_text_for_all_data_that_the_text_survives(
    tmp_path_factory: pytest.TempPathFactory, title: str, count: object
) -> None:
    template = '{"type":"Card","children":[{"type":"Text","value":"{{ title }} x {{ count }}","id":"{{ title }}"}]}'
    data = {"title": title, "count": count}
    built = build(tmp_path_factory.mktemp("export"), template)
    assert built.render(data) == WidgetTemplate(definition(template)).build(data)


def test_rendering_changes_nothing_in_the_data(tmp_path: Path) -> None:
    template = '{"type":"Card","children":[{"type":"Text","value":{{ words.pop() | tojson }}}]}'
    data = {"words": ["a", "b"]}
    build(tmp_path, template).render(data)
    assert data == {"words": ["a", "b"]}


@pytest.mark.parametrize("text", ['"', "\\", 'a"b\\c', "{{ size }}", "</script>", "a\nb\u0000", "{% raw %}"])
def test_adversarial_text_between_quotes_stays_text(tmp_path: Path, text: str) -> None:
    template = '{"type":"Card","children":[{"type":"Title","value":"Hi {{ title }}","size":"lg"}]}'
    shown = build(tmp_path, template).render({"title": text, "size": "x"}).model_dump(exclude_none=True)
    assert shown["children"] == [{"type": "Title", "value": f"Hi {text}", "size": "lg"}]


def test_a_field_named_like_a_method_is_the_field(tmp_path: Path) -> None:
    template = (
        '{"type":"Card","children":[{% for i in order.items %}{"type":"Text","value":{{ i | tojson }}}{% endfor %}]}'
    )
    shown = build(tmp_path, template).render({"order": {"items": ["a"]}}).model_dump(exclude_none=True)
    assert shown["children"] == [{"type": "Text", "value": "a"}]


FRAGILE = '{"type":"Card","children":[{% for i in lines %}{"type":"Text","value":"{{ i.name }}"}{% endfor %}]}'


def test_a_quote_that_breaks_the_text_is_reported_at_its_field_with_the_way_out(tmp_path: Path) -> None:
    widget = build(tmp_path, FRAGILE)
    with pytest.raises(WidgetError) as caught:
        widget.render({"title": 'not "me"', "lines": [{"name": 'the "one"'}]})
    assert str(caught.value) == (
        "widget 'export': the text of 'lines[0].name' breaks the template's JSON"
        " (write `{{ name | tojson }}` without quotes around it)"
    )


def test_the_sample_of_the_editor_shows_which_fields_a_quote_would_break(tmp_path: Path) -> None:
    state = {"defaultState": {"lines": [{"name": "a", "note": "b"}], "title": "c"}}
    encoded = base64.urlsafe_b64encode(json.dumps(state).encode()).decode().rstrip("=")
    assert build(tmp_path, ORDERS, encodedWidget="not base64 at all").warnings == ()
    assert build(tmp_path, FRAGILE, encodedWidget=encoded).warnings == (
        "a quote in 'lines[0].name' breaks the template's JSON (write `{{ name | tojson }}` without quotes around it)",
    )


def test_components_newer_than_the_sdk_are_a_warning_in_an_export_and_an_error_with_a_sample_of_ours(
    tmp_path: Path,
) -> None:
    template = '{"type":"Card","children":[{"type":"Hologram","value":"{{ title }}"}]}'
    encoded = base64.urlsafe_b64encode(json.dumps({"defaultState": {"title": "x"}}).encode()).decode()
    assert build(tmp_path, template, encodedWidget=encoded).warnings == (
        "children[0].type: unknown component 'Hologram'",
    )
    with pytest.raises(WidgetError, match=r"the sample does not work: .*unknown component 'Hologram'"):
        build_widget(
            "export",
            TemplateWidget(template="export.widget", sample={"title": "x"}),
            ProjectFiles(tmp_path),
            lambda path: path,
        )


@pytest.mark.parametrize(
    ("template", "data", "message"),
    [
        (QUOTED, {"titel": "x"}, "children[0].value: 'title' is not in the data (did you mean 'titel'?)"),
        (FRAGILE, {}, "'lines' is not in the data"),
        (FRAGILE, {"lines": [{"nam": "x"}]}, "the template reads 'name', which is not in the data"),
        (
            "{{ a }} no JSON",
            {"a": 1},
            "the template does not render to JSON near '1 no JSON' (look for a comma, bracket",
        ),
        ('{"type":"Card","children":["{{ a }}"]}', {"a": "x"}, 'children[0]: expected a component, got "x"'),
        ('{"type":"Box"}', {}, '"Box" can\'t be the root of a widget (use Card, ListView or Basic)'),
        ('{"type":"Card","children":[{% if a > 1 %}{% endif %}]}', {"a": "x"}, "the template can't be computed from"),
        ("{{ ''.__class__.__mro__ }}", {}, "the template does what a template must not"),
    ],
)
def test_a_failure_is_reported_without_a_word_of_python(
    tmp_path: Path, template: str, data: dict[str, Any], message: str
) -> None:
    widget = build(tmp_path, template)
    with pytest.raises(WidgetError) as caught:
        widget.render(data)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (definition("{% for %}"), "template: expected an expression, got 'end of statement block' (line 1)"),
        (definition("{{ a | shout }}"), "template: no filter named 'shout' (line 1)"),
        ({"version": "2.0", "template": "{}"}, 'version: expected "1.0", got "2.0"'),
        ({"version": "1.0", "template": {}}, "template: expected a string, got {}"),
        (definition("{}", jsonSchema=[]), "jsonSchema: expected an object, got []"),
    ],
)
def test_a_broken_file_is_refused_when_it_is_read(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    (tmp_path / "x.widget").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(WidgetError) as caught:
        build_widget("x", TemplateWidget(template="x.widget"), ProjectFiles(tmp_path), lambda path: path)
    assert caught.value.message == f"x.widget: {message}"


def test_data_is_held_against_the_schema_of_the_export(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    template = '{"type":"Card","children":[{"type":"Text","value":{{ city | tojson }}}]}'
    widget = build(tmp_path, template, jsonSchema=schema)
    assert widget.data_schema == schema
    with pytest.raises(WidgetError, match=r"widget 'export': data.city: expected a string, got 7"):
        widget.render({"city": 7})
