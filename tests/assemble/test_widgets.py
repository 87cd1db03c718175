import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from chatkit.widgets import DynamicWidgetRoot, WidgetTemplate
from pydantic import BaseModel

from runtime.assemble.problems import BuildError
from runtime.assemble.widgets import BuiltWidget, WidgetError, build_widget
from runtime.config.model.widgets import PythonWidget, TemplateWidget
from runtime.config.project_files import ProjectFiles
from runtime.project_code.loader import ResolveError

SCHEMA = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "tags": {"type": "array", "items": {"enum": ["new", "old"]}}},
    "required": ["id"],
    "additionalProperties": False,
}
CARD = {"type": "Card", "children": [{"type": "Text", "value": "Order {{ id }}"}]}


def never(path: str) -> object:
    raise AssertionError(f"nobody needs {path}")


def build_python(renderer: object, **more: Any) -> BuiltWidget:
    return build_widget(
        "custom", PythonWidget(python="app.cards:build", **more), ProjectFiles(Path("project")), lambda _: renderer
    )


def card(value: str) -> dict[str, Any]:
    return {"type": "Card", "children": [{"type": "Text", "value": value}]}


class Answer(BaseModel):
    type: str = "Card"
    children: list[dict[str, Any]]


class Order(BaseModel):
    id: str


async def build_async(data: dict[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(0)
    return card(data["id"])


RENDERERS = [
    lambda data: card(data["id"]),
    lambda data: DynamicWidgetRoot.model_validate(card(data["id"])),
    lambda data: Answer(children=card(data["id"])["children"]),
    lambda data: {"type": "Card", "children": (DynamicWidgetRoot.model_validate(card(data["id"])).children)},
    build_async,
]


@pytest.mark.parametrize("renderer", RENDERERS)
async def test_a_renderer_in_python_may_give_a_root_a_model_or_a_dict_now_or_later(renderer: object) -> None:
    shown = await build_python(renderer).arender({"id": "a"})
    assert json.loads(shown.model_dump_json(exclude_none=True)) == card("a")


def test_a_root_of_the_sdk_is_passed_on_as_it_is() -> None:
    root = WidgetTemplate({"version": "1.0", "name": "x", "template": json.dumps(card("a"))}).build()
    assert build_python(lambda data: root).render({}) is root


def test_a_renderer_that_is_async_has_to_be_awaited() -> None:
    with pytest.raises(WidgetError, match=r"its renderer is async \(await arender\(\) instead\)"):
        build_python(build_async).render({"id": "a"})


def fail(data: dict[str, Any]) -> None:
    raise LookupError(f"no order {data['id']}")


async def fail_later(data: dict[str, Any]) -> None:
    fail(data)


@pytest.mark.parametrize("renderer", [fail, fail_later])
async def test_what_a_renderer_raises_is_reported_in_its_own_words(renderer: object) -> None:
    with pytest.raises(WidgetError) as caught:
        await build_python(renderer).arender({"id": "7"})
    assert str(caught.value) == "widget 'custom': its renderer raised LookupError: no order 7"
    assert isinstance(caught.value.__cause__, LookupError)


@pytest.mark.parametrize(
    ("drawn", "message"),
    [
        (None, "expected a component, got null"),
        ("text", 'expected a component, got "text"'),
        ({}, "'type' is missing (use Card, ListView or Basic)"),
        ({"type": "Text", "value": "x"}, '"Text" can\'t be the root of a widget (use Card, ListView or Basic)'),
        ({"type": "card"}, "\"card\" can't be the root of a widget (did you mean 'Card'?)"),
        ({"type": "Card", "children": [3]}, "children[0]: expected a component, got 3"),
        ({"type": "Card", "key": 3}, "key: expected a string, got 3"),
        (object(), "expected a widget, got something that is not JSON"),
    ],
)
def test_what_a_renderer_gives_has_to_be_a_widget(drawn: object, message: str) -> None:
    with pytest.raises(WidgetError) as caught:
        build_python(lambda data: drawn).render({})
    assert caught.value.message == message


def test_a_renderer_gets_the_data_as_it_is_and_not_the_object_itself() -> None:
    seen: list[dict[str, Any]] = []
    data = {"order": Order(id="a")}
    build_python(lambda given: seen.append(given) or card("x")).render(data)
    assert seen == [data]
    assert seen[0] is not data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"id": 7}, "data.id: expected a string, got 7"),
        ({}, "data.id: is missing"),
        ({"id": "a", "tag": []}, "data.tag: unknown (did you mean 'tags'?)"),
        ({"id": "a", "tags": ["nwe"]}, 'data.tags[0]: expected "new" or "old", got "nwe" (did you mean \'new\'?)'),
        ({"id": None, "tags": 3}, "data.id: expected a string, got null; data.tags: expected a list, got 3"),
        (None, "data.id: is missing"),
        ([], "data: expected an object, got []"),
    ],
)
async def test_data_that_does_not_fit_the_schema_is_reported_with_its_field(data: Any, message: str) -> None:
    tree = build_widget("order", TemplateWidget(template=CARD, data=SCHEMA), ProjectFiles(Path("project")), never)
    for widget in (tree, build_python(lambda _: card("x"), data=SCHEMA)):
        with pytest.raises(WidgetError) as caught:
            await widget.arender(data)
        assert str(caught.value) == f"widget {widget.name!r}: {message}"


