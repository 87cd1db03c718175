import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from runtime.assemble.widgets import BuiltWidget, WidgetError, build_widget
from runtime.config.model.widgets import SectionsWidget, TemplateWidget
from runtime.config.project_files import ProjectFiles
from runtime.widgets.component_checks import check_components

SECTIONS = [
    {"type": "table", "title": "Numbers", "rows": "{{ rows }}"},
    {"type": "metadata", "items": [{"key": "Source", "value": "{{ source }}"}, {"key": "City", "value": "{{ city }}"}]},
    {"type": "image", "title": "Trend", "src": "{{ chart_url }}", "alt": "Trend in {{ city }}"},
    {"type": "text", "text": "All about **{{ city }}**."},
]
SHORTHAND = {"title": "Report for {{ city }}", "sections": SECTIONS}
DATA = {
    "city": 'Oslo "S" {{ x }}',
    "rows": [{"key": "High", "value": 21.5}, {"key": "Open", "value": True}, {"key": "Low", "value": None}],
    "source": "<yr>",
    "chart_url": "https://example.com/chart.png",
}


def build(*sections: dict[str, Any], **more: Any) -> BuiltWidget:
    config = TypeAdapter(SectionsWidget).validate_python({"type": "sections", "sections": list(sections), **more})
    return build_widget("report", config, ProjectFiles(Path("project")), lambda path: path)


def draw(widget: BuiltWidget, data: dict[str, Any]) -> dict[str, Any]:
    return widget.render(data).model_dump(mode="json", exclude_none=True)


def texts(node: dict[str, Any]) -> list[str]:
    own = [node["value"]] if "value" in node else []
    return own + [text for child in node.get("children", []) for text in texts(child)]


def test_a_report_is_a_card_that_the_sdk_knows_every_part_of() -> None:
    card = draw(build(*SECTIONS, title=SHORTHAND["title"]), DATA)
    assert check_components(card) == []
    assert [child["type"] for child in card["children"]] == ["Title", *["Divider", "Col"] * 4]
    city = 'Oslo "S" {{ x }}'
    numbers = ["High", "21.5", "Open", "true", "Low", "—"]
    facts = ["Source", "<yr>", "City", city]
    assert texts(card) == [f"Report for {city}", "Numbers", *numbers, *facts, "Trend", f"All about **{city}**."]


def test_a_table_has_a_row_for_each_pair_and_lines_between() -> None:
    table = draw(build({"type": "table", "rows": [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]}), {})
    (section,) = table["children"]
    rows = section["children"][0]["children"]
    assert [row["type"] for row in rows] == ["Row", "Divider", "Row"]
    assert [texts(row) for row in rows] == [["a", "1"], [], ["b", "2"]]


def test_rows_may_be_an_object_or_be_repeated_in_the_file() -> None:
    assert texts(draw(build({"type": "table", "rows": "{{ facts }}"}), {"facts": {"a": 1}})) == ["a", "1"]
    repeated = {"$for": "f in facts", "$do": {"key": "{{ f }}", "value": "{{ loop.index }}"}}
    widget = build({"type": "metadata", "items": [repeated, {"key": "end", "value": "!"}]})
    assert texts(draw(widget, {"facts": ["a", "b"]})) == ["a", "1", "b", "2", "end", "!"]


def test_a_section_without_content_is_left_out_with_its_heading() -> None:
    sections = [
        {"type": "table", "title": "None", "rows": "{{ rows }}"},
        {"type": "image", "title": "No picture", "src": "{{ src }}"},
        {"type": "text", "title": "Nothing", "text": "{{ note }}"},
        {"type": "text", "text": "end"},
    ]
    card = draw(build(*sections), {"rows": [], "src": None, "note": ""})
    assert texts(card) == ["end"]
    assert check_components(card) == []


@pytest.mark.parametrize(
    "root",
    [
        SHORTHAND,
        {"type": "sections", **SHORTHAND},
        {"type": "widget", "widget": SHORTHAND},
        {"type": "widget", "widget": {"type": "sections", **SHORTHAND}, "description": "A report"},
    ],
)
def test_the_root_of_a_template_file_may_be_the_shorthand(tmp_path: Path, root: dict[str, Any]) -> None:
    (tmp_path / "report.json").write_text(json.dumps(root), encoding="utf-8")
    widget = build_widget("report", TemplateWidget(template="report.json"), ProjectFiles(tmp_path), lambda path: path)
    assert widget.render(DATA) == build(*SECTIONS, title=SHORTHAND["title"]).render(DATA)


