"""The schemas of tools and actions: `validate` reports what the build refuses, and plain schemas need no library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from runtime import ConfigError, load
from runtime.config.load import load_config
from runtime.json_schema.checks import is_plain_schema
from runtime.validation.project import check_project

FILE = """version: 1
models: {default: {scripted: script.yaml}}
agents: {helper: {instructions: Help., tools: [pick]}}
tools: {pick: {client: pick, parameters: PARAMETERS}}
actions: {go: {message: Go, payload: PAYLOAD}}
store: memory
"""
RIGHT = "{type: object, properties: {city: {type: string}}}"


def project(folder: Path, parameters: str = RIGHT, payload: str = RIGHT) -> Path:
    (folder / "script.yaml").write_text("otherwise: Hello.\n")
    (folder / "agents.yaml").write_text(FILE.replace("PARAMETERS", parameters).replace("PAYLOAD", payload))
    return folder


@pytest.mark.parametrize(
    ("wrong", "where", "message"),
    [
        ("{type: objct}", "type", "'objct'"),
        ("{type: object, properties: [city]}", "properties", "expected an object"),
        ("{type: object, properties: {city: {type: strng}}}", "properties.city.type", "strng"),
        ("{type: object, required: city}", "required", "expected a list"),
        ("{minimum: low}", "minimum", "expected a number"),
    ],
)
@pytest.mark.parametrize("key", ["parameters", "payload"])
def test_what_is_no_schema_is_reported_at_its_place_and_refused_by_the_build(
    tmp_path: Path, wrong: str, where: str, message: str, key: str
) -> None:
    folder = project(tmp_path, **{key: wrong})
    errors = [found for found in check_project(load_config(folder)) if found.severity == "error"]
    assert [found.code for found in errors] == ["A416"]
    assert errors[0].path == {"parameters": "tools.pick.parameters", "payload": "actions.go.payload"}[key] + f".{where}"
    assert message.strip("'") in errors[0].message
    with pytest.raises(ConfigError) as refused:
        load(folder)
    (built,) = refused.value.diagnostics
    assert (built.code, built.path, built.place) == ("A416", errors[0].path, errors[0].place)


def test_a_schema_that_nothing_can_fit_is_reported(tmp_path: Path) -> None:
    wrong = "{type: object, properties: {city: {type: string}}, required: [ctiy], additionalProperties: false}"
    errors = [found for found in check_project(load_config(project(tmp_path, wrong))) if found.severity == "error"]
    assert [(found.code, found.path, found.hint) for found in errors] == [
        ("A416", "tools.pick.parameters.required[0]", "did you mean 'city'?")
    ]


def test_a_valid_schema_is_neither_reported_nor_refused(tmp_path: Path) -> None:
    folder = project(tmp_path)
    assert [found for found in check_project(load_config(folder)) if found.severity == "error"] == []
    load(folder)


KEYS = st.sampled_from(
    ["type", "properties", "items", "required", "enum", "additionalProperties", "description", "minimum", "x"]
)
VALUES = st.recursive(
    st.sampled_from(["string", "object", "strng", 0, 3, -1, True, None, 1.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.sampled_from(["city"]), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300)
@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_whatever_looks_plain_is_a_schema(schema: dict[str, Any]) -> None:
    if is_plain_schema(schema):
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            pytest.fail(f"{schema}: {error.message}")


def test_most_schemas_look_plain() -> None:
    assert is_plain_schema(
        {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Which?", "enum": ["Oslo", "Rome"]}},
            "required": ["city"],
            "additionalProperties": False,
        }
    )


@pytest.mark.parametrize("required", ["true", "7", "[{value: name}]", "[[name]]", "[null]", "{name: true}", "name"])
def test_an_odd_required_of_a_schema_that_actions_use_is_reported(tmp_path: Path, required: str) -> None:
    schema = f"{{type: object, properties: {{name: {{type: string}}}}, required: {required}}}"
    (tmp_path / "agents.yaml").write_text(
        f"""version: 1
models: {{m: {{name: gpt-6-luna, api_key: none}}}}
agents: {{a: {{model: m, instructions: Hi, tools: [show]}}}}
tools: {{show: {{widget: card}}}}
widgets:
  card:
    template: {{type: Card, children: [{{type: Button, label: Go, onClickAction: {{type: go, payload: {{name: x}}}}}}]}}
    data: {schema}
actions: {{go: {{message: hi, payload: {schema}}}, again: {{widget: card}}}}
"""
    )
    found = {each.code for each in check_project(load_config(tmp_path, environ={}))}
    assert "A416" in found or "A102" in found