def test_data_may_be_a_model() -> None:
    widget = build_widget("order", TemplateWidget(template=CARD, data=SCHEMA), ProjectFiles(Path("project")), never)
    assert widget.render(Order(id="a")) == widget.render({"id": "a"})


def test_the_copy_text_is_filled_in_from_the_data() -> None:
    config = TemplateWidget(template=CARD, data=SCHEMA, copy_text="Order {{ id }}{{ ' ' ~ tags if tags }}")
    widget = build_widget("order", config, ProjectFiles(Path("project")), never)
    assert widget.copy_text({"id": 'a"b'}) == 'Order a"b'
    lone = build_python(lambda _: card("x"), copy_text="{{ total }}")
    assert lone.copy_text({"total": 3}) == "3"
    with pytest.raises(WidgetError, match="widget 'custom': copy_text: 'total' is not in the data"):
        lone.copy_text({})
    assert build_python(lambda _: card("x")).copy_text({"total": 3}) is None


def test_a_sample_that_does_not_work_is_found_when_the_widget_is_built() -> None:
    def build(sample: dict[str, Any]) -> BuiltWidget:
        config = TemplateWidget(template=CARD, data=SCHEMA, sample=sample)
        return build_widget("order", config, ProjectFiles(Path("project")), never)

    assert build({"id": "a"}).sample == {"id": "a"}
    with pytest.raises(WidgetError, match=r"the sample does not work: data.id: expected a string, got 7"):
        build({"id": 7})
    with pytest.raises(WidgetError, match=r"sample.id: expected a string, got 7"):
        build_python(never, data=SCHEMA, sample={"id": 7})


def test_a_sample_shows_a_value_that_a_component_does_not_take() -> None:
    tree = {"type": "Card", "children": [{"type": "Icon", "name": "{{ icon }}"}]}
    with pytest.raises(WidgetError, match=r"name: .*is not one of .*did you mean 'search'"):
        build_widget("x", TemplateWidget(template=tree, sample={"icon": "serch"}), ProjectFiles(Path("project")), never)
    build_widget(
        "x", TemplateWidget(template=tree, sample={"icon": "lucide:sun"}), ProjectFiles(Path("project")), never
    )


def test_a_path_to_no_function_is_an_error_of_the_widget_and_one_that_leads_nowhere_of_the_path() -> None:
    def lost(path: str) -> object:
        raise ResolveError(f"no module named {path!r}", "did you mean 'app'?")

    with pytest.raises(ResolveError, match=r"no module named 'ap.cards:build' \(did you mean 'app'\?\)"):
        build_widget("custom", PythonWidget(python="ap.cards:build"), ProjectFiles(Path("project")), lost)
    with pytest.raises(WidgetError) as caught:
        build_python(3)
    assert str(caught.value) == (
        "widget 'custom': 'app.cards:build' is not a function (it is called as `render(data)`)"
    )
    assert isinstance(caught.value, BuildError)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "widgets/ordr.json",
            "widgets/ordr.json: the file 'widgets/ordr.json' does not exist (did you mean 'widgets/order.json'?)",
        ),
        ("cards/order.json", "cards/order.json: the file 'cards/order.json' does not exist"),
        ("../order.json", "../order.json: the file '../order.json' is outside the project folder"),
        ("/etc/hostname", "/etc/hostname: the file '/etc/hostname' is outside the project folder"),
        ("widgets", "widgets: the file 'widgets' is a folder"),
        ("widgets/broken.json", "widgets/broken.json: not JSON at line 2, column 2: expecting"),
        ("widgets/bytes.json", "widgets/bytes.json: the file is UTF-16 (save it as UTF-8)"),
        ("widgets/list.json", "widgets/list.json: expected an object, got []"),
        ("widgets/deep.json", "widgets/deep.json: nested too deep"),
    ],
)
def test_a_file_that_is_no_template_is_named_with_the_way_out(tmp_path: Path, path: str, message: str) -> None:
    root = tmp_path / "project"
    (root / "widgets").mkdir(parents=True)
    (tmp_path / "order.json").write_text("{}", encoding="utf-8")
    (root / "widgets" / "order.json").write_text("{}", encoding="utf-8")
    (root / "widgets" / "broken.json").write_text("{\n 'type'}", encoding="utf-8")
    (root / "widgets" / "bytes.json").write_bytes(b"\xff\xfe{}")
    (root / "widgets" / "list.json").write_text("[]", encoding="utf-8")
    (root / "widgets" / "deep.json").write_text('{"a":' * 100_000, encoding="utf-8")
    with pytest.raises(WidgetError) as caught:
        build_widget(path, TemplateWidget(template=path), ProjectFiles(root), never)
    assert caught.value.message.startswith(message)


def test_a_schema_that_is_none_or_leads_elsewhere_is_refused_without_a_download() -> None:
    with pytest.raises(WidgetError, match=r"data.type: not a JSON Schema: expected .*did you mean 'object'"):
        build_widget("x", TemplateWidget(template=CARD, data={"type": "objct"}), ProjectFiles(Path("project")), never)
    schema = {"$ref": "http://127.0.0.1:9/schema.json"}
    widget = build_widget("x", TemplateWidget(template=CARD, data=schema), ProjectFiles(Path("project")), never)
    with pytest.raises(WidgetError, match=r"the schema refers to 'http://127.0.0.1:9/schema.json', which it does not"):
        widget.render({"id": "a"})