def test_a_wrapped_file_may_carry_schema_copy_text_and_sample(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    inner = {"sections": [{"type": "text", "text": "{{ city }}"}]}
    root = {"type": "widget", "widget": inner, "data": schema, "copy_text": "in {{ city }}", "sample": {"city": "Oslo"}}
    (tmp_path / "report.json").write_text(json.dumps(root), encoding="utf-8")
    widget = build_widget("report", TemplateWidget(template="report.json"), ProjectFiles(tmp_path), lambda path: path)
    assert (widget.data_schema, widget.sample) == (schema, {"city": "Oslo"})
    assert widget.copy_text({"city": "Rome"}) == "in Rome"
    config = TemplateWidget(template="report.json", copy_text="mine", sample={"city": "Bern"})
    mine = build_widget("report", config, ProjectFiles(tmp_path), lambda path: path)
    assert (mine.copy_text({}), mine.sample) == ("mine", {"city": "Bern"})


@pytest.mark.parametrize(
    ("root", "message"),
    [
        ({"sections": []}, "sections: expected 1 or more items, got []"),
        (
            {"sections": [{"type": "tabel", "rows": []}]},
            'sections[0].type: expected "table", "metadata", "image" or "text", got "tabel" (did you mean \'table\'?)',
        ),
        ({"sections": [{"type": "image", "scr": "x"}]}, "sections[0].scr: unknown (did you mean 'src'?)"),
        ({"sections": [{"type": "text"}]}, "sections[0].text: is missing"),
        (
            {"sections": [{"type": "table", "rows": 3}, {"type": "text", "text": 3}]},
            "sections[0].rows: expected a string or a list, got 3; sections[1].text: expected a string, got 3",
        ),
        (
            {"sections": [{"type": "table", "rows": [{"key": "a", "vlue": "b"}]}]},
            "sections[0].rows[0].vlue: unknown key 'vlue' (did you mean 'value'?)",
        ),
        ({"sections": [{"type": "table", "rows": [{"key": "a"}]}]}, "sections[0].rows[0].value: missing key 'value'"),
        (
            {"sections": [{"type": "table", "rows": "none"}]},
            'sections[0].rows: expected a list or a template that gives one, got "none"',
        ),
        ({"sections": [{"type": "text", "text": "{{ a"}]}, "sections[0].text: unexpected end of template, expected"),
        ({"type": "widget", "widget": 3}, "widget: expected an object, got 3"),
        ({"type": "widget", "widget": {}, "smaple": {}}, "smaple: unknown key 'smaple' (did you mean 'sample'?)"),
        ({"type": "widget", "widget": {}, "copy_text": 3}, "copy_text: expected a string, got 3"),
    ],
)
def test_a_mistake_in_a_file_is_reported_with_its_path(tmp_path: Path, root: dict[str, Any], message: str) -> None:
    (tmp_path / "report.json").write_text(json.dumps(root), encoding="utf-8")
    with pytest.raises(WidgetError) as caught:
        build_widget("report", TemplateWidget(template="report.json"), ProjectFiles(tmp_path), lambda path: path)
    assert caught.value.message.startswith(f"report.json: {message}")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({**DATA, "rows": 3}, "sections[0].rows: expected a list of {key, value}, got 3"),
        ({**DATA, "rows": [{"ky": 1}]}, 'sections[0].rows[0]: expected {key, value}, got {"ky": 1}'),
        ({**DATA, "chart_url": ["x"]}, 'sections[2].src: expected an address, got ["x"]'),
        ({"city": "Oslo"}, "sections[0].rows: 'rows' is not in the data"),
    ],
)
def test_data_of_the_wrong_shape_is_reported_with_its_section(data: dict[str, Any], message: str) -> None:
    with pytest.raises(WidgetError) as caught:
        build(*SECTIONS).render(data)
    assert caught.value.message == message
